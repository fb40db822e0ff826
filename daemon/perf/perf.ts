/**
 * The edge to perf: the only module that starts a program.
 *
 * @module
 */
import { throttledReader } from "./throttled_reader.ts";
import { recordArguments, scriptArguments } from "./perf_arguments.ts";
import { classifyPerfFailure, hasDroppedEvent, perfError } from "./perf_failure.ts";
import { FirstSample } from "./perf_data.ts";
import { type ReadUsage, startIdleDeadline } from "./idle_deadline.ts";
import type { PerfWatch } from "./perf_watch.ts";
import { ReadAhead } from "./read_ahead.ts";
import type { PerfOptions } from "../recording.ts";
import { absoluteNames, RelativeNames } from "./relative_names.ts";
import { ScriptFlow } from "./script_flow.ts";
import { StatusError } from "../status_error.ts";
import { TextLineStream } from "./text_lines.ts";

/**
 * How long an ended perf may take to go away before it is killed, and how long a perf script may go
 * on with what it has read: one that is ended by a signal leaves a copy of the vDSO in /tmp.
 */
const TERM_DEADLINE_MS = 900;
const SCRIPT_DEADLINE_MS = 500;
/**
 * How long a perf record may do nothing before it has attached, and take in all, before it is
 * killed: it needs a fifth of a second of a processor, for which it may have to wait.
 */
const ATTACH_DEADLINE_MS = { idle: 30_000, max: 120_000 };
/**
 * How long it may take to end when its time is over, and so long again while it waits for a
 * processor.
 */
const END_DEADLINE_MS = 10_000;
const MAX_END_MS = 60_000;
/**
 * Ring buffers in pages per processor: a DWARF sample carries kilobytes of stack, and of threads
 * that switch often there are many samples.
 */
const MMAP_PAGES = { usual: 32, much: 128 };
const MIN_MMAP_PAGES = 4;
/** perf writes this to its standard error for each command that it has carried out. */
const ACKNOWLEDGEMENT = "ack";
/**
 * How long perf script, which writes 4 KB at a time, may fill its pipe before that is read again.
 */
const TEXT_PAUSE_MS = 20;
/**
 * Where a perf script runs that may find no file by itself: an empty directory that each Linux has,
 * into which nobody can put anything (proc_tty_init in fs/proc/proc_tty.c).
 */
const EMPTY_DIRECTORY = "/proc/tty/ldisc";
/** What is kept of perf's messages. */
const MAX_STDERR_BYTES = 16_384;

/** Nothing of the daemon's own environment reaches perf, and no perf configuration file does. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/nonexistent",
  LC_ALL: "C",
  PERF_CONFIG: "/dev/null",
};

/** How a `perf record` ended. */
export interface RecordExit {
  /** Whether it sampled for the whole time it was started for. */
  wholeDuration: boolean;
  /** What went wrong while it sampled. */
  failure?: StatusError;
}

/** What a `perf record` is started on. */
export interface RecordTarget {
  pids: readonly number[];
  /** The threads of those that are sampled, and what they start. Default: all. */
  tids?: readonly number[];
  durationSeconds: number;
  /** perf.data that may wait in memory; above it perf waits until `output` is read. */
  backlogBytes: number;
  /**
   * Is called with how many bytes of perf.data perf has written, when it has and while it samples.
   */
  onOutput?: (bytes: number) => void;
}

/** A `perf record` that has opened its events. */
export interface PerfRecord {
  /**
   * Resolves when perf samples: before, it writes down what the processes have mapped. Rejects with
   * a `StatusError` when it cannot; `NOT_FOUND` when one of the processes has gone.
   */
  attached: Promise<void>;
  /** Resolves when the backlog is full for the first time. */
  full: Promise<void>;
  /** perf.data in the pipe form. A chunk is good until the next one is asked for. */
  output: AsyncIterable<Uint8Array>;
  /** Makes perf write out what its ring buffers hold. */
  flush(): void;
  /** Ends the sampling in order; what was sampled still comes out of `output`. */
  stop(): void;
  /** Ends perf at once and drops what `output` holds; resolves when perf has gone. */
  discard(): Promise<void>;
  /** Resolves when perf has gone. */
  exit: Promise<RecordExit>;
}

