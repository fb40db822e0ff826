import type { PerfRecord, startPerfScript } from "../perf/perf.ts";
import type { PerfDataCounter } from "../perf/perf_data.ts";
import { UserSideFilter } from "../perf/user_side_filter.ts";
import type { PerfDataCounts, RecordingOptions } from "../recording.ts";
import { deliverData, deliverText, type ResultWriter } from "./deliver.ts";
import type { ErrorGroup } from "./error_group.ts";
import { IdleTimer } from "./idle_timer.ts";

/**
 * After which silence perf is made to write out what it has, of all processors as whenever it
 * writes. Symbols are looked up when a sample is first read, so this bounds how much a container
 * that ends takes with it.
 */
export const FLUSH_INTERVAL_MS = 200;

/** The parts that bring the data of perf records to the result. */
interface PerfRecordsParts {
  options: RecordingOptions;
  startScript: typeof startPerfScript;
  writer: ResultWriter;
  group: ErrorGroup;
  /** Ends each perf script. */
  abort: AbortSignal;
  /** Hears of each chunk of perf.data, and how many samples perf says in it that it has lost. */
  onChunk(lostSamples: number): void;
}

/** The perf records of one recording, each with what counts its samples. */
export class PerfRecords {
  /** The first is that of what was there at the beginning. Those that have ended stay. */
  readonly #counters: PerfDataCounter[] = [];
  readonly #running = new Map<PerfRecord, PerfDataCounter>();

  constructor(private readonly parts: PerfRecordsParts) {}

  /** The sums of all counters. */
  counts(): PerfDataCounts {
    return {
      samples: this.#sum(({ samples }) => samples),
      lostSamples: this.#sum(({ lostSamples }) => lostSamples),
      throttled: this.#sum(({ throttled }) => throttled),
    };
  }

  /** How many threads are sampled, as far as perf.data shows. */
  threads(): number {
    return this.#sum(({ threads }) => threads);
  }

  /** Goes on from a number of threads that was found in another way. */
  recount(threads: number): void {
    this.#counters.forEach((counter, index) => counter.threads = index === 0 ? threads : 0);
  }

  /** Whether one of them samples a process, or has sampled it. */
  haveFollowed(pid: number): boolean {
    return this.#counters.some((counter) => counter.follows(pid));
  }

  /** Whether one that runs samples a process, beside the one that has this counter. */
  othersFollow(pid: number, counter: PerfDataCounter): boolean {
    return this.#running.values().some((other) => other !== counter && other.follows(pid));
  }

  /** Has each write out what it holds. */
  flush(): void {
    for (const perf of this.#running.keys()) perf.flush();
  }

  /** Ends the sampling of all, or of all but one. */
  stop(exceptFor?: PerfRecord): void {
    for (const perf of this.#running.keys()) if (perf !== exceptFor) perf.stop();
  }

  /**
   * Brings what a perf record writes to the result, through perf script when text is asked for.
   * Resolves when all of it is there. `stop` ends its sampling; no text goes out before `attached`.
   */
  async deliver(
    perf: PerfRecord,
    counter: PerfDataCounter,
    { attached, stop: stopSignal }: { attached: Promise<void>; stop: AbortSignal },
  ): Promise<void> {
    const { options: { format, side, callGraph, threadTime }, writer, group } = this.parts;
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
        this.parts.onChunk(counter.lostSamples - lostSamples);
      },
    };
    this.#counters.push(counter);
    this.#running.set(perf, counter);
    try {
      if (format === "data") {
        await deliverData(source, side, writer, group);
      } else {
        const script = this.parts.startScript(this.parts.options, this.parts.abort);
        // perf itself leaves the kernel's side out of everything but threads' time.
        const filter = side === "user" && threadTime !== undefined
          ? new UserSideFilter()
          : undefined;
        const conversion = { script, callGraph, counter, attached, filter };
        await deliverText(source, conversion, writer, group);
      }
    } finally {
      this.#running.delete(perf);
      flushing.end();
      stopSignal.removeEventListener("abort", stop);
    }
  }

  #sum(count: (counter: PerfDataCounter) => number): number {
    return this.#counters.reduce((total, counter) => total + count(counter), 0);
  }
}
