import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../../permissions.ts";
import { grpc } from "../../../proto/grpc.ts";
import { documentedJson, fieldsOf } from "../../testing/documented_json.ts";
import { daemonPod, runningPod, startStandInApi } from "../stand_in_api.ts";
import { startStandInDaemon, writeFinished, writeResult, writeStart } from "../stand_in_daemon.ts";

const ROOT = join(import.meta.dirname!, "../../..");
const RESULT = new TextEncoder().encode(
  "app 42 1.000000:   10101010 cpu-clock: \n\t    55d0c0de main+0x1d (/app)\n\n",
);

/**
 * Runs the program with pods `a`, `b` and `c`, of which those whose names are in `failing` fail
 * with that status and those in `endless` are sampled until they are stopped.
 */
async function run(
  args: string[],
  { failing = {}, endless = [], signal, names = ["a", "b", "c"], morePods = [] }: {
    failing?: Record<string, grpc.status>;
    endless?: string[];
    /** Sent once the client has said that all endless ones are recorded. */
    signal?: Deno.Signal;
    /** The pods that run on a node with a daemon. */
    names?: string[];
    /** Others, as the API server has them. */
    morePods?: ReturnType<typeof runningPod>[];
  } = {},
) {
  const stops = new Map<string, () => void>();
  await using daemon = await startStandInDaemon({
    start(call) {
      const name = call.request.containerId.replace("id-of-", "");
      if (name in failing) {
        call.emit("error", { code: failing[name], details: `no ${name}` });
        return;
      }
      writeStart(call, name);
      if (!endless.includes(name)) return writeFinished(call, RESULT);
      const completeness = "COMPLETENESS_STOPPED";
      stops.set(name, () => writeFinished(call, RESULT, { completeness }));
    },
    fetch: (call) => writeResult(call, RESULT),
    stop: (name) => stops.get(name)!(),
  });
  const [host, port] = daemon.address.split(":");
  const pods = names.map((name) => runningPod(name, "n1", { app: "web" }));
  await using api = await startStandInApi({
    pods: [...pods, ...morePods, daemonPod("n1", host, Number(port))],
  });
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-all-" });
  try {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false })],
        ...["cli/main.ts", "--kubeconfig", api.kubeconfig, "-o", outputDirectory, ...args],
      ],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(30_000),
    }).spawn();
    let stderr = "";
    let isSent = false;
    const reading = (async () => {
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
        stderr += text;
        const recorded = stderr.split(": recording shop/").length - 1;
        if (!signal || isSent || recorded < endless.length) continue;
        process.kill(signal);
        isSent = true;
      }
    })();
    const stdout = await new Response(process.stdout).text();
    await reading;
    const { code } = await process.status;
    const printed = stdout.trim().split("\n").map((path) =>
      path.replace(`${outputDirectory}/`, "").replace(/-\d{8}T\d{6}Z/, "")
    );
    const files = [...Deno.readDirSync(outputDirectory)].map(({ name }) => name);
    return { status: code, stdout, printed, stderr, files };
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

Deno.test("permissionFlags: paths alone are printed, the merged result's last", async () => {
  const { status, printed, stderr } = await run(["-l", "app=web"]);
  assert.equal(status, 0, stderr);
  assert.equal(printed.at(-1), "shop-merged.perf.txt");
  assert.deepEqual(printed.slice(0, -1).sort(), [
    ...["a-app.perf.txt", "b-app.perf.txt", "c-app.perf.txt"],
  ]);
  for (const name of ["a", "b", "c"]) {
    assert.match(stderr, new RegExp(`${name}-app: recording shop/${name} container app on n1`));
    assert.match(stderr, new RegExp(`${name}-app: 7 samples`));
  }
});

Deno.test("permissionFlags: perf.data is not merged, and neither is what shall not be", async () => {
  for (const args of [["--format", "data"], ["--no-merge"]]) {
    const { status, printed, stderr } = await run(["a", "b", ...args]);
    assert.equal(status, 0, stderr);
    assert.deepEqual(printed.sort().map((name) => name.slice(0, 6)), ["a-app.", "b-app."]);
  }
});

Deno.test("permissionFlags: afterwards they are told of together, and what all have is said once", async () => {
  const { stderr } = await run(["-l", "app=web"]);
  const lines = stderr.split("\n");
  const at = lines.indexOf("  SELF   TOTAL  FUNCTION");
  assert.match(lines[at - 1], /: all 3 together: 21 samples, 3 lost; about [\d.]+ CPUs used$/);
  assert.equal(lines[at + 1], "100.0%  100.0%  main (app)");
  const warnings = lines.filter((line) => line.includes("warning: "));
  assert.equal(warnings.length, 2, stderr);
  assert.match(warnings[0], /: [abc]-app: warning: .* were lost, .* \(3 of 3 have this\)$/);
  assert.match(warnings[1], /: [abc]-app: warning: .* mostly idle.* \(3 of 3 have this\)$/);
});

