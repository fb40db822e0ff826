/**
 * The client as it is started, with a daemon that does what the Go implementation's does, with real
 * perf: `Profile` alone (bench/go_way.ts). That implementation itself is not on Go's module proxy.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const ROOT = join(import.meta.dirname!, "../..");
const targets = await buildTargets();

/** Starts such a daemon; the "container id" that it takes is a process id. */
async function startServer(): Promise<AsyncDisposable & { address: string }> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-first-" });
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "-A", "bench/go_way.ts", "serve", directory, "99"],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  while (!printed.includes("\n")) {
    const { value, done } = await output.read();
    assert(!done, "the server did not start");
    printed += value;
  }
  return {
    address: `127.0.0.1:${printed.trim()}`,
    async [Symbol.asyncDispose]() {
      await output.cancel();
      process.kill("SIGTERM");
      await process.status;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function client(
  address: string,
  args: string[],
  interruptAt?: RegExp[],
): Promise<{ status: number; stdout: string; stderr: string; files: Record<string, string> }> {
  const outputDirectory = await Deno.makeTempDir({ prefix: "necoperf-first-" });
  try {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false })],
        ...["cli/main.ts", "--daemon", address, "-o", outputDirectory, ...args],
      ],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdout = new Response(process.stdout).text();
    let stderr = "";
    const waitedFor = [...interruptAt ?? []];
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += text;
      while (waitedFor.length > 0 && waitedFor[0].test(stderr)) {
        waitedFor.shift();
        process.kill("SIGINT");
      }
    }
    const { code } = await process.status;
    const files: Record<string, string> = {};
    for await (const { name } of Deno.readDir(outputDirectory)) {
      files[name] = await Deno.readTextFile(join(outputDirectory, name));
    }
    return { status: code, stdout: await stdout, stderr, files };
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

Deno.test("necoperf-client: a daemon with Profile alone: a recording, its table and what it does not say", async () => {
  await using server = await startServer();
  await using target = run(targets.spin);
  const { status, stdout, stderr, files } = await client(server.address, [
    ...["--container-id", `${target.pid}`, "-d", "2s"],
  ]);
  assert.equal(status, 0, stderr);
  const [[name, text], ...others] = Object.entries(files);
  assert.deepEqual(others, []);
  assert(stdout.trim().endsWith(name));
  assert.match(text, new RegExp(BUSY_FUNCTION));
  assert.match(stderr, /: recording container \d+ by 127\.0\.0\.1:\d+ for 2s$/m);
  assert.match(
    stderr,
    /: the daemon supports only Profile, .* cannot end a recording early$/m,
  );
  assert.match(
    stderr,
    /: \d+ samples in 2s, how many lost is not known; about [\d.]+ CPUs used; /m,
  );
  assert.match(stderr, new RegExp(`%  ${BUSY_FUNCTION} `));
  assert.doesNotMatch(stderr, /unexpected|undefined|NaN/);
});

Deno.test("necoperf-client: --json of a daemon with Profile alone has only what is known", async () => {
  await using server = await startServer();
  await using target = run(targets.spin);
  const { status, stdout, stderr, files } = await client(server.address, [
    ...["--container-id", `${target.pid}`, "-d", "1s", "--json", "--format", "folded"],
  ]);
  assert.equal(status, 0, stderr);
  const { summary, hottest } = JSON.parse(stdout);
  assert.deepEqual(Object.keys(summary).sort(), [
    ...["completeness", "sampledSeconds", "samples", "sizeBytes"],
  ]);
  assert.equal(summary.completeness, "unknown");
  assert.equal(hottest[0].symbol, BUSY_FUNCTION);
  const [[name, folded]] = Object.entries(files);
  assert.match(name, /\.folded$/);
  assert.match(folded, new RegExp(`;${BUSY_FUNCTION} \\d+$`, "m"));
});

Deno.test("necoperf-client: an option that Profile cannot have: exit status 2, and nothing is recorded", async () => {
  await using server = await startServer();
  const { status, stderr, files } = await client(server.address, [
    ...["--container-id", "1", "-F", "999", "--all-user"],
  ]);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /supports only Profile, .* leave out --frequency, --all-user to record/);
  assert.doesNotMatch(stderr, /: recording /);
  assert.deepEqual(files, {});
});

Deno.test("necoperf-client: Ctrl-C once goes on, twice gives up and leaves nothing", async () => {
  await using server = await startServer();
  await using target = run(targets.spin);
  const args = ["--container-id", `${target.pid}`, "-d", "2s"];
  const recording = /: the daemon supports only Profile/;
  const once = await client(server.address, args, [recording]);
  assert.equal(once.status, 0, once.stderr);
  assert.match(once.stderr, /cannot end a recording early, so it goes on; press Ctrl-C again/);
  assert.equal(Object.keys(once.files).length, 1);
  const twice = await client(server.address, args, [recording, /press Ctrl-C again/]);
  assert.equal(twice.status, 130, twice.stderr);
  assert.deepEqual(twice.files, {});
});
