import type { PerfDataCounts } from "../recording.ts";
import {
  PERF_RECORD_EXIT,
  PERF_RECORD_LOST,
  PERF_RECORD_LOST_SAMPLES,
  PERF_RECORD_SAMPLE,
  PERF_RECORD_THROTTLE,
  PerfDataRecords,
  type PerfDataVisitor,
  RECORD_HEADER_BYTES,
} from "./perf_data_records.ts";

/**
 * Counts the samples in perf.data of the pipe form as it passes by, in chunks of any size, and sees
 * whether the processes `pids` end.
 *
 * `add` throws a `StatusError` when the bytes are not such a stream.
 */
export class PerfDataCounter implements PerfDataCounts, PerfDataVisitor {
  samples = 0;
  lostSamples = 0;
  throttled = 0;

  readonly #alive: Set<number>;
  readonly #records = new PerfDataRecords(this);

  constructor(pids: readonly number[] = []) {
    this.#alive = new Set(pids);
  }

  /** The processes that have not ended, as far as the stream tells. */
  get alive(): ReadonlySet<number> {
    return this.#alive;
  }

  /** Whether all of the processes have ended. */
  get allEnded(): boolean {
    return this.#alive.size === 0;
  }

  add(chunk: Uint8Array): void {
    this.#records.add(chunk);
  }

  headBytes(type: number): number {
    switch (type) {
      // u64 id, lost; u32 pid, ppid, tid, ptid.
      case PERF_RECORD_LOST:
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
        if (pid === tid) this.#alive.delete(pid);
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
