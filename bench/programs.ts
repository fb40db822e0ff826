/**
 * The programs under measurement, and what /proc shows of them.
 *
 * @module
 */
import { join } from "node:path";
import { permissionFlags } from "../permissions.ts";
import { eventually, findProcesses } from "../tests/testing/process.ts";

const ROOT = join(import.meta.dirname!, "..");
/** How exactly the end of a process is seen. */
const LOOK_INTERVAL_MS = 4;
/** USER_HZ, in which /proc counts processor time: 100 on every architecture that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** What the client is to record. */
interface Recording {
  daemonAddress: string;
  pid: number;
  /** As perf's `sleep` gets it: to the millisecond. */
  durationSeconds: number;
  frequencyHz: number;
}

/** The client from source, with its permissions. */
export function clientCommand(args: string[], options: Deno.CommandOptions = {}): Deno.Command {
  const flags = permissionFlags("client", { embedded: false });
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", ...flags, join(ROOT, "cli/main.ts"), ...args],
    stdin: "null",
    ...options,
  });
}

/** Starts the client; it prints the path of the result. */
export function startClient(recording: Recording, outputDirectory: string): Deno.ChildProcess {
  return clientCommand([
    ...["--quiet", "--output-dir", outputDirectory, "--call-graph", "dwarf"],
    ...["--daemon", recording.daemonAddress, "--container-id", `${recording.pid}`],
    ...["--duration", `${Math.round(recording.durationSeconds * 1000)}ms`],
    ...["--frequency", `${recording.frequencyHz}`],
  ], { stdout: "piped", stderr: "inherit" }).spawn();
}

/** Starts a program of this directory with all rights. */
export function startOwn(script: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "-A", join(import.meta.dirname!, script), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** The first line that a program prints, and when, by `performance.now()`. Drops the rest. */
export async function firstLine(
  process: Deno.ChildProcess,
): Promise<{ line: string; at: number }> {
  let text = "";
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`a program ended before it printed a line; it printed '${text}'`);
    text += value;
    const end = text.indexOf("\n");
    if (end < 0) continue;
    const at = performance.now();
    reader.releaseLock();
    return { line: text.slice(0, end), at };
  }
}

/** A duration that no other `sleep` of this machine has: that is how perf's workload is found. */
export function uniqueDuration(seconds: number): number {
  return seconds + Math.ceil(Math.random() * 99) / 1000;
}

/**
 * Resolves with when the sampling of a `perf record` ended: when its workload, `sleep` with such a
 * duration, did. Seen from outside, so that it is the same for all who record.
 */
export async function samplingEnded(durationSeconds: number): Promise<number> {
  const [pid] = await eventually(async () => {
    const found = await findProcesses("sleep", durationSeconds.toFixed(3));
    if (found.length !== 1) throw new Error(`${found.length} sleeps of ${durationSeconds} s`);
    return found;
  });
  await wait((durationSeconds - 1) * 1000);
  while (isAlive(pid)) await wait(LOOK_INTERVAL_MS);
  return performance.now();
}

function isAlive(pid: number): boolean {
  try {
    return statFields(pid)[0] !== "Z";
  } catch {
    return false;
  }
}

/** The fields of /proc/PID/stat after the name, which may hold anything: state, ppid, ... */
function statFields(pid: number): string[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** Processor time that a process has taken, with the children that it has waited for. */
export function cpuSeconds(pid: number): number {
  // utime, stime, cutime and cstime: fields 14 to 17 of proc(5).
  const ticks = statFields(pid).slice(11, 15).reduce((total, text) => total + Number(text), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Memory of a process in MB: what is resident now, or the most there ever was. */
export function residentMegabytes(pid: number, field: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)![1]) * 1024 / 1e6;
}

/** Resolves after so many milliseconds. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Runs a program to its end and returns the processor time that it took, which depends less than
 * the time on the clock on what else the machine does. Rejects with its words when it fails.
 */
export async function processorTime(program: string, args: string[]): Promise<{ cpu: number }> {
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-c", `TIMEFORMAT='%U %S'; time "$@" > /dev/null`, "bash", program, ...args],
    stdin: "null",
  }).output();
  const words = new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${words}`);
  const [user, system] = words.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { cpu: (user + system) * 1000 };
}
