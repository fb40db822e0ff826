import { formatDuration } from "../../proto/duration.ts";
import type { Container, ContainerLookup, PidGuard } from "../containers/container.ts";
import type {
  PerfRecord,
  RecordExit,
  RecordTarget,
  startPerfRecord,
  startPerfScript,
} from "../perf/perf.ts";
import { PerfDataCounter } from "../perf/perf_data.ts";
import type {
  Completeness,
  PerfDataCounts,
  RecordingOptions,
  RecordingSummary,
} from "../recording.ts";
import { UserSideFilter } from "../perf/user_side_filter.ts";
import type { Limits } from "./recording_options.ts";
import { wait } from "../../wait.ts";
import { IdleTimer } from "./idle_timer.ts";
import { recordInGroups } from "./record_in_groups.ts";
import { formatSize } from "../size.ts";
import { StatusError } from "../status_error.ts";
import { splitSamples } from "./split_samples.ts";

/**
 * After which silence perf is made to write out what it has, of all processors as whenever it writes.
 * Symbols are looked up when a sample is first read, so this bounds how much a container that ends
 * takes with it.
 */
const FLUSH_INTERVAL_MS = 200;
const PROGRESS_INTERVAL_MS = 500;
/**
 * How long a perf record has to end when its time is over before that is what perf script takes: one
 * that perf script holds up does not end by itself.
 */
const OVERDUE_MS = 15_000;
/** How often a list of processes may turn out to be outdated before a recording is given up. */
const MAX_ATTACH_ATTEMPTS = 5;
/** After so many only those are tried that were there at the attempt before. */
const ATTEMPTS_ON_ALL = 2;
/** perf.data that waits in memory for perf script, or for the result; above it perf has to wait. */
const BACKLOG_BYTES = 8 << 20;
/** The same for processes that enter later. */
const FOLLOWER_BACKLOG_BYTES = 2 << 20;

/** What a recording reports while it goes on. */
export interface RecordingObserver {
  started(processes: number): void;
  progress(elapsedSeconds: number, counts: PerfDataCounts): void;
  converting(): void;
  /** perf was killed or failed, but what it had sampled by then is delivered. */
  perfFailed(error: StatusError): void;
  /** So many processes that entered the container are not recorded. */
  missed(processes: number, reason: string): void;
}

/** How a recording is ended from outside. */
export interface RecordingControl {
  /** Ends everything at once; nothing of the result is wanted any more. */
  abort: AbortSignal;
  /** Ends the sampling; its reason, `"stopped"` or `"shutdown"`, becomes the completeness. */
  stop: AbortSignal;
}

/** What a recording is made with. */
export interface RecorderParts {
  lookup: ContainerLookup;
  perf: Perf;
  limits: Pick<Limits, "maxThreads">;
  /** How long perf script may go on after the sampling has ended. */
  conversionTimeoutSeconds: number;
}

/** perf, as far as a recording needs it. */
export interface Perf {
  startRecord: typeof startPerfRecord;
  startScript: typeof startPerfScript;
}

/**
 * Records a container and writes the result, text or perf.data, to `output`, which it closes.
 *
 * Rejects with a `StatusError`: `NOT_FOUND` when the container has ended before, `FAILED_PRECONDITION`
 * when perf cannot record or took no sample, `INTERNAL` when perf failed and there is nothing to
 * deliver. `output` is aborted then.
 */
export function record(
  parts: RecorderParts,
  container: Container,
  options: RecordingOptions,
  output: WritableStream<Uint8Array>,
  control: RecordingControl,
  observer: RecordingObserver,
): Promise<RecordingSummary> {
  return new Recording(parts, container, options, output, control, observer).run();
}

/** A perf record that runs. */
interface Attached {
  perf: PerfRecord;
  pids: readonly number[];
  /** How many threads those have. */
  threads: number;
  /** Resolves when it samples, and samples these processes. */
  attached: Promise<void>;
}

