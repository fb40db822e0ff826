import type { PerfDataCounts } from "../recording.ts";
import {
  PERF_RECORD_EXIT,
  PERF_RECORD_FORK,
  PERF_RECORD_LOST,
  PERF_RECORD_LOST_SAMPLES,
  PERF_RECORD_SAMPLE,
  PERF_RECORD_SWITCH,
  PERF_RECORD_THROTTLE,
  PerfDataRecords,
  type PerfDataVisitor,
  RECORD_HEADER_BYTES,
} from "./perf_data_records.ts";

/** How perf marks a PERF_RECORD_FORK that it makes up (include/uapi/linux/perf_event.h). */
const PERF_RECORD_MISC_FORK_EXEC = 1 << 13;
/** More processes than run at a time: where ends are lost, what is known of them is given up. */
const MAX_FOLLOWED = 100_000;

/** Says when perf.data of the pipe form has the first record of what a sampled thread does. */
export class FirstSample implements PerfDataVisitor {
  readonly #records = new PerfDataRecords(this);
  readonly #seen = Promise.withResolvers<void>();
  #isSeen = false;

  /** Resolves when it is there; never in bytes that are not such a stream. */
  get seen(): Promise<void> {
    return this.#seen.promise;
  }

  add(chunk: Uint8Array): void {
    if (this.#isSeen) return;
    try {
      this.#records.add(chunk);
    } catch {
      // The reader of the stream reports it.
      this.#isSeen = true;
    }
  }

  headBytes(): number {
    return 0;
  }

  head(type: number): void {
    if (type !== PERF_RECORD_SAMPLE && type !== PERF_RECORD_SWITCH) return;
    this.#isSeen = true;
    this.#seen.resolve();
  }
}

/**
 * Counts the samples in perf.data of the pipe form as it passes by, in chunks of any size, and sees
 * whether the processes `pids` end, and which others they start.
 *
 * `add` throws a `StatusError` when the bytes are not such a stream.
 */
export class PerfDataCounter implements PerfDataCounts, PerfDataVisitor {
  samples = 0;
  lostSamples = 0;
  throttled = 0;
  /** How many threads are sampled, as far as the stream shows: records of it can be lost. */
  threads: number;

  #attached: Set<number>;
  /** The processes that those have started, and their descendants. */
  readonly #started = new Set<number>();
  readonly #records = new PerfDataRecords(this);

  /** The processes that perf attached to have `threads` together. */
  constructor(pids: readonly number[] = [], threads = pids.length) {
    this.#attached = new Set(pids);
    this.threads = threads;
  }

  /**
   * perf attaches anew: the processes `pids`, which have `threads` together, are what it samples.
   */
  attachTo(pids: readonly number[], threads: number): void {
    this.#attached = new Set(pids);
    this.#started.clear();
    this.threads = threads;
  }

  /** Those of the processes that have not ended, as far as the stream shows. */
  get attached(): ReadonlySet<number> {
    return this.#attached;
  }

  /** Whether all of the processes have ended. */
  get allEnded(): boolean {
    return this.#attached.size === 0;
  }

  /** Whether perf samples a process, which it does with what the sampled ones start. */
  follows(pid: number): boolean {
    return this.#attached.has(pid) || this.#started.has(pid);
  }

  add(chunk: Uint8Array): void {
    this.#records.add(chunk);
  }

  headBytes(type: number): number {
    switch (type) {
      // u64 id, lost; u32 pid, ppid, tid, ptid.
      case PERF_RECORD_LOST:
      case PERF_RECORD_FORK:
      case PERF_RECORD_EXIT:
        return 16;
      // u64 lost.
      case PERF_RECORD_LOST_SAMPLES:
        return 8;
      default:
        return 0;
    }
  }

  head(type: number, view: DataView): void {
    switch (type) {
      case PERF_RECORD_SAMPLE:
        this.samples++;
        break;
      case PERF_RECORD_THROTTLE:
        this.throttled++;
        break;
      case PERF_RECORD_EXIT: {
        const [pid, tid] = [view.getUint32(8, true), view.getUint32(16, true)];
        this.threads--;
        if (pid === tid) {
          this.#attached.delete(pid);
          this.#started.delete(pid);
        }
        break;
      }
      case PERF_RECORD_FORK: {
        // perf's own, of threads that were there before.
        if (view.getUint16(4, true) & PERF_RECORD_MISC_FORK_EXEC) break;
        const [pid, tid] = [view.getUint32(8, true), view.getUint32(16, true)];
        this.threads++;
        if (pid !== tid) break;
        if (this.#started.size >= MAX_FOLLOWED) this.#started.clear();
        this.#started.add(pid);
        break;
      }
      case PERF_RECORD_LOST:
        this.lostSamples += Number(view.getBigUint64(RECORD_HEADER_BYTES + 8, true));
        break;
      case PERF_RECORD_LOST_SAMPLES:
        this.lostSamples += Number(view.getBigUint64(RECORD_HEADER_BYTES, true));
        break;
    }
  }
}