/** A `perf script` that reads perf.data of the pipe form and writes text. */
export interface PerfScript {
  input: WritableStream<Uint8Array>;
  /** A chunk is good until the next one is asked for. */
  output: AsyncIterable<Uint8Array>;
  /** Settles when perf has gone. Rejects with a `StatusError` when it failed. */
  exit: Promise<void>;
}

/**
 * Starts `perf record` on processes and resolves when it has opened its events.
 *
 * Rejects with a `StatusError`; `NOT_FOUND` when one of the processes has gone. Aborting `signal`
 * ends perf for good, in a second at most. With `readUsage` a perf is waited for that gets little
 * of a busy node's processors.
 */
export async function startPerfRecord(
  options: PerfOptions,
  target: RecordTarget,
  signal: AbortSignal,
  readUsage?: ReadUsage,
): Promise<PerfRecord> {
  const isMuch = options.callGraph === "dwarf" || options.threadTime !== undefined;
  let mmapPages = isMuch ? MMAP_PAGES.much : MMAP_PAGES.usual;
  // The kernel bounds the ring buffers of all perfs of one user together (perf_event_mlock_kb), so
  // how large this one's may be depends on the others that run.
  for (;; mmapPages /= 2) {
    const attempt = spawn(recordArguments(options, { ...target, mmapPages }), signal, 0);
    let samples = false;
    const firstSample = new FirstSample();
    const output = new ReadAhead(attempt.process.stdout, target.backlogBytes, (bytes) => {
      firstSample.add(bytes);
      if (samples) target.onOutput?.(bytes.length);
    });
    const attachment = awaitAttached(attempt, firstSample.seen, signal, readUsage);
    attachment.refusal.then((refusal) => samples = refusal === undefined);
    // The header comes when the events are open and the ring buffers are there.
    const refusal = await Promise.race([output.begun, attachment.refusal]);
    if (refusal === undefined) {
      return runningRecord(attempt, { output, attachment, readUsage }, target.durationSeconds);
    }
    await output.cancel();
    signal.throwIfAborted();
    if (
      classifyPerfFailure(refusal) !== "ring-buffer-too-large" || mmapPages <= MIN_MMAP_PAGES
    ) {
      throw perfError("perf record", refusal);
    }
  }
}

interface Attachment {
  /** Resolves with nothing when perf samples, or with its words when it does not. */
  refusal: Promise<string | undefined>;
  stderr: Stderr;
}

/**
 * Waits until a perf record carries out a command, which it does when it samples, or until it has
 * written a sample: it looks for commands only when it has found nothing to write, and threads that
 * switch often always give it something (`__cmd_record` in tools/perf/builtin-record.c).
 */
function awaitAttached(
  { process, command }: Spawned,
  sampled: Promise<void>,
  signal: AbortSignal,
  readUsage: ReadUsage | undefined,
): Attachment {
  const answered = Promise.withResolvers<boolean>();
  const stderr = collectStderr(process, (line) => {
    if (line === ACKNOWLEDGEMENT) answered.resolve(true);
  });
  sampled.then(() => answered.resolve(true));
  process.status.then(() => answered.resolve(false));
  let late = false;
  const startedAt = performance.now();
  let tookMs = 0;
  const { idle: idleMs, max: maxMs } = ATTACH_DEADLINE_MS;
  const stopDeadline = startIdleDeadline(process.pid, { idleMs, maxMs, readUsage }, () => {
    late = true;
    tookMs = performance.now() - startedAt;
    terminate(process, 0);
  });
  command("ping");
  const refusal = (async () => {
    const attached = await answered.promise;
    stopDeadline();
    if (attached) {
      const said = stderr.said();
      if (!hasDroppedEvent(said)) return undefined;
      terminate(process, 0);
      return said;
    }
    const status = await process.status;
    if (late && !signal.aborted) {
      return `It did not begin in ${Math.round(tookMs / 1000)} s, and was killed.`;
    }
    // It ends like this, without a complaint, when there is nobody left to sample, and when a
    // process vanished while it read what that had mapped.
    if (endedInOrder(status) || (status.code === 255 && (await stderr.whole) === "")) {
      return "No such process";
    }
    return await lastWords(status, stderr);
  })();
  return { refusal, stderr };
}

