/**
 * The compiled programs: they start, find what is embedded in them, are refused what they do not
 * need, and leave nothing behind. All other end-to-end tests run on them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Program } from "../../permissions.ts";
import { compileForTest } from "../testing/compile.ts";
import { startDaemon } from "../testing/daemon.ts";
import { programCommand } from "../testing/programs.ts";

const DEADLINE_MS = 60_000;

let directory: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "necoperf-compiled-" });
  const main = "tests/testing/permission_probe.ts";
  for (const program of ["client", "daemon"] as const) {
    await compileForTest(program, { output: `${directory}/probe-${program}`, main });
  }
});

Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));

/** The path of a compiled program. */
function compiled(program: Program): string {
  const [path, ...others] = programCommand(program);
  assert.deepEqual(others, [], "not compiled: run these tests with deno task test:e2e");
  return path;
}

interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

async function run(path: string, args: string[], env: Record<string, string> = {}): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args,
    env,
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const program of ["client", "daemon"] as const) {
  Deno.test(`compile: necoperf-${program} prints its version and its help`, async () => {
    const version = await run(compiled(program), ["--version"]);
    assert.deepEqual([version.status, version.stderr], [0, ""]);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    const help = await run(compiled(program), ["--help"]);
    assert.deepEqual([help.status, help.stderr], [0, ""]);
    assert.match(help.stdout, new RegExp(`^Usage: necoperf-${program} `));
  });
}

Deno.test("compile: necoperf-client runs no credential plugin but those it knows", async () => {
  const kubeconfig = `${directory}/kubeconfig`;
  const exec = { apiVersion: "client.authentication.k8s.io/v1beta1", command: "/bin/echo" };
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "u", user: { exec } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  const args = ["target", "--kubeconfig", kubeconfig];
  const { status, stderr } = await run(compiled("client"), args);
  assert.equal(status, 4, stderr);
  assert.match(
    stderr,
    /\/bin\/echo is not one of the credential plug-ins that run without a question/,
  );
});

Deno.test("compile: necoperf-daemon comes up, answers over HTTP and ends in order", async () => {
  compiled("daemon");
  await using daemon = await startDaemon({ args: ["--container-lookup=cgroup"] });
  const response = await fetch(`${daemon.http}/healthz`);
  assert.deepEqual([response.status, await response.text()], [200, "ok\n"]);
  daemon.kill("SIGTERM");
  assert.equal((await daemon.status).code, 0);
});

Deno.test("compile: necoperf-daemon says that it may not write elsewhere", async () => {
  const args = ["start", "--auth=none", "--work-dir=/etc"];
  const { status, stdout, stderr } = await run(compiled("daemon"), args);
  assert.equal(status, 1);
  assert.match(stdout + stderr, /the work directory \/etc cannot be used: Requires write access/);
});

const REFUSED = {
  daemon: [
    "read:/etc/passwd",
    "read:/proc/1/environ",
    "read:/sys/fs/cgroup/cgroup.procs",
    "write:/tmp/probe",
    "run:sh",
    "run:/bin/sh",
    "env:HOME",
    "connect:443",
    "sys:networkInterfaces",
  ],
  client: [
    "read:/proc/1/environ",
    "run:sh",
    "run:/bin/sh",
    "run:perf",
    "sys:networkInterfaces",
  ],
};

const ALLOWED = {
  daemon: ["run:perf", "read:/host/proc/1/cgroup", "read:/host/cgroup/x", "read:/var/necoperf/x"],
  client: ["read:/etc/passwd", "env:KUBECONFIG"],
};

for (const program of ["client", "daemon"] as const) {
  Deno.test(`compile: necoperf-${program}'s permissions refuse what it does not need`, async () => {
    const attempts = [...REFUSED[program], ...ALLOWED[program]];
    const { stdout, stderr } = await run(`${directory}/probe-${program}`, attempts);
    const expected = [
      ...REFUSED[program].map((attempt) => `${attempt} refused`),
      ...ALLOWED[program].map((attempt) => `${attempt} allowed`),
    ];
    assert.deepEqual(stdout.trimEnd().split("\n"), expected, stderr);
  });
}

/** The client's command that gets as far as grpc-js: a cache would have been written by then. */
const UNREACHABLE = ["--daemon", "127.0.0.1:1", "--container-id", "1", "--retry-timeout", "1s"];

Deno.test("compile: necoperf-client leaves nothing in the temporary directory", async () => {
  const TMPDIR = await Deno.makeTempDir({ dir: directory });
  const { status, stderr } = await run(compiled("client"), UNREACHABLE, { TMPDIR });
  assert.equal(status, 5, stderr);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(TMPDIR)), []);
});

for (const program of ["client", "daemon"] as const) {
  Deno.test(`compile: necoperf-${program} opens no code cache that somebody else has put there`, async () => {
    const TMPDIR = await Deno.makeTempDir({ dir: directory });
    // Who opens a named pipe waits until somebody writes into it.
    const planted = join(TMPDIR, `deno-compile-necoperf-${program}.cache`);
    assert((await new Deno.Command("mkfifo", { args: [planted] }).output()).success);
    const { status, stderr } = await run(compiled(program), ["--version"], { TMPDIR });
    assert.deepEqual([status, stderr], [0, ""]);
  });
}
