/**
 * Runs the main job without a cluster: the real daemon and the real client over gRPC on loopback,
 * and a sample program that burns CPU, taken by its process id instead of a container's.
 *
 *     deno task demo
 *
 * @module
 */
import { join } from "node:path";
import { permissionFlags } from "../permissions.ts";

const ROOT = join(import.meta.dirname!, "..");
const DURATION = "3s";
const HOTTEST = 5;

function denoRun(flags: string[], script: string, args: string[], options = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...flags, join(ROOT, script), ...args],
    stdin: "null",
    ...options,
  });
}

async function main(): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-demo-" });
  const workDir = join(directory, "work");
  await Deno.mkdir(workDir);

  // perf finds the names of compiled JavaScript in /tmp/perf-PID.map, which V8 writes when told to.
  const target = denoRun(["--v8-flags=--perf-basic-prof"], "scripts/demo_target.ts", [], {
    // V8 leaves a log of its own where it runs.
    cwd: workDir,
  }).spawn();
  const daemon = denoRun(
    permissionFlags("daemon", { embedded: false, workDir }),
    "daemon/main.ts",
    [
      ...["start", "--container-lookup", "pid", "--address", "127.0.0.1", "--work-dir", workDir],
      ...["--port", "0", "--metrics-port", "0"],
    ],
    { stderr: "piped" },
  ).spawn();
  try {
    const port = await readPort(daemon.stderr);
    console.log(`A daemon listens on 127.0.0.1:${port}; process ${target.pid} burns CPU.`);
    const client = denoRun(
      permissionFlags("client", { embedded: false }),
      "cli/main.ts",
      [
        ...["--daemon", `127.0.0.1:${port}`, "--container-id", `${target.pid}`],
        ...["--duration", DURATION, "--output-dir", directory],
      ],
      { stdout: "piped" },
    ).spawn();
    const { success, code, stdout } = await client.output();
    if (!success) throw new Error(`the client ended with status ${code}`);
    const path = new TextDecoder().decode(stdout).trim();
    console.log(`\nThe result is in ${path}\nThe hottest functions:`);
    for (const [name, share] of await findHottest(path)) {
      console.log(`${(share * 100).toFixed(1).padStart(6)} %  ${name}`);
    }
  } finally {
    end(target);
    end(daemon);
    await Promise.all([target.status, daemon.status]);
    await Deno.remove(workDir, { recursive: true });
    await Deno.remove(`/tmp/perf-${target.pid}.map`).catch(() => {});
  }
}

function end(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}

/** Waits until the daemon says that it serves, and passes its warnings on. */
async function readPort(log: ReadableStream<Uint8Array>): Promise<number> {
  const [first, rest] = log.tee();
  rest.pipeTo(new WritableStream());
  let text = "";
  for await (const chunk of first.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines.map((line) => JSON.parse(line))) {
      if (line.message === "serving") return line.port;
      if (line.level === "ERROR") throw new Error(`${line.message}: ${line.error ?? line.report}`);
      if (line.level === "WARN") console.error(`necoperf-daemon: ${line.message}`);
    }
  }
  throw new Error("the daemon ended before it served");
}

/** The functions in which most samples were taken, with their share of all samples. */
async function findHottest(path: string): Promise<[string, number][]> {
  const counts = new Map<string, number>();
  let samples = 0;
  for (const sample of (await Deno.readTextFile(path)).split("\n\n")) {
    // A header line, then the frames, the innermost first: address, symbol+offset (file).
    const frame = /\n\s+[0-9a-f]+ (.*?)(\+0x[0-9a-f]+)? \(/.exec(sample);
    if (!frame) continue;
    samples++;
    counts.set(frame[1], (counts.get(frame[1]) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a).slice(0, HOTTEST);
  return sorted.map(([name, count]) => [name, count / samples]);
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  Deno.exit(1);
}