function runningRecord(
  { process, command, release }: Spawned,
  { output, attachment, readUsage }: {
    output: ReadAhead;
    attachment: Attachment;
    readUsage?: ReadUsage;
  },
  durationSeconds: number,
): PerfRecord {
  let overdue = false;
  const end = () => {
    // A slow reader is not perf's fault.
    if (output.isFull) return endLater(END_DEADLINE_MS);
    if (!readUsage) return giveUp();
    stopDeadline();
    const limits = { idleMs: 1000, maxMs: MAX_END_MS, readUsage };
    stopDeadline = startIdleDeadline(process.pid, limits, giveUp);
  };
  const giveUp = () => {
    overdue = true;
    terminate(process, 0);
  };
  let stopDeadline = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const endLater = (milliseconds: number) => {
    clearTimeout(timer);
    if (!ended) timer = setTimeout(end, milliseconds);
  };
  const attached = attachment.refusal.then((refusal) => {
    if (refusal !== undefined) throw perfError("perf record", refusal);
    if (timer === undefined) endLater(durationSeconds * 1000 + END_DEADLINE_MS);
  });
  attached.catch(() => {});
  return {
    attached,
    full: output.full,
    output,
    flush: () => command("ping"),
    stop: () => {
      command("stop");
      // With much to write it hears of no command. Before it samples the signal would end it at
      // once.
      attached.then(() => kill(process, "SIGTERM"), () => {});
      endLater(END_DEADLINE_MS);
    },
    async discard() {
      terminate(process, 0);
      await output.cancel();
      await process.status;
    },
    exit: (async () => {
      const status = await process.status;
      ended = true;
      clearTimeout(timer);
      stopDeadline();
      release();
      const wholeDuration = status.success;
      if (overdue) {
        const seconds = END_DEADLINE_MS / 1000;
        const words = `It did not end in ${seconds} s when it had to, and was killed.`;
        return { wholeDuration, failure: perfError("perf record", words) };
      }
      if (endedInOrder(status)) return { wholeDuration };
      return {
        wholeDuration,
        failure: perfError("perf record", await lastWords(status, attachment.stderr)),
      };
    })(),
  };
}

/**
 * Whether a perf record came to its end: it ends the way its workload does, well when sleep slept
 * to its end, and by SIGTERM when perf ended before and took it along (record__sig_exit in
 * tools/perf/builtin-record.c).
 */
function endedInOrder(status: Deno.CommandStatus): boolean {
  return status.success || status.signal === "SIGTERM";
}

/** The limits of a perf script. */
export interface ScriptConfinement {
  /**
   * Stands for the root of processes that have gone, or are in the daemon's own mount namespace:
   * the others' files are read in theirs. An empty directory unless told.
   */
  directory?: string;
  /** Ends it when it takes too much. */
  watch?: PerfWatch;
}

/** Starts `perf script`. Aborting `signal` ends it for good, in a second at most. */
export function startPerfScript(
  options: PerfOptions,
  signal: AbortSignal,
  { directory = EMPTY_DIRECTORY, watch }: ScriptConfinement = {},
): PerfScript {
  const { process, stdin, release } = spawn(scriptArguments(options), signal, SCRIPT_DEADLINE_MS, {
    cwd: directory,
  });
  const flow = new ScriptFlow();
  let failure: StatusError | undefined;
  const unwatch = watch?.add({
    pid: process.pid,
    progress: () => flow.progress(),
    end(reason) {
      failure = reason;
      kill(process, "SIGKILL");
    },
  });
  const stderr = collectStderr(process);
  const ended = new AbortController();
  process.status.finally(() => ended.abort());
  return {
    input: flow.observeInput(withRelativeNames(stdin)),
    output: flow.observeOutput(
      absoluteNames(throttledReader(process.stdout, TEXT_PAUSE_MS, ended.signal)),
    ),
    exit: (async () => {
      const status = await process.status;
      release();
      unwatch?.();
      if (failure) throw failure;
      if (!status.success) {
        throw perfError("perf script", await lastWords(status, stderr));
      }
    })(),
  };
}

