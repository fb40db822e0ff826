import type { Container, ContainerLookup } from "../containers/container.ts";
import type { PerfRecord, RecordExit, startPerfRecord, startPerfScript } from "../perf/perf.ts";
import { PerfDataCounter } from "../perf/perf_data.ts";
import type {
  Completeness,
  PerfDataCounts,
  RecordingOptions,
  RecordingSummary,
} from "../recording.ts";
import { UserSideFilter } from "../perf/user_side_filter.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";
import { type Attached, Attacher, BACKLOG_BYTES, tooManyThreads } from "./attach.ts";
import { conversionTimeout, deliverData, deliverText, type ResultWriter } from "./deliver.ts";
import { ErrorGroup } from "./error_group.ts";
import { IdleTimer } from "./idle_timer.ts";
import { recordInGroups } from "./record_in_groups.ts";
import type { Limits } from "./recording_options.ts";
import { ThreadTimeRecording } from "./thread_time_recording.ts";

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
interface RecordingControl {
  /** Ends everything at once; nothing of the result is wanted any more. */
  abort: AbortSignal;
  /** Ends the sampling; its reason, `"stopped"` or `"shutdown"`, becomes the completeness. */
  stop: AbortSignal;
}

/** What a recording is made with. */
export interface RecorderParts {
  lookup: ContainerLookup;
  perf: Perf;
  limits: Pick<Limits, "maxThreads" | "threadTimeBytesPerSecond">;
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

class Recording {
  readonly #counters: PerfDataCounter[] = [];
  /** Those that run, and what counts their samples. */
  readonly #perfs = new Map<PerfRecord, PerfDataCounter>();
  #missedProcesses = 0;
  #recounting = false;
  readonly #group = new ErrorGroup();
  /** Ends all perfs: the caller wants no result any more, or a part of the recording has failed. */
  readonly #abort: AbortSignal;
  readonly #attacher: Attacher;
  /** Where threads' time is recorded. */
  readonly #threadTime: ThreadTimeRecording | undefined;
  /** The perf record of the processes that were there at the beginning. */
  #main: PerfRecord | undefined;
  /** What went wrong with a perf record whose samples are delivered nevertheless. */
  #failure: StatusError | undefined;
  readonly #writer: ResultWriter;