Deno.test("permissionFlags: --json prints one object about all of them", async () => {
  const { status, stdout } = await run(["a", "b", "c", "nobody", "--json"], {
    failing: { b: grpc.status.PERMISSION_DENIED },
  });
  assert.equal(status, 7);
  const object = JSON.parse(stdout);
  assert.deepEqual(Object.keys(object), Object.keys(documentedJson("Several pods")));
  const { results, failures, skipped, merged, hottest } = object;
  const documented = fieldsOf(documentedJson("One pod, and `fetch`"));
  // It was of both sides.
  assert.deepEqual(fieldsOf(results[0]), documented.filter((field) => field !== "cpuUse.side"));
  assert.deepEqual(
    results.map(({ target }: { target: { pod: string } }) => target.pod).sort(),
    ["a", "c"],
  );
  assert.deepEqual(
    failures.map(({ name, exitStatus }: Record<string, unknown>) => `${name} ${exitStatus}`),
    ["pod/nobody 3", "b-app 4"],
  );
  assert.match(failures[1].message, /no b$/);
  assert.deepEqual(skipped, []);
  assert.match(merged, /shop-merged-.*\.perf\.txt$/);
  assert.deepEqual(hottest, [{ symbol: "main", dso: "/app", self: 1, total: 1 }]);
});

Deno.test("permissionFlags: the failure of some makes it partial, and each is told", async () => {
  const { status, printed, stderr } = await run(["a", "b", "c", "nobody"], {
    failing: { b: grpc.status.PERMISSION_DENIED },
  });
  assert.equal(status, 7, stderr);
  assert.equal(printed.length, 3);
  assert.match(stderr, /b-app: the necoperf-daemon on n1 .*: no b$/m);
  assert.match(stderr, /pod\/nobody: there is no pod shop\/nobody/);
  assert.match(stderr, /2 of 4 have failed/);
});

Deno.test("runProfileAll: what many fail of is told once, with their number and a few names", async () => {
  const { PERMISSION_DENIED } = grpc.status;
  const names = ["a", "b", "c", "web-4", "web-5", "web-6", "web-7"];
  const failing = Object.fromEntries(names.slice(1).map((name) => [name, PERMISSION_DENIED]));
  const { status, stderr, printed } = await run(["--all"], { names, failing });
  assert.equal(status, 7, stderr);
  assert.deepEqual(printed, ["a-app.perf.txt"]);
  assert.equal(stderr.match(/: no /g)?.length, 1, stderr);
  const [, first] = /: (\S+-app): the necoperf-daemon on n1 .*: no \S+$/m.exec(stderr)!;
  const [, others] = new RegExp(`: 5 more failed as ${first} did: (.*) and 2 others$`, "m").exec(
    stderr,
  )!;
  const named = others.split(", ");
  assert.equal(named.length, 3);
  assert(named.every((name) => name !== first && names.includes(name.replace("-app", ""))));
  assert.match(stderr, /: 6 of 7 have failed$/m);

  const { stdout } = await run(["--all", "--json"], { names, failing });
  const { failures } = JSON.parse(stdout);
  assert.deepEqual(
    failures.map(({ name, message }: Record<string, string>) => `${name} ${message.slice(-6)}`)
      .sort(),
    names.slice(1).map((name) => `${name}-app ${`: no ${name}`.slice(-6)}`).sort(),
  );
});

Deno.test("runProfileAll: pods that do not run, or have no daemon, are told of together", async () => {
  const { stderr } = await run(["--all"], {
    names: ["a"],
    morePods: [
      ...["x1", "x2", "x3", "x4", "x5", "x6"].map((name) => ({
        ...runningPod(name, "n1"),
        status: { phase: "Failed", reason: "Evicted" },
      })),
      ...["y1", "y2"].map((name) => runningPod(name, `node-of-${name}`)),
    ],
  });
  assert.match(
    stderr,
    /: shop\/x1 is skipped: pod shop\/x1 has ended: .* \(likewise shop\/x2, shop\/x3, shop\/x4 and 2 others\)$/m,
  );
  assert.match(
    stderr,
    /: shop\/y1: no necoperf-daemon runs on node node-of-y1 .* \(likewise shop\/y2\)$/m,
  );
  assert.equal(stderr.match(/has ended/g)?.length, 1);
  assert.equal(stderr.match(/no necoperf-daemon runs/g)?.length, 1);
});

Deno.test("permissionFlags: when all fail it is as most of them did", async () => {
  const { FAILED_PRECONDITION, PERMISSION_DENIED } = grpc.status;
  const { status, files, stderr } = await run(["a", "b", "c"], {
    failing: { a: FAILED_PRECONDITION, b: PERMISSION_DENIED, c: PERMISSION_DENIED },
  });
  assert.equal(status, 4, stderr);
  assert.deepEqual(files, []);
});

Deno.test("permissionFlags: Ctrl-C keeps what there is of those that run, and to be ended nothing", async () => {
  const endless = ["a", "b"];
  const args = ["--all", "--max-concurrent", "2"];
  const stopped = await run(args, { endless, signal: "SIGINT" });
  assert.equal(stopped.status, 7, stopped.stderr);
  assert.deepEqual(stopped.printed.sort(), [
    ...["a-app.perf.txt", "b-app.perf.txt", "shop-merged.perf.txt"],
  ]);
  assert.match(stopped.stderr, /interrupted; nothing was kept of 1 of 3 containers/);

  const givenUp = await run(args, { endless, signal: "SIGTERM" });
  assert.equal(givenUp.status, 130, givenUp.stderr);
  assert.deepEqual(givenUp.files, []);
});

Deno.test("permissionFlags: -v=6 prints each request to the API server", async () => {
  const { stderr } = await run(["a", "b", "-v=6"]);
  for (const path of ["shop/pods/a", "shop/pods/b", "necoperf/pods?"]) {
    const line = `GET http://127.0.0.1:\\d+/api/v1/namespaces/${path.replace("?", "\\?")}`;
    assert.match(
      stderr,
      new RegExp(`^necoperf-client: ${line}.* 200 OK in \\d+ milliseconds$`, "m"),
    );
  }
});
