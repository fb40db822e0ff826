import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { VERSION } from "../../version.ts";
import { grpc } from "../../proto/grpc.ts";
import { documentedJson, fieldsOf } from "../testing/documented_json.ts";
import { createAuthority } from "./authority.ts";
import {
  type StandInDaemon,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "./stand_in_daemon.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");
const RESULT = new TextEncoder().encode("spin 42 cpu-clock: necoperf_busy_loop\n");

/** How a run of the program ended. */
interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs the program as users do: a process, with the permissions of the compiled one. */
async function run(
  args: string[],
  { flags = permissionFlags("client", { embedded: false }), cwd, env }: {
    flags?: string[];
    cwd?: string;
    env?: Record<string, string>;
  } = {},
): Promise<Run> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", ...flags, MAIN, ...args],
    cwd,
    env,
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    status: output.code,
    stdout: decode(output.stdout),
    stderr: decode(output.stderr),
  };
}

function startDaemon(
  completeness: "COMPLETENESS_FULL" | "COMPLETENESS_TARGET_ENDED",
  result = RESULT,
  lostSamples = 0,
) {
  return startStandInDaemon({
    start: (call) => {
      writeStart(call);
      writeFinished(call, result, { completeness, lostSamples });
    },
    fetch: (call) => writeResult(call, result),
  });
}

function argumentsFor(daemon: StandInDaemon, ...others: string[]): string[] {
  return ["--daemon", daemon.address, "--container-id", "c0ffee123456789", ...others];
}

/** A directory that is gone when the test ends. */
function temporaryDirectory() {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-main-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("necoperf-client: --version and --help need no library's permission, so they load none", async () => {
  // In which shells say what they have started.
  const flags = ["--no-prompt", "--allow-env=_"];
  assert.deepEqual(await run(["--version"], { flags }), {
    status: 0,
    stdout: `${VERSION}\n`,
    stderr: "",
  });
  const help = await run(["--help"], { flags });
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: necoperf-client/);
});