function withRelativeNames(input: WritableStream<Uint8Array>): WritableStream<Uint8Array> {
  const names = new RelativeNames();
  const writer = input.getWriter();
  return new WritableStream({
    write: (chunk) => writer.write(names.rewrite(chunk)),
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  });
}

/** perf's version, such as `6.1.187`. Rejects with a `StatusError` when perf cannot be run. */
export async function perfVersion(): Promise<string> {
  const output = await run(["version"]);
  return output.stdout.replace(/^perf version /, "").trim();
}

/**
 * Tries whether perf may sample a process. Rejects with a `StatusError` that says why not.
 *
 * Process 1 is the right one to ask about in the host's PID namespace: it belongs to another user.
 */
export async function checkPerf(pid: number): Promise<void> {
  const output = await run(["record", "--output=-", "--no-buildid", "--no-bpf-event"].concat(
    ["--mmap-pages=1", "--event=cpu-clock", `--pid=${pid}`, "--", "sleep", "0"],
  ));
  if (!output.success) throw perfError("perf record", output.stderr);
}

async function run(args: string[]): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const command = new Deno.Command("perf", {
    args,
    clearEnv: true,
    env: ENVIRONMENT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  try {
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    throw spawnError(error);
  }
}

interface Spawned {
  process: Deno.ChildProcess;
  stdin: WritableStream<Uint8Array>;
  /** Writes a line to perf's standard input; nothing when perf has gone. */
  command(line: string): void;
  /** Stops listening to the signal. */
  release(): void;
}

function spawn(
  args: string[],
  signal: AbortSignal,
  graceMs: number,
  options: Pick<Deno.CommandOptions, "cwd"> = {},
): Spawned {
  signal.throwIfAborted();
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command("perf", {
      ...options,
      args,
      clearEnv: true,
      env: ENVIRONMENT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    throw spawnError(error);
  }
  const abort = () => terminate(process, graceMs);
  signal.addEventListener("abort", abort, { once: true });
  const encoder = new TextEncoder();
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  return {
    process,
    stdin: process.stdin,
    command(line) {
      writer ??= process.stdin.getWriter();
      writer.write(encoder.encode(`${line}\n`)).catch(() => {});
    },
    release: () => {
      signal.removeEventListener("abort", abort);
      writer?.close().catch(() => {});
    },
  };
}

/** Ends a perf with a signal, after `graceMs`, and by force when it has not gone in time. */
function terminate(process: Deno.ChildProcess, graceMs: number): void {
  // A perf record takes its workload along when it gets this one.
  const inOrder = setTimeout(() => kill(process, "SIGTERM"), graceMs);
  const byForce = setTimeout(() => kill(process, "SIGKILL"), TERM_DEADLINE_MS);
  process.status.finally(() => {
    clearTimeout(inOrder);
    clearTimeout(byForce);
  });
}

function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has gone already.
  }
}

/** What a perf writes to its standard error. */
interface Stderr {
  /** So far. */
  said(): string;
  /** Resolves when nobody has it open any more. */
  whole: Promise<string>;
}

function collectStderr(
  process: Deno.ChildProcess,
  onLine: (line: string) => void = () => {},
): Stderr {
  let text = "";
  const whole = (async () => {
    const lines = process.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(
      new TextLineStream(),
    );
    for await (const raw of lines) {
      // An acknowledgement comes with the zero byte that ends it in perf's memory.
      const line = raw.replaceAll("\0", "").trim();
      if (line !== ACKNOWLEDGEMENT && text.length < MAX_STDERR_BYTES) text += `${line}\n`;
      onLine(line);
    }
    return text;
  })();
  return { said: () => text, whole };
}

/** Why a perf ended, by what it said. */
async function lastWords(
  { signal, code }: Deno.CommandStatus,
  stderr: Stderr,
): Promise<string> {
  // It had no time for words then, and its workload, which is left, holds its standard error open.
  if (signal) return `It was ended by ${signal}.`;
  return (await stderr.whole) || `Its exit status was ${code}.`;
}

function spawnError(error: unknown): StatusError {
  const words = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable
    ? "there is no perf on this node's daemon"
    : `perf cannot be run on this node: ${(error as Error).message}. Does the daemon's pod have ` +
      "the capabilities that perf's file asks for?";
  return new StatusError("FAILED_PRECONDITION", words, { cause: error });
}
