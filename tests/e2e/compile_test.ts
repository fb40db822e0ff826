/**
 * The compiled programs: they start, find what is embedded in them, and are refused what they do
 * not need. What they do beyond that is tested from source: the compiler that there is where this
 * is built (Deno 2.4.2) cannot do gRPC.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { compile } from "../../scripts/compile.ts";
import {
  apply,
  createNamespace,
  deleteNamespaces,
  get,
  ROOT,
  waitUntilReady,
} from "../testing/cluster.ts";
import { TARGET, targetPod } from "../testing/tenant.ts";

const TOOLCHAIN = join(ROOT, "../shared/testbed/compile-toolchain");

const DEADLINE_MS = 60_000;

const compiler = await findCompiler();
const ignore = compiler === undefined;

let directory: string;
let namespace: string;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  for (const [name, value] of Object.entries(compiler)) Deno.env.set(name, value);
  directory = await Deno.makeTempDir({ prefix: "necoperf-compiled-" });
  for (const program of ["client", "daemon"] as const) {
    await compile(program, { output: `${directory}/necoperf-${program}` });
    const main = "tests/testing/permission_probe.ts";
    await compile(program, { output: `${directory}/probe-${program}`, main });
  }
  namespace = await createNamespace("compiled");
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  await Deno.remove(directory, { recursive: true });
  await deleteNamespaces(namespace);
});

/** The environment in which compiling works, where nothing can be downloaded. */
async function findCompiler(): Promise<Record<string, string> | undefined> {
  if (Deno.env.has("DENO_COMPILER")) return {};
  try {
    const { stdout } = await new Deno.Command(TOOLCHAIN, { stdin: "null" }).output();
    const exports = new TextDecoder().decode(stdout).matchAll(/^export (\w+)=(.*)$/gm);
    return Object.fromEntries([...exports].map(([, name, value]) => [name, value]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(`${directory}/${program}`, {
    args,
    env,
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  const decoder = new TextDecoder();
  return { status: code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const program of ["necoperf-client", "necoperf-daemon"]) {
  Deno.test({
    name: `${program} prints its version and its help`,
    ignore,
    fn: async () => {
      const version = await run(program, ["--version"]);
      assert.deepEqual([version.status, version.stderr], [0, ""]);
      assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
      const help = await run(program, ["--help"]);
      assert.deepEqual([help.status, help.stderr], [0, ""]);
      assert.match(help.stdout, new RegExp(`^Usage: ${program} `));
    },
  });
}

Deno.test({
  name: "necoperf-client resolves a pod, and says that its node's daemon is not reached",
  ignore,
  fn: async () => {
    const target = targetPod(namespace, "target", { idle: TARGET.idle });
    // Has the label of a daemon, but nothing listens.
    const daemon = targetPod(namespace, "daemon", { idle: TARGET.idle });
    daemon.metadata.labels = { "app.kubernetes.io/name": "necoperf-daemon" };
    await apply(target);
    await waitUntilReady(namespace, "target");
    daemon.spec.nodeName = (await get("pod", "target", namespace)).spec.nodeName;
    await apply(daemon);
    await waitUntilReady(namespace, "daemon");
    const { status: { podIP } } = await get("pod", "daemon", namespace);
    const args = ["-n", namespace, "target", "-o", directory, "--necoperf-namespace", namespace];
    const { status, stdout, stderr } = await run("necoperf-client", args);
    assert.equal(status, 5, stderr);
    assert.equal(stdout, "");
    assert(stderr.includes(`${podIP}:6543`), stderr);
  },
});

Deno.test({
  name: "necoperf-client runs no credential plugin but those it knows",
  ignore,
  fn: async () => {
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
    const { status, stderr } = await run("necoperf-client", ["target", "--kubeconfig", kubeconfig]);
    assert.equal(status, 4, stderr);
    assert.match(stderr, /echo.*plugins of well-known providers/);
  },
});

Deno.test({
  name: "necoperf-daemon comes up and answers over HTTP",
  ignore,
  fn: async () => {
    await using daemon = await startDaemon();
    const response = await fetch(`http://127.0.0.1:${daemon.metricsPort}/healthz`);
    assert.deepEqual([response.status, await response.text()], [200, "ok\n"]);
  },
});

Deno.test({
  name: "necoperf-daemon says that it may not write elsewhere",
  ignore,
  fn: async () => {
    const { status, stdout, stderr } = await run("necoperf-daemon", [
      "start",
      "--auth=none",
      "--work-dir=/etc",
    ]);
    assert.equal(status, 1);
    assert.match(stdout + stderr, /the work directory \/etc cannot be used: Requires write access/);
  },
});

const REFUSED = {
  daemon: [
    "read:/etc/passwd",
    "read:/proc/1/environ",
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
    "env:AWS_SECRET_ACCESS_KEY",
  ],
};

const ALLOWED = {
  daemon: ["run:perf", "read:/host/proc/1/cgroup", "read:/var/necoperf/x"],
  client: ["read:/etc/passwd", "env:KUBECONFIG"],
};

for (const program of ["client", "daemon"] as const) {
  Deno.test({
    name: `necoperf-${program}'s permissions refuse what it does not need`,
    ignore,
    fn: async () => {
      const attempts = [...REFUSED[program], ...ALLOWED[program]];
      const { stdout, stderr } = await run(`probe-${program}`, attempts);
      const expected = [
        ...REFUSED[program].map((attempt) => `${attempt} refused`),
        ...ALLOWED[program].map((attempt) => `${attempt} allowed`),
      ];
      assert.deepEqual(stdout.trimEnd().split("\n"), expected, stderr);
    },
  });
}

/** The client's command that gets as far as grpc-js: a cache would have been written by then. */
const UNREACHABLE = ["--daemon", "127.0.0.1:1", "--container-id", "1", "--retry-timeout", "1s"];

Deno.test({
  name: "necoperf-client leaves nothing in the temporary directory",
  ignore,
  fn: async () => {
    const TMPDIR = await Deno.makeTempDir({ dir: directory });
    const { status, stderr } = await run("necoperf-client", UNREACHABLE, { TMPDIR });
    assert.equal(status, 5, stderr);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(TMPDIR)), []);
  },
});

for (const program of ["necoperf-client", "necoperf-daemon"]) {
  Deno.test({
    name: `${program} opens no code cache that somebody else has put there`,
    ignore,
    fn: async () => {
      const TMPDIR = await Deno.makeTempDir({ dir: directory });
      // Who opens a named pipe waits until somebody writes into it.
      const planted = join(TMPDIR, `deno-compile-${program}.cache`);
      assert((await new Deno.Command("mkfifo", { args: [planted] }).output()).success);
      const { status, stderr } = await run(program, ["--version"], { TMPDIR });
      assert.deepEqual([status, stderr], [0, ""]);
    },
  });
}

interface Daemon extends AsyncDisposable {
  metricsPort: number;
}

/** Starts the daemon with a work directory of its own, and resolves when it serves. */
async function startDaemon(): Promise<Daemon> {
  // In a mount namespace of its own: the compiled permissions name this very path.
  const script = 'mkdir -p /var/necoperf && mount -t tmpfs none /var/necoperf && exec "$@"';
  const process = new Deno.Command("unshare", {
    args: [
      ...["--mount", "sh", "-c", script, "sh", `${directory}/necoperf-daemon`, "start"],
      ...[
        "--address=127.0.0.1",
        "--port=0",
        "--metrics-port=0",
        "--container-lookup=cgroup",
        "--auth=none",
      ],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  let log = "";
  for await (const chunk of process.stderr.pipeThrough(new TextDecoderStream())) {
    log += chunk;
    const [, metricsPort] = /"message":"serving".*"metricsPort":(\d+)/.exec(log) ?? [];
    if (metricsPort === undefined) continue;
    return {
      metricsPort: Number(metricsPort),
      async [Symbol.asyncDispose]() {
        process.kill("SIGTERM");
        const { code } = await process.status;
        assert.equal(code, 0);
      },
    };
  }
  throw new Error(`the daemon ended before it served: ${log}`);
}