Deno.test("necoperf-client: prints the path of the result, and nothing else, on standard output", async () => {
  using directory = temporaryDirectory();
  await using daemon = await startDaemon("COMPLETENESS_FULL");
  const { status, stdout, stderr } = await run(argumentsFor(daemon, "-o", "out", "-d", "2"), {
    cwd: directory.path,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^out\/c0ffee123456-\d{8}T\d{6}Z\.perf\.txt\n$/);
  assert.deepEqual(await Deno.readFile(join(directory.path, stdout.trim())), RESULT);
  assert.match(stderr, /recording container c0ffee123456 .* for 2s \(3 processes\)/);
  assert.match(stderr, /7 samples in 2s, none lost/);
});

Deno.test("necoperf-client: -o - prints the result itself; --quiet says nothing", async () => {
  await using daemon = await startDaemon("COMPLETENESS_FULL");
  assert.deepEqual(await run(argumentsFor(daemon, "-o", "-", "--quiet")), {
    status: 0,
    stdout: new TextDecoder().decode(RESULT),
    stderr: "",
  });
});

Deno.test("necoperf-client: --json prints one object about the result, also when quiet", async () => {
  using directory = temporaryDirectory();
  const text = "web 7/7 1.0: 1000000000 cpu-clock: \n\t 10 sort+0x1 (/bin/web)\n\n";
  await using daemon = await startDaemon(
    "COMPLETENESS_TARGET_ENDED",
    new TextEncoder().encode(text),
  );
  const { status, stdout } = await run(
    argumentsFor(daemon, "-o", directory.path, "--json", "--quiet"),
  );
  assert.equal(status, 7);
  const { path, ...report } = JSON.parse(stdout);
  assert.equal(await Deno.readTextFile(path), text);
  assert.deepEqual(report, {
    recordingId: "recording-1",
    target: { containerId: "c0ffee123456789" },
    summary: {
      ...{ completeness: "target-ended", samples: 7, lostSamples: 0, throttled: 0 },
      ...{ missedProcesses: 0, sampledSeconds: 2, sizeBytes: text.length },
      frequencyHz: 99,
    },
    cpuUse: { cpus: 0.5 },
    hottest: [{ symbol: "sort", dso: "/bin/web", self: 1, total: 1 }],
    warnings: [],
  });
  const both = await run(argumentsFor(daemon, "-o", "-", "--json"));
  assert.equal(both.status, 2, both.stderr);
  assert.match(both.stderr, /--json and the result itself/);
});

Deno.test("necoperf-client: --json also prints a failure as an object", async () => {
  using directory = temporaryDirectory();
  await using daemon = await startStandInDaemon({
    start: (call) =>
      call.emit("error", { code: grpc.status.NOT_FOUND, details: "no such container" }),
  });
  const { status, stdout, stderr } = await run(
    argumentsFor(daemon, "-o", directory.path, "--json", "--quiet"),
  );
  assert.equal(status, 3);
  const { error } = JSON.parse(stdout);
  assert.deepEqual(fieldsOf({ error }), fieldsOf(documentedJson("When there is nothing")));
  assert.equal(error.exitStatus, 3);
  assert.match(error.message, /no such container$/);
  assert.equal(stderr, `necoperf-client: ${error.message}\n`);

  const fetching = ["fetch", "recording-1", "--daemon", "127.0.0.1:1", "-o", directory.path];
  const fetched = await run([...fetching, "--retry-timeout", "1ms", "--json"]);
  assert.equal(fetched.status, 5, fetched.stderr);
  assert.equal(JSON.parse(fetched.stdout).error.exitStatus, 5);
});

Deno.test("necoperf-client: says afterwards where the time went, and what spoils the result", async () => {
  using directory = temporaryDirectory();
  const text = "web 7/7 1.0: 20000000 cpu-clock: \n\t 10 sort+0x1 (/bin/web)\n\n";
  await using daemon = await startDaemon("COMPLETENESS_FULL", new TextEncoder().encode(text), 3);
  const { stderr } = await run(argumentsFor(daemon, "-o", directory.path));
  const lines = stderr.split("\n");
  const at = lines.indexOf("  SELF   TOTAL  FUNCTION");
  assert.match(lines[at - 1], /: 7 samples in 2s, 3 lost; about 0.01 CPUs used; \d+ B$/);
  assert.equal(lines[at + 1], "100.0%  100.0%  sort (web)");
  assert.match(lines[at + 2], /^necoperf-client: warning: 30% of the samples were lost/);
  assert.match(lines[at + 3], /^necoperf-client: warning: the target was mostly idle/);
});

Deno.test("necoperf-client: delivers a partial result with exit status 7 and says why, even when quiet", async () => {
  using directory = temporaryDirectory();
  await using daemon = await startDaemon("COMPLETENESS_TARGET_ENDED");
  const { status, stdout, stderr } = await run(
    argumentsFor(daemon, "-o", directory.path, "-d", "5", "-q"),
  );
  assert.equal(status, 7);
  assert.deepEqual(await Deno.readFile(stdout.trim()), RESULT);
  assert.equal(
    stderr,
    "necoperf-client: the result is partial: the container's processes ended after 2s of 5s\n",
  );
});

Deno.test("necoperf-client: leaves no file when the recording fails", async () => {
  using directory = temporaryDirectory();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      call.emit("error", { code: grpc.status.FAILED_PRECONDITION, details: "no sample" });
    },
    fetch: (call) => writeResult(call, RESULT),
  });
  const { status, stdout, stderr } = await run(argumentsFor(daemon, "-o", directory.path));
  assert.equal(status, 6, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /no sample/);
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
});

Deno.test("necoperf-client: the token file and TLS, by flags; nothing that is said has the token in it", async () => {
  using directory = temporaryDirectory();
  using authority = await createAuthority("right");
  const server = await authority.sign({ name: "perf.example" });
  const tenant = await authority.sign({ name: "tenant" });
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.pem };
  // What it says is what a daemon could do worst.
  let details = "not Bearer t0ken-that-nobody-may-see";
  await using daemon = await startStandInDaemon({
    start: (call) => call.emit("error", { code: grpc.status.PERMISSION_DENIED, details }),
  }, { tls: { ...server, ...mutual } });
  const tokenFile = join(directory.path, "token");
  Deno.writeTextFileSync(tokenFile, "t0ken-that-nobody-may-see\n");
  const flags = argumentsFor(
    daemon,
    ...["-o", directory.path, "--token-file", tokenFile, "--ca-file", authority.file],
    ...["--tls-server-name", "perf.example", "--client-cert-file", tenant.certificateFile],
    ...["--client-key-file", tenant.keyFile],
  );
  const first = await run(flags);
  assert.equal(first.status, 4, first.stderr);
  assert.equal(daemon.authorizations[0].authorization, "Bearer t0ken-that-nobody-may-see");
  assert.match(first.stderr, /: not Bearer \(the token\)\n$/);

  // As talkative as grpc-js gets.
  details = "no";
  const env = { GRPC_TRACE: "all", GRPC_VERBOSITY: "DEBUG" };
  const { stdout, stderr } = await run(flags, { env });
  assert.match(stderr, /StartRecording/);
  assert.doesNotMatch(stdout + stderr, /t0ken-that-nobody-may-see/);
});

