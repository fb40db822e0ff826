/**
 * What a daemon does to record threads' time, by a plain perf: the text that it sends, for tests
 * that need nothing else of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parsePerfScript } from "../../cli/script/parse.ts";
import type { Sample } from "../../cli/script/sample.ts";
import { TextLineStream } from "../../daemon/perf/text_lines.ts";
import { wait as waitUnless } from "../../wait.ts";
import type { Perf } from "./perfs.ts";
import { eventually } from "./process.ts";

const wait = (milliseconds: number) => waitUnless(milliseconds, new AbortController().signal);

/** What the kernel counts of a thread, in nanoseconds. */
export interface Counted {
  pid: number;
  tid: number;
  command: string;
  runNs: number;
  delayNs: number;
  turns: number;
}

interface SwitchRecording {
  /** Raw text, as the daemon sends it. */
  text: string;
  /** Of each thread that was there at the beginning and at the end: what was counted in between. */
  counted: Map<number, Counted>;
  /** When it began, by the machine's clock since it was started. */
  beganSeconds: number;
  seconds: number;
}

/** How to record. */
interface SwitchRecordingOptions {
  pids: number[];
  seconds: number;
  /** To watch so many milliseconds, and then not to for about so many. Default: always. */
  turns?: { onMs: number; offMs: number };
}