class Recording {
  readonly #counters: PerfDataCounter[] = [];
  /** Those that run. */
  readonly #perfs = new Set<PerfRecord>();
  #missedProcesses = 0;
  #recounting = false;
  /** Ends all perfs when one part of the recording fails; its reason is what is reported. */
  readonly #giveUp = new AbortController();
  readonly #abort: AbortSignal;
  /** What went wrong with a perf record whose samples are delivered nevertheless. */
  #failure: StatusError | undefined;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(
    private readonly parts: RecorderParts,
    private readonly container: Container,
    private readonly options: RecordingOptions,
    output: WritableStream<Uint8Array>,
    private readonly control: RecordingControl,
    private readonly observer: RecordingObserver,
  ) {
    this.#abort = AbortSignal.any([control.abort, this.#giveUp.signal]);
    this.#writer = output.getWriter();
  }

  async run(): Promise<RecordingSummary> {
    try {
      const summary = await this.#sample();
      this.control.abort.throwIfAborted();
      await this.#writer.close();
      return summary;
    } catch (error) {
      const failure = this.control.abort.aborted
        ? new StatusError("CANCELLED", "the caller gave the recording up", { cause: error })
        : error;
      // Whoever follows the result hears the same.
      await this.#writer.abort(failure).catch(() => {});
      throw failure;
    }
  }

  async #sample(): Promise<RecordingSummary> {
    const { options, observer } = this;
    const { perf, pids, threads, late, attached } = await this.#attach();
    const counter = new PerfDataCounter(pids, threads);
    let startedAt: number | undefined;
    const elapsedSeconds = () =>
      startedAt === undefined
        ? 0
        : Math.min((performance.now() - startedAt) / 1000, options.durationSeconds);
    let progress: ReturnType<typeof setInterval> | undefined;
    let conversion: ReturnType<typeof setTimeout> | undefined;
    const limitConversion = (afterMs: number) => {
      clearTimeout(conversion);
      const seconds = this.parts.conversionTimeoutSeconds;
      const giveUp = () => this.#giveUp.abort(conversionTimeout(seconds));
      conversion = setTimeout(giveUp, afterMs + seconds * 1000);
    };
    const stopped = () => limitConversion(OVERDUE_MS);
    const sampled = new AbortController();
    const started = this.#orGiveUp(attached).then(() => {
      startedAt = performance.now();
      observer.started(pids.length);
      if (sampled.signal.aborted) return;
      progress = setInterval(
        () => observer.progress(elapsedSeconds(), this.#counts()),
        PROGRESS_INTERVAL_MS,
      );
      limitConversion(options.durationSeconds * 1000 + OVERDUE_MS);
      this.control.stop.addEventListener("abort", stopped, { once: true });
      if (this.control.stop.aborted) stopped();
    });
    const ended = perf.exit.finally(() => {
      sampled.abort();
      clearInterval(progress);
      this.control.stop.removeEventListener("abort", stopped);
    });
    const exit = ended.then(async (exit) => {
      await started;
      this.#noteFailure(exit);
      limitConversion(0);
      // perf's own clock starts before its word that it samples is heard here.
      const sampledSeconds = exit.wholeDuration ? options.durationSeconds : elapsedSeconds();
      observer.progress(sampledSeconds, this.#counts());
      observer.converting();
      return { ...exit, sampledSeconds };
    });
    // Every part is waited for, so that nothing of a recording goes on after it.
    await Promise.allSettled([
      this.#orGiveUp(exit),
      this.#orGiveUp(this.#deliver(perf, counter, { attached, stop: this.control.stop })),
      this.#orGiveUp(started.then(() => this.#followEntered(late, sampled.signal, elapsedSeconds))),
    ]);
    clearTimeout(conversion);
    // What perf script says of the data of a perf record that failed is not what went wrong first.
    if (this.#giveUp.signal.aborted) throw this.#failure ?? this.#giveUp.signal.reason;
    // A perf that has ended with its caller has not failed.
    this.control.abort.throwIfAborted();
    const { wholeDuration, sampledSeconds } = await exit;
    const targetsEnded = !wholeDuration &&
      (counter.allEnded || await this.#haveEnded(counter.attached));
    return this.#summarize(wholeDuration, targetsEnded, sampledSeconds);
  }

  /**
   * Starts perf on the container's processes, listing them again when they have changed. On a busy
   * node children may end faster than perf attaches, each time. Those that last are recorded then;
   * the `late` ones were listed beside them.
   */
  async #attach(): Promise<Attached & { late: number[] }> {
    const { durationSeconds, format } = this.options;
    let before: number[] = [];
    for (let attempt = 1;; attempt++) {
      const guard = await this.parts.lookup.guard(this.container);
      const listed = await this.#processes();
      if (listed.length === 0) {
        throw new StatusError("NOT_FOUND", "the container has ended: it has no process any more");
      }
      const lasting = listed.filter((pid) => before.includes(pid));
      const pids = attempt > ATTEMPTS_ON_ALL && lasting.length > 0 ? lasting : listed;
      const late = listed.filter((pid) => !pids.includes(pid));
      before = listed;
      const threads = this.#requireFew(await guard.note(pids));
      try {
        const target = { pids, durationSeconds, backlogBytes: BACKLOG_BYTES };
        const mayStream = format === "script";
        return { ...await this.#startRecord(target, guard, { mayStream }), threads, late };
      } catch (error) {
        if (!isOutdated(error)) throw error;
        if (attempt < MAX_ATTACH_ATTEMPTS) continue;
        const left = await this.#processes();
        // Without a change since, it is no race that was lost.
        throw left.length > 0 && left.join() !== listed.join() ? restless() : error;
      }
    }
  }

  /** The processes that are to be recorded. */
  async #processes(): Promise<number[]> {
    const { options, container } = this;
    const pids = await this.parts.lookup.processes(container);
    return options.mainProcess ? pids.filter((pid) => pid === container.mainPid) : pids;
  }

  /**
   * Starts perf and resolves when it samples no other processes than those the guard has taken note
   * of; or, with `mayStream`, when it waits for whoever reads what those have mapped.
   */
  async #startRecord(
    target: RecordTarget,
    guard: PidGuard,
    { mayStream }: { mayStream: boolean },
  ): Promise<Omit<Attached, "threads">> {
    const perf = await this.parts.perf.startRecord(this.options, target, this.#abort);
    const attached = perf.attached.then(async () => {
      if (!await guard.holds()) throw restless();
    });
    attached.catch(() => {});
    try {
      const streams = await Promise.race([
        perf.attached.then(() => false),
        perf.full.then(() => true),
      ]);
      if (streams && !mayStream) throw tooMuchMapped(target);
      if (!streams) await attached;
    } catch (error) {
      await perf.discard();
      throw error;
    }
    return {
      perf,
      pids: target.pids,
      attached: attached.catch((error) => {
        // Of what has been read already there is no way back to another list.
        throw isOutdated(error) ? restless() : error;
      }),
    };
  }

  /** Returns the number of threads, for each of which perf opens events on each processor. */
  #requireFew(threads: number): number {
    if (threads <= this.parts.limits.maxThreads) return threads;
    throw this.#tooManyThreads(threads);
  }

  #tooManyThreads(threads: number): StatusError {
    return new StatusError(
      "FAILED_PRECONDITION",
      `the ${threads} threads of the container's processes are above this node's limit of ` +
        `${this.parts.limits.maxThreads} (--max-threads)` +
        (this.options.mainProcess ? "" : ": record the main process only (--main-process)"),
    );
  }

  /**
   * Ends the sampling when too many threads were started since perf has attached: the kernel opens
   * the events of a thread for each that it starts.
   */
  async #limitThreads(): Promise<void> {
    const threads = sum(this.#counters.map((counter) => counter.threads));
    if (threads <= this.parts.limits.maxThreads || this.#recounting) return;
    this.#recounting = true;
    // perf may have lost what it should have told of their ends.
    const guard = await this.parts.lookup.guard(this.container);
    const left = await guard.note(await this.parts.lookup.processes(this.container));
    if (left > this.parts.limits.maxThreads) {
      this.#failure ??= this.#tooManyThreads(left);
      for (const perf of this.#perfs) perf.stop();
    } else {
      this.#counters.forEach((counter, index) => counter.threads = index === 0 ? left : 0);
      this.#recounting = false;
    }
  }

  /**
   * Records processes that come into the container from outside while it is recorded, and those that
   * were late when perf attached.
   */
  async #followEntered(
    late: readonly number[],
    sampled: AbortSignal,
    elapsedSeconds: () => number,
  ): Promise<void> {
    // One stream of perf.data cannot be put behind another, and --main-process means one process.
    if (this.options.format === "data" || this.options.mainProcess) {
      if (late.length === 0) return;
      const left = await this.#processes();
      const missed = late.filter((pid) => left.includes(pid)).length;
      if (missed > 0) this.#missProcesses(missed, "they started while perf attached");
      return;
    }
    const entered = startingWith(late, this.parts.lookup.entered(this.container, sampled));
    const missed = await recordInGroups(entered, async (pids) => {
      // What a recorded process has started is taken for entered when its parent has ended and its
      // heir is outside. perf tells of it, at the latest when it is made to write.
      for (const perf of this.#perfs) perf.flush();
      await wait(FLUSH_INTERVAL_MS, sampled);
      const unknown = pids.filter((pid) => !this.#counters.some((counter) => counter.follows(pid)));
      const durationSeconds = this.options.durationSeconds - elapsedSeconds();
      if (sampled.aborted || durationSeconds < FLUSH_INTERVAL_MS / 1000) return;
      // One that fails ends all others, and is heard of by that.
      await this.#orGiveUp(this.#recordEntered(unknown, durationSeconds, sampled)).catch(() => {});
    });
    if (missed > 0) this.#missProcesses(missed, "too many entered at a time");
  }

  #missProcesses(count: number, reason: string): void {
    this.#missedProcesses += count;
    this.observer.missed(count, reason);
  }

  async #recordEntered(
    pids: number[],
    durationSeconds: number,
    sampled: AbortSignal,
  ): Promise<void> {
    const entered = await this.#attachEntered(pids, durationSeconds);
    if (!entered) return;
    const { perf, pids: attachedTo, threads, attached } = entered;
    const counter = new PerfDataCounter(attachedTo, threads);
    const delivered = this.#orGiveUp(this.#deliver(perf, counter, { attached, stop: sampled }));
    await Promise.all([perf.exit.then((exit) => this.#noteFailure(exit)), delivered]);
  }

  /** Starts perf on processes that entered; resolves with nothing when that is not possible. */
  async #attachEntered(
    entered: readonly number[],
    durationSeconds: number,
  ): Promise<Attached | undefined> {
    for (let attempt = 1;; attempt++) {
      try {
        const guard = await this.parts.lookup.guard(this.container);
        // One is gone often: a runtime's helper, or a thread of what then becomes another program.
        const left = await this.#processes();
        const pids = entered.filter((pid) => left.includes(pid));
        if (pids.length === 0) return undefined;
        const threads = this.#requireFew(await guard.note(pids));
        const target = { pids, durationSeconds, backlogBytes: FOLLOWER_BACKLOG_BYTES };
        return { ...await this.#startRecord(target, guard, { mayStream: false }), threads };
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        // What happens to one is no reason to lose what is recorded of the others.
        if (isOutdated(error) && attempt < MAX_ATTACH_ATTEMPTS) continue;
        this.#missProcesses(entered.length, error.message);
        return undefined;
      }
    }
  }

  /** Brings what a perf record writes to the output, through perf script when text is asked for. */
  async #deliver(
    perf: PerfRecord,
    counter: PerfDataCounter,
    { attached, stop: stopSignal }: { attached: Promise<void>; stop: AbortSignal },
  ): Promise<void> {
    const stop = () => perf.stop();
    stopSignal.addEventListener("abort", stop, { once: true });
    if (stopSignal.aborted) stop();
    const flushing = new IdleTimer(FLUSH_INTERVAL_MS, () => perf.flush());
    const take = (chunk: Uint8Array) => {
      flushing.heard();
      counter.add(chunk);
      this.#orGiveUp(this.#limitThreads()).catch(() => {});
    };
    this.#counters.push(counter);
    this.#perfs.add(perf);
    try {
      if (this.options.format === "data") {
        // The user's side alone is what callers get who may not see the kernel's.
        const filter = this.options.side === "user" ? new UserSideFilter() : undefined;
        await this.#readThrough(perf.output, (chunk) => {
          take(chunk);
          return this.#writer.write(filter ? filter.keep(chunk) : chunk);
        });
      } else {
        await this.#convert(perf, counter, { take, attached });
      }
    } finally {
      this.#perfs.delete(perf);
      flushing.end();
      stopSignal.removeEventListener("abort", stop);
    }
  }

  async #convert(
    perf: PerfRecord,
    counter: PerfDataCounter,
    { take, attached }: { take(chunk: Uint8Array): void; attached: Promise<void> },
  ): Promise<void> {
    const script = this.parts.perf.startScript(this.options, this.#abort);
    const input = script.input.getWriter();
    let allFed = false;
    const fed = this.#readThrough(perf.output, async (chunk) => {
      take(chunk);
      // When perf script goes away, its exit tells why, not the broken pipe to it.
      await input.write(chunk).catch(() => {});
    }).finally(() => {
      allFed = true;
      return input.close().catch(() => {});
    });
    const text = splitSamples(script.output, this.options.callGraph !== "none");
    let textBytes = 0;
    const written = this.#readThrough(text, async (chunk) => {
      if (chunk.includes(0)) throw scriptFailure("its output is not text");
      textBytes += chunk.length;
      // Nothing goes out before it is sure whose processes are recorded.
      await attached;
      await this.#writer.write(chunk);
    });
    const exited = script.exit.then(() => {
      if (!allFed) throw scriptFailure("it ended before its input did");
    });
    await Promise.all([fed, written, exited].map((part) => this.#orGiveUp(part)));
    if (textBytes === 0 && counter.samples > 0) {
      throw scriptFailure(`it printed nothing of ${counter.samples} samples`);
    }
  }

  /**
   * Reads a perf's output to its end and hands each chunk on. When that fails the recording is given
   * up, and the rest is read and dropped: a perf that cannot write would not end in order.
   */
  async #readThrough(
    source: AsyncIterable<Uint8Array>,
    handOn: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    for await (const chunk of source) {
      if (this.#giveUp.signal.aborted) continue;
      await this.#orGiveUp(handOn(chunk)).catch(() => {});
    }
    this.#giveUp.signal.throwIfAborted();
  }

  /** Ends the whole recording when a part of it fails. */
  async #orGiveUp<T>(part: Promise<T>): Promise<T> {
    try {
      return await part;
    } catch (error) {
      this.#giveUp.abort(error);
      throw error;
    }
  }

  #counts(): PerfDataCounts {
    return {
      samples: sum(this.#counters.map((counter) => counter.samples)),
      lostSamples: sum(this.#counters.map((counter) => counter.lostSamples)),
      throttled: sum(this.#counters.map((counter) => counter.throttled)),
    };
  }

  #noteFailure({ failure }: RecordExit): void {
    // A perf that is made to end by this recording has not failed by itself.
    if (failure && !this.#abort.aborted) this.#failure ??= failure;
  }

  /**
   * Looks for processes whose end perf has not told of: that may have come just before perf sampled,
   * or be lost as samples can.
   */
  async #haveEnded(pids: ReadonlySet<number>): Promise<boolean> {
    try {
      const left = await this.parts.lookup.processes(this.container);
      return !left.some((pid) => pids.has(pid));
    } catch {
      return false;
    }
  }

  #summarize(
    wholeDuration: boolean,
    targetsEnded: boolean,
    sampledSeconds: number,
  ): RecordingSummary {
    const counts = this.#counts();
    const { stop } = this.control;
    if (!wholeDuration && !stop.aborted && !targetsEnded) {
      this.#failure ??= new StatusError("INTERNAL", "perf record failed: it was told to end early");
    }
    const completeness = this.#failure
      ? "perf-failed"
      : wholeDuration
      ? "full"
      : stop.aborted
      ? stop.reason
      : "target-ended";
    if (counts.samples === 0) throw this.#failure ?? noSample(completeness, sampledSeconds);
    if (this.#failure) this.observer.perfFailed(this.#failure);
    const missedProcesses = this.#missedProcesses;
    return { ...counts, completeness, sampledSeconds, missedProcesses };
  }
}