Deno.test("necoperf-client: finds a bad token file before it calls anything, and does not tell what is in it", async () => {
  using directory = temporaryDirectory();
  await using daemon = await startDaemon("COMPLETENESS_FULL");
  const tokenFile = join(directory.path, "token");
  Deno.writeTextFileSync(tokenFile, "s3cret s3cret");
  const { status, stdout, stderr } = await run(
    argumentsFor(daemon, "-o", join(directory.path, "out"), "--token-file", tokenFile),
  );
  assert.equal(status, 2, stderr);
  assert(stderr.includes(`the token file ${tokenFile}: `), stderr);
  assert.doesNotMatch(stdout + stderr, /s3cret/);
  assert.deepEqual(daemon.authorizations, []);
  assert.deepEqual([...Deno.readDirSync(directory.path)].length, 1);

  // With a pod to look up it is the same: this API server is never asked.
  const kubeconfig = join(directory.path, "no-such-kubeconfig");
  const byPod = await run(["web-0", "--token-file", tokenFile, "--kubeconfig", kubeconfig]);
  assert.equal(byPod.status, 2);
  assert.match(byPod.stderr, /the token file/);
});

Deno.test("necoperf-client: says in one line that kernel samples are left out, unless that was asked for", async () => {
  await using daemon = await startStandInDaemon({
    start: (call) => {
      call.write({ accepted: { recordingId: "recording-1" } });
      call.write({ started: { processes: 3, side: "SIDE_USER" } });
      writeFinished(call, RESULT);
    },
    fetch: (call) => writeResult(call, RESULT),
  });
  const lines = async (...flags: string[]) => {
    const { status, stderr } = await run(argumentsFor(daemon, "-o", "-", ...flags));
    assert.equal(status, 0, stderr);
    return stderr.split("\n").filter((line) => line.includes("kernel samples are left out"));
  };
  assert.equal((await lines()).length, 1);
  assert.equal((await lines("--all-user")).length, 0);
});

Deno.test("necoperf-client: finds an output directory that cannot be written before it calls the daemon", async () => {
  let called = false;
  await using daemon = await startStandInDaemon({ start: () => called = true });
  const { status, stderr } = await run(argumentsFor(daemon, "-o", MAIN));
  assert.equal(status, 2, stderr);
  assert.match(stderr, /cannot write into the output directory/);
  assert(!called);
});

for (
  const [signals, status] of [[["SIGINT"], 7], [["SIGINT", "SIGINT"], 130], [["SIGTERM"], 130]] as [
    Deno.Signal[],
    number,
  ][]
) {
  Deno.test(`necoperf-client: ${signals.join(" and ")} while it records: exit status ${status}`, async () => {
    using directory = temporaryDirectory();
    const answersStop = signals.length === 1;
    let startCall: Parameters<typeof writeStart>[0];
    await using daemon = await startStandInDaemon({
      start: (call) => {
        startCall = call;
        writeStart(call);
      },
      // By now the client knows that sampling has started.
      fetch: (call) => {
        process.kill(signals[0]);
        if (answersStop) writeResult(call, RESULT);
      },
      stop: () => {
        if (answersStop) {
          writeFinished(startCall, RESULT, { completeness: "COMPLETENESS_STOPPED" });
        } else process.kill(signals[1]);
      },
    });
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false }), MAIN],
        ...argumentsFor(daemon, "-o", directory.path),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const { code, stderr } = await process.output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, status, said);
    assert.match(said, status === 7 ? /stopped early, after 2s of 30s/ : /nothing was kept/);
    assert.equal([...Deno.readDirSync(directory.path)].length, status === 7 ? 1 : 0);
  });
}