/** Records the threads of processes. */
export async function recordSwitches(
  perf: Perf,
  { pids, seconds, turns }: SwitchRecordingOptions,
): Promise<SwitchRecording> {
  const directory = await Deno.makeTempDir();
  try {
    const [program, ...words] = perf.command;
    await using recorder = startPerf(program, [
      ...[...words, "record", "-o", `${directory}/perf.data`, "--no-buildid", "--no-bpf-event"],
      ...["--control=fd:0,2", "-D", "-1", "-k", "CLOCK_MONOTONIC", "-F", "99", "-g"],
      ...["-e", "cpu-clock", "-e", "context-switches/period=1/", "--switch-events"],
      ...["-p", pids.join(), "--", "sleep", "600"],
    ]);
    await recorder.line(/Events disabled/);
    const lines: string[] = [];
    const before = await countAll(pids);
    const beganSeconds = await uptime();
    const startMs = performance.now();
    const elapsedMs = () => performance.now() - startMs;
    await recorder.command("enable");
    while (elapsedMs() < seconds * 1000) {
      const leftMs = seconds * 1000 - elapsedMs();
      if (!turns) {
        await wait(leftMs);
        continue;
      }
      await wait(Math.min(turns.onMs, leftMs));
      await recorder.command("disable");
      const pausedAtMs = performance.now();
      const stillBefore = await countAll(pids);
      // Of any length, so that it is no multiple of what the program does in rounds.
      await wait(turns.offMs * (0.5 + Math.random()));
      const still = [...(await countAll(pids)).values()].filter(({ tid, turns }) =>
        stillBefore.get(tid)?.turns === turns
      );
      lines.push(`# necoperf: still ${still.map(({ pid, tid }) => `${pid}/${tid}`).join(" ")}`);
      const pausedSeconds = (performance.now() - pausedAtMs) / 1000;
      lines.push(`# necoperf: paused ${pausedSeconds.toFixed(6)} ${await uptime()}`);
      await recorder.command("enable");
    }
    await recorder.command("disable");
    const recordedSeconds = elapsedMs() / 1000;
    const after = await countAll(pids);
    await recorder.command("stop");
    // Its exit status is that of the `sleep` that it ends.
    await recorder.line(/Captured and wrote/);
    await recorder.status;
    const script = await new Deno.Command(program, {
      args: [
        ...[...words, "script", "-i", `${directory}/perf.data`, "--ns", "--fields", "+pid,+period"],
        ...["--show-switch-events", "--show-task-events", "--no-inline"],
      ],
      stdin: "null",
    }).output();
    if (!script.success) throw new Error(new TextDecoder().decode(script.stderr));
    const counted = new Map<number, Counted>();
    for (const one of after.values()) {
      const { runNs = 0, delayNs = 0, turns = 0 } = before.get(one.tid) ?? {};
      const { pid, tid, command } = one;
      const differences = {
        runNs: one.runNs - runNs,
        delayNs: one.delayNs - delayNs,
        turns: one.turns - turns,
      };
      lines.push(
        `# necoperf: thread ${pid}/${tid} ${Object.values(differences).join(" ")} ${command}`,
      );
      if (before.has(tid)) counted.set(tid, { ...one, ...differences });
    }
    const isPause = (line: string) => /still|paused/.test(line);
    const text = [
      "# necoperf: thread-time all",
      `# necoperf: began ${beganSeconds}`,
      ...lines.filter(isPause),
      new TextDecoder().decode(script.stdout),
      ...lines.filter((line) => !isPause(line)),
      `# necoperf: duration ${recordedSeconds.toFixed(6)}`,
      "",
    ].join("\n");
    return { text, counted, beganSeconds: Number(beganSeconds), seconds: recordedSeconds };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Starts a perf that takes commands. */
function startPerf(program: string, args: string[]) {
  const process = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines = process.stderr.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const commands = process.stdin.getWriter();
  const said: string[] = [];
  const line = async (wanted: RegExp) => {
    for (;;) {
      const { value, done } = await lines.read();
      if (done) throw new Error(`perf has ended, and not said ${wanted}: ${said.join("\n")}`);
      said.push(value);
      if (wanted.test(value)) return;
    }
  };
  return {
    status: process.status,
    line,
    async command(text: string) {
      await commands.write(new TextEncoder().encode(`${text}\n`));
      // It puts a zero behind the line.
      await line(/^\0?ack/);
    },
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await process.status;
      await lines.cancel();
    },
  };
}

/** What the kernel has counted of each thread so far. One that ends meanwhile is left out. */
async function countAll(pids: number[]): Promise<Map<number, Counted>> {
  const counted = new Map<number, Counted>();
  for (const pid of pids) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const path = `/proc/${pid}/task/${name}`;
      try {
        const [runNs, delayNs, turns] = Deno.readTextFileSync(`${path}/schedstat`).split(" ")
          .map(Number);
        const command = Deno.readTextFileSync(`${path}/comm`).trim();
        counted.set(Number(name), { pid, tid: Number(name), command, runNs, delayNs, turns });
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
  }
  await Promise.resolve();
  return counted;
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Error &&
      /os error 3/.test(error.message);
}

/** Seconds of the clock that perf is told to use. */
async function uptime(): Promise<string> {
  return (await Deno.readTextFile("/proc/uptime")).split(" ")[0];
}

/** A `waits` that runs, and what it says of itself. */
export interface Waits extends AsyncDisposable {
  pid: number;
  /** It and the processes that it has started. */
  pids(): Promise<number[]>;
  /** Of each way, how many nanoseconds threads were at it from one time to another. */
  between(from: number, to: number): Promise<Record<string, number>>;
}

/** Starts the target `waits`. */
export async function startWaits(path: string, ...args: string[]): Promise<Waits> {
  const process = new Deno.Command(path, { args, stdin: "null", stdout: "piped" }).spawn();
  const said: WaitsLine[] = [];
  const reading = (async () => {
    const lines = process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      said.push(readWaitsLine(line));
    }
  })();
  await eventually(() => assert.notEqual(said.length, 0));
  return {
    pid: process.pid,
    async pids() {
      const path = `/proc/${process.pid}/task/${process.pid}/children`;
      const children = (await Deno.readTextFile(path)).split(" ").filter((pid) => pid.trim());
      return [process.pid, ...children.map(Number)];
    },
    between: (from, to) => eventually(() => countBetween(said, from, to)),
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await reading;
    },
  };
}

/** Reads a line that `waits` has printed. */
function readWaitsLine(line: string): WaitsLine {
  const [seconds, name, ns] = line.split(" ");
  return { seconds: Number(seconds), name, ns: Number(ns) };
}

/** A line of `waits`. */
interface WaitsLine {
  seconds: number;
  name: string;
  ns: number;
}

/**
 * What lines that `read` gives of `waits` count from one time to another, by the name of the way.
 * Waits until they have been written.
 */