async function* startingWith(
  first: readonly number[],
  more: AsyncIterable<readonly number[]>,
): AsyncGenerator<readonly number[]> {
  if (first.length > 0) yield first;
  yield* more;
}

/** Whether processes have changed since they were listed. */
function isOutdated(error: unknown): boolean {
  return error instanceof StatusError &&
    (error.status === "NOT_FOUND" || error.message === RESTLESS);
}

const RESTLESS =
  "the container's processes changed again and again while perf attached to them: try again, or " +
  "record the main process only (--main-process)";

function restless(): StatusError {
  return new StatusError("FAILED_PRECONDITION", RESTLESS);
}

function tooMuchMapped({ pids, backlogBytes }: RecordTarget): StatusError {
  return new StatusError(
    "FAILED_PRECONDITION",
    `perf has more than ${formatSize(backlogBytes)} to say of what the ${pids.length} processes ` +
      "have mapped: record the main process only (--main-process), or as text (--format script)",
  );
}

function scriptFailure(how: string): StatusError {
  return new StatusError("INTERNAL", `perf script failed: ${how}`);
}

function conversionTimeout(seconds: number): StatusError {
  return scriptFailure(
    `it did not end in ${formatDuration(seconds)} after the sampling did, and was killed. Record ` +
      "for a shorter time, at a lower frequency, or without inlined functions",
  );
}

function noSample(completeness: Completeness, sampledSeconds: number): StatusError {
  const time = `${sampledSeconds.toFixed(1)} s`;
  const words = completeness === "target-ended"
    ? `the container ended after ${time}, before perf took a sample of it`
    : `perf took no sample in ${time}: no process of the container ran on a processor in that ` +
      "time. It sleeps or waits; record it while it has work to do, for longer, or at a higher " +
      "frequency";
  return new StatusError("FAILED_PRECONDITION", words);
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
