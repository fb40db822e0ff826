import type { Container, ContainerLookup } from "../containers/container.ts";
import type { PerfRecord, RecordExit, startPerfRecord, startPerfScript } from "../perf/perf.ts";
import { PerfDataCounter } from "../perf/perf_data.ts";
import type {
  Completeness,
  PerfDataCounts,
  RecordingOptions,
  RecordingSummary,
} from "../recording.ts";
import { StatusError } from "../status_error.ts";
import { Attacher, BACKLOG_BYTES, tooManyThreads } from "./attach.ts";
import { ConversionTimer } from "./conversion_timer.ts";
import { conversionTimeout, type ResultWriter } from "./deliver.ts";
import { EnteredProcesses } from "./entered_processes.ts";
import { ErrorGroup } from "./error_group.ts";
import { PerfRecords } from "./perf_records.ts";
import type { Limits } from "./recording_options.ts";
import { ThreadTimeRecording } from "./thread_time_recording.ts";

const PROGRESS_INTERVAL_MS = 500;
/**
 * How long a perf record has to end when its time is over before that is what perf script takes:
 * one that perf script holds up does not end by itself.
 */
const OVERDUE_MS = 15_000;

/** Receives the events of a recording while it goes on. */
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

/** The parts that a recording is made with. */
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
 * Rejects with a `StatusError`: `NOT_FOUND` when the container has ended before,
 * `FAILED_PRECONDITION` when perf cannot record or took no sample, `INTERNAL` when perf failed and
 * there is nothing to deliver. `output` is aborted then.
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
  readonly #records: PerfRecords;
  readonly #entered: EnteredProcesses;
  #recounting = false;
  readonly #group = new ErrorGroup();
  /** Ends all perfs: the caller wants no result any more, or a part of the recording has failed. */
  readonly #abort: AbortSignal;
  readonly #attacher: Attacher;
  /** Where threads' time is recorded. */
  readonly #threadTime: ThreadTimeRecording | undefined;
  /** The perf record of the processes that were there at the beginning. */
  #main: PerfRecord | undefined;
  /** The failure of a perf record whose samples are delivered nevertheless. */
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
    const { lookup, limits, perf: { startRecord, startScript } } = parts;
    const [abort, group] = [this.#abort, this.#group];
    this.#writer = output.getWriter();
    const { threadTime } = options;
    this.#threadTime = threadTime && new ThreadTimeRecording({
      ...{ lookup, limits, abort, options: { ...options, threadTime } },
      processes: () => this.#attacher.processes(),
      write: (lines) => this.#writer.write(new TextEncoder().encode(lines)),
      // Processes that have entered are recorded with all others after the pause.
      paused: () => this.#records.stop(this.#main),
    });
    this.#attacher = new Attacher(
      {
        ...{ lookup, startRecord, limits },
        onOutput: (bytes) => this.#threadTime?.took(bytes),
        onSampling: (pids) => this.#threadTime?.look(pids),
      },
      container,
      options,
      abort,
    );
    this.#records = new PerfRecords({
      ...{ options, startScript, writer: this.#writer, group, abort },
      onChunk: (lostSamples) => {
        this.#threadTime?.lost(lostSamples);
        group.run(this.#limitThreads()).catch(() => {});
      },
    });
    this.#entered = new EnteredProcesses({
      ...{ lookup, container, options, group, attacher: this.#attacher, records: this.#records },
      sampling: async () => await this.#threadTime?.sampling(),
      onExit: (exit) => this.#noteFailure(exit),
      onMissed: (processes, reason) => observer.missed(processes, reason),
    });
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
      // Readers that follow the result get the same error.
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
    const { conversionTimeoutSeconds } = this.parts;
    const conversion = new ConversionTimer(
      conversionTimeoutSeconds,
      () => this.#group.fail(conversionTimeout(conversionTimeoutSeconds)),
    );
    const stopped = () => conversion.samplingEndsIn(OVERDUE_MS);
    const sampled = new AbortController();
    const begun = attached.then(() => this.#threadTime?.begin());
    const started = this.#group.run(begun).then(() => {
      startedAt = performance.now();
      observer.started(pids.length);
      if (sampled.signal.aborted) return;
      progress = setInterval(
        () => observer.progress(elapsedSeconds(), this.#records.counts()),
        PROGRESS_INTERVAL_MS,
      );
      conversion.samplingEndsIn(options.durationSeconds * 1000 + OVERDUE_MS);
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
      conversion.samplingEndsIn(0);
      const lastLines = await this.#threadTime?.end();
      // perf's own clock starts before its word that it samples is heard here.
      const sampledSeconds = exit.wholeDuration ? options.durationSeconds : elapsedSeconds();
      observer.progress(sampledSeconds, this.#records.counts());
      observer.converting();
      return { ...exit, sampledSeconds, lastLines };
    });
    // Every part is waited for, so that nothing of a recording goes on after it.
    await Promise.allSettled([
      this.#group.run(exit),
      this.#group.run(
        this.#records.deliver(perf, counter, { attached: begun, stop: this.control.stop }),
      ),
      this.#group.run(
        started.then(() => this.#entered.record(late, sampled.signal, elapsedSeconds)),
      ),
    ]);
    conversion.end();
    // When a perf record has failed, perf script's error about its data is only a consequence.
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
    if (this.#records.threads() <= maxThreads || this.#recounting) return;
    this.#recounting = true;
    // perf may have lost the events of their ends.
    const guard = await this.parts.lookup.guard(this.container);
    const left = await guard.note(await this.parts.lookup.processes(this.container));
    if (left > maxThreads) {
      this.#failure ??= tooManyThreads(left, maxThreads, this.options);
      this.#records.stop();
    } else {
      this.#records.recount(left);
      this.#recounting = false;
    }
  }

  /** Attaches after a pause to all that is not recorded otherwise. */
  async #attachAgain(
    counter: PerfDataCounter,
    durationSeconds: number,
  ): Promise<PerfRecord | undefined> {
    const pids = (await this.#attacher.processes())
      .filter((pid) => !this.#records.othersFollow(pid, counter));
    const attached = await this.#attacher.attachTo(pids, durationSeconds, {
      backlogBytes: BACKLOG_BYTES,
    });
    if (attached) counter.attachTo(attached.pids, attached.threads);
    return attached?.perf;
  }

  #noteFailure({ failure }: RecordExit): void {
    // A perf that is made to end by this recording has not failed by itself.
    if (failure && !this.#abort.aborted) this.#failure ??= failure;
  }

  /**
   * Looks for processes whose end perf has not told of: that may have come just before perf
   * sampled, or be lost as samples can.
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
    const counts = this.#records.counts();
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
    // A recording of threads' time also has threads that do nothing.
    const isEmpty = counts.samples === 0 && (!this.#threadTime || completeness === "target-ended");
    if (isEmpty) throw this.#failure ?? noSample(completeness, sampledSeconds);
    if (this.#failure) this.observer.perfFailed(this.#failure);
    const { missed } = this.#entered;
    return { ...counts, completeness, sampledSeconds, missedProcesses: missed };
  }
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