function countWhenWritten(
  read: () => Promise<string>,
  from: number,
  to: number,
): Promise<Record<string, number>> {
  return eventually(async () => {
    // What is written last may be a part of a line.
    const lines = (await read()).split("\n").slice(0, -1);
    return countBetween(lines.map(readWaitsLine), from, to);
  });
}

/** What lines of `waits` count from one time to another; throws where they do not go so far. */
function countBetween(said: WaitsLine[], from: number, to: number): Record<string, number> {
  const byName = Map.groupBy(said, ({ name }) => name);
  if (byName.size === 0) throw new Error("it has said nothing");
  const counts: Record<string, number> = {};
  for (const [name, lines] of byName) {
    const at = (seconds: number) => {
      const index = lines.findIndex((line) => line.seconds >= seconds);
      if (index < 0) throw new Error(`it has said nothing of ${name} since ${seconds} s`);
      const next = Math.max(1, index);
      const [a, b] = [lines[next - 1], lines[next]];
      return a.ns + (b.ns - a.ns) * (seconds - a.seconds) / (b.seconds - a.seconds);
    };
    counts[name] = at(to) - at(from);
  }
  return counts;
}

/** The samples in a perf script's text. */
export async function samplesOf(text: string): Promise<Sample[]> {
  return await Array.fromAsync(parsePerfScript(new Blob([text]).stream()));
}

/** Nanoseconds of the samples that are wanted. */
export function sumOf(samples: Sample[], isWanted: (sample: Sample) => boolean): number {
  return samples.filter(isWanted).reduce((sum, { period }) => sum + period!, 0);
}

/** By what part of it a time may be off; and in a recording that was thinned. */
const WITHIN = 0.05;
const THINNED_WITHIN = 0.1;
/**
 * The same for threads that live for 50 ms: those that nobody saw are estimated by a few others.
 */
const THINNED_BORN_WITHIN = 0.5;

/** Threads of `waits` that live as long as it does. */
const LASTING = ["waits", "sleeper", "holder", "locker", "file locker", "pipe reader", "spinner"];

/**
 * Holds what samples have of a `waits` against what it has counted itself and printed, which
 * `readPrinted` gives: the parts of threads' lives, which are as long as each other, and the ways
 * to wait. How long threads waited for a processor after each wait is known of all waits of a
 * thread together: on a busy machine that makes some longer, some shorter, up to half of what a
 * thread waited so.
 *
 * Resolves with the length of the lives, in nanoseconds.
 */
export async function assertWaits(
  samples: Sample[],
  readPrinted: () => Promise<string>,
  { isThinned = false } = {},
): Promise<number> {
  // A thread that is born has the first one's name until it takes one of its own.
  const threads = Map.groupBy(
    samples,
    ({ pid, tid, command }) => command === "waits" && pid !== tid ? "born" : command,
  );
  const lives = LASTING.map((name) => sumOf(threads.get(name) ?? [], () => true));
  for (const [index, lifeNs] of lives.entries()) assert.equal(lifeNs, lives[0], LASTING[index]);
  const end = Math.max(...samples.map(({ timeSeconds }) => timeSeconds!));
  const known = await countWhenWritten(readPrinted, end - lives[0] / 1e9, end);
  const delays = [...threads].filter(([name]) => !/spinner|chatty|born/.test(name))
    .map(([, samples]) => sumOf(samples, ({ event }) => event === "run-delay"));
  for (const [name, ns] of Object.entries(known)) {
    const event = name === "spin" ? "cpu-clock" : "offcpu-time";
    const found = sumOf(
      samples,
      (sample) =>
        sample.event === event && sample.frames.some(({ symbol }) => symbol === `waits_${name}`),
    );
    const thinnedWithin = name === "born" ? THINNED_BORN_WITHIN : THINNED_WITHIN;
    const most = (isThinned ? thinnedWithin : WITHIN) * ns + Math.max(...delays) / 2;
    assert.ok(Math.abs(found - ns) < most, `${name}: ${found / 1e6} ms, not ${ns / 1e6} ms`);
  }
  return lives[0];
}