  constructor(
    private readonly parts: RecorderParts,
    private readonly container: Container,
    private readonly options: RecordingOptions,
    output: WritableStream<Uint8Array>,
    private readonly control: RecordingControl,
    private readonly observer: RecordingObserver,
  ) {
    this.#abort = AbortSignal.any([control.abort, this.#group.signal]);
    const { lookup, limits, perf: { startRecord } } = parts;
    const abort = this.#abort;
    const { threadTime } = options;
    this.#threadTime = threadTime && new ThreadTimeRecording({
      ...{ lookup, limits, abort, options: { ...options, threadTime } },
      processes: () => this.#attacher.processes(),
      write: (lines) => this.#writer.write(new TextEncoder().encode(lines)),
      // What has entered is recorded with all others after the pause.
      paused: () => {
        for (const perf of this.#perfs.keys()) if (perf !== this.#main) perf.stop();
      },
    });
    this.#attacher = new Attacher(
      {
        ...{ lookup, startRecord, limits },
        onOutput: (bytes) => this.#threadTime?.took(bytes),
        onSampling: (pids) => this.#threadTime?.look(pids),
      },
      container,
      options,
      this.#abort,
    );
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
    const { perf: first, pids, threads, late, attached } = await this.#attacher.attachAll();
    const counter = new PerfDataCounter(pids, threads);
    const perf = this.#main = this.#threadTime?.inBursts(first, {
      attach: (seconds) => this.#attachAgain(counter, seconds),
      attachToThreads: async (pids, chooseThreads, seconds) => {
        const some = { backlogBytes: BACKLOG_BYTES, chooseThreads };
        return (await this.#attacher.attachTo(pids, seconds, some))?.perf;
      },
    }) ?? first;
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
      const giveUp = () => this.#group.fail(conversionTimeout(seconds));
      conversion = setTimeout(giveUp, afterMs + seconds * 1000);
    };
    const stopped = () => limitConversion(OVERDUE_MS);
    const sampled = new AbortController();
    const begun = attached.then(() => this.#threadTime?.begin());
    const started = this.#group.run(begun).then(() => {
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
      const lastLines = await this.#threadTime?.end();
      // perf's own clock starts before its word that it samples is heard here.
      const sampledSeconds = exit.wholeDuration ? options.durationSeconds : elapsedSeconds();
      observer.progress(sampledSeconds, this.#counts());
      observer.converting();
      return { ...exit, sampledSeconds, lastLines };
    });
    // Every part is waited for, so that nothing of a recording goes on after it.
    await Promise.allSettled([
      this.#group.run(exit),
      this.#group.run(this.#deliver(perf, counter, { attached: begun, stop: this.control.stop })),
      this.#group.run(
        started.then(() => this.#followEntered(late, sampled.signal, elapsedSeconds)),
      ),
    ]);
    clearTimeout(conversion);
    // What perf script says of the data of a perf record that failed is not what went wrong first.
    if (this.#group.signal.aborted) throw this.#failure ?? this.#group.signal.reason;
    // A perf that has ended with its caller has not failed.
    this.control.abort.throwIfAborted();
    const { wholeDuration, sampledSeconds, lastLines } = await exit;
    if (lastLines) await this.#writer.write(new TextEncoder().encode(lastLines));
    const targetsEnded = !wholeDuration &&
      (counter.allEnded || await this.#haveEnded(counter.attached));
    return this.#summarize(wholeDuration, targetsEnded, sampledSeconds);
  }

  /**
   * Ends the sampling when too many threads were started since perf has attached: the kernel opens
   * the events of a thread for each that it starts.
   */
  async #limitThreads(): Promise<void> {
    const { maxThreads } = this.parts.limits;
    const threads = sum(this.#counters.map((counter) => counter.threads));
    if (threads <= maxThreads || this.#recounting) return;
    this.#recounting = true;
    // perf may have lost the events of their ends.
    const guard = await this.parts.lookup.guard(this.container);
    const left = await guard.note(await this.parts.lookup.processes(this.container));
    if (left > maxThreads) {
      this.#failure ??= tooManyThreads(left, maxThreads, this.options);
      for (const perf of this.#perfs.keys()) perf.stop();
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
    // One stream of perf.data cannot follow another, and --main-process means one process.
    if (this.options.format === "data" || this.options.mainProcess) {
      if (late.length === 0) return;
      const left = await this.#attacher.processes();
      const missed = late.filter((pid) => left.includes(pid)).length;
      if (missed > 0) this.#missProcesses(missed, "they started while perf attached");
      return;
    }
    const entered = startingWith(late, this.parts.lookup.entered(this.container, sampled));
    const missed = await recordInGroups(entered, async (pids) => {
      // What a recorded process has started is taken for entered when its parent has ended and its
      // heir is outside. perf reports it, at the latest when it is made to write.
      for (const perf of this.#perfs.keys()) perf.flush();
      await wait(FLUSH_INTERVAL_MS, sampled);
      await this.#threadTime?.sampling();
      const unknown = pids.filter((pid) => !this.#counters.some((counter) => counter.follows(pid)));
      const durationSeconds = this.options.durationSeconds - elapsedSeconds();
      if (sampled.aborted || durationSeconds < FLUSH_INTERVAL_MS / 1000) return;
      // One that fails ends all others, and is heard of by that.
      await this.#group.run(this.#recordEntered(unknown, durationSeconds, sampled)).catch(() => {});
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
    const delivered = this.#group.run(this.#deliver(perf, counter, { attached, stop: sampled }));
    await Promise.all([perf.exit.then((exit) => this.#noteFailure(exit)), delivered]);
  }

  /** Attaches after a pause to all that is not recorded otherwise. */
  async #attachAgain(
    counter: PerfDataCounter,
    durationSeconds: number,
  ): Promise<PerfRecord | undefined> {
    const others = [...this.#perfs.values()].filter((other) => other !== counter);
    const pids = (await this.#attacher.processes())
      .filter((pid) => !others.some((other) => other.follows(pid)));
    const attached = await this.#attacher.attachTo(pids, durationSeconds, {
      backlogBytes: BACKLOG_BYTES,
    });
    if (attached) counter.attachTo(attached.pids, attached.threads);
    return attached?.perf;
  }

  /** Attaches to processes that entered; resolves with nothing when that is not possible. */
  async #attachEntered(
    entered: readonly number[],
    durationSeconds: number,
  ): Promise<Attached | undefined> {
    try {
      return await this.#attacher.attachTo(entered, durationSeconds);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      // What happens to one is no reason to lose what is recorded of the others.
      this.#missProcesses(entered.length, error.message);
      return undefined;
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
    const source = {
      output: perf.output,
      onChunk: (chunk: Uint8Array) => {
        flushing.heard();
        const { lostSamples } = counter;
        counter.add(chunk);
        this.#threadTime?.lost(counter.lostSamples - lostSamples);
        this.#group.run(this.#limitThreads()).catch(() => {});
      },
    };
    this.#counters.push(counter);
    this.#perfs.set(perf, counter);
    try {
      const { format, side, callGraph, threadTime } = this.options;
      if (format === "data") {
        await deliverData(source, side, this.#writer, this.#group);
      } else {
        const script = this.parts.perf.startScript(this.options, this.#abort);
        // perf itself leaves the kernel's side out of everything but threads' time.
        const filter = side === "user" && threadTime !== undefined
          ? new UserSideFilter()
          : undefined;
        const conversion = { script, callGraph, counter, attached, filter };
        await deliverText(source, conversion, this.#writer, this.#group);
      }
    } finally {
      this.#perfs.delete(perf);
      flushing.end();
      stopSignal.removeEventListener("abort", stop);
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
    // Threads that do nothing have a time, too.
    const isEmpty = counts.samples === 0 && (!this.#threadTime || completeness === "target-ended");
    if (isEmpty) throw this.#failure ?? noSample(completeness, sampledSeconds);
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
