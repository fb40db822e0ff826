import type { PerfDataCounts } from "../recording.ts";
import { StatusError } from "../status_error.ts";

// Record types, of enum perf_event_type in include/uapi/linux/perf_event.h and of
// tools/perf/Documentation/perf.data-file-format.txt.
const PERF_RECORD_LOST = 2;
const PERF_RECORD_EXIT = 4;
const PERF_RECORD_THROTTLE = 5;
const PERF_RECORD_SAMPLE = 9;
const PERF_RECORD_LOST_SAMPLES = 13;
const PERF_RECORD_HEADER_TRACING_DATA = 66;

/** struct perf_pipe_file_header: the magic `PERFILE2` and its own size. */
const FILE_HEADER_BYTES = 16;
/** struct perf_event_header: u32 type, u16 misc, u16 size of the whole record. */
const RECORD_HEADER_BYTES = 8;
/**
 * As much of a record as counting looks at: a PERF_RECORD_LOST with its u64 id and u64 lost, a
 * PERF_RECORD_EXIT with its u32 pid, ppid, tid, ptid.
 */
const HEAD_BYTES = RECORD_HEADER_BYTES + 16;

/**
 * Counts the samples in perf.data of the pipe form as it passes by, in chunks of any size, and sees
 * whether the processes `pids` end.
 *
 * `add` throws a `StatusError` when the bytes are not such a stream.
 */
export class PerfDataCounter implements PerfDataCounts {
  samples = 0;
  lostSamples = 0;
  throttled = 0;

  readonly #alive: Set<number>;
  readonly #head = new Uint8Array(HEAD_BYTES);
  readonly #view = new DataView(this.#head.buffer);
  #headLength = 0;
  /** Bytes to pass over until the next record. */
  #skip = 0;
  #started = false;

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
    let position = 0;
    while (position < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - position);
        this.#skip -= step;
        position += step;
        continue;
      }
      const wanted = this.#wantedHeadBytes();
      const step = Math.min(wanted - this.#headLength, chunk.length - position);
      this.#head.set(chunk.subarray(position, position + step), this.#headLength);
      this.#headLength += step;
      position += step;
      if (this.#headLength === this.#wantedHeadBytes()) this.#takeHead();
    }
  }

  /** How much of the head is needed to know the record: more once its type is known. */
  #wantedHeadBytes(): number {
    if (!this.#started) return FILE_HEADER_BYTES;
    if (this.#headLength < RECORD_HEADER_BYTES) return RECORD_HEADER_BYTES;
    switch (this.#view.getUint32(0, true)) {
      case PERF_RECORD_LOST:
      case PERF_RECORD_EXIT:
        return RECORD_HEADER_BYTES + 16;
      case PERF_RECORD_LOST_SAMPLES:
        return RECORD_HEADER_BYTES + 8;
      case PERF_RECORD_HEADER_TRACING_DATA:
        return RECORD_HEADER_BYTES + 4;
      default:
        return RECORD_HEADER_BYTES;
    }
  }

  #takeHead(): void {
    const length = this.#headLength;
    this.#headLength = 0;
    if (!this.#started) {
      const magic = new TextDecoder().decode(this.#head.subarray(0, 8));
      if (magic !== "PERFILE2") throw garbage("is not perf.data");
      this.#skip = Number(this.#view.getBigUint64(8, true)) - FILE_HEADER_BYTES;
      this.#started = true;
      return;
    }
    let size = this.#view.getUint16(6, true);
    switch (this.#view.getUint32(0, true)) {
      case PERF_RECORD_SAMPLE:
        this.samples++;
        break;
      case PERF_RECORD_THROTTLE:
        this.throttled++;
        break;
      case PERF_RECORD_EXIT: {
        const [pid, tid] = [this.#view.getUint32(8, true), this.#view.getUint32(16, true)];
        if (pid === tid) this.#alive.delete(pid);
        break;
      }
      case PERF_RECORD_LOST:
        this.lostSamples += Number(this.#view.getBigUint64(RECORD_HEADER_BYTES + 8, true));
        break;
      case PERF_RECORD_LOST_SAMPLES:
        this.lostSamples += Number(this.#view.getBigUint64(RECORD_HEADER_BYTES, true));
        break;
      case PERF_RECORD_HEADER_TRACING_DATA:
        // Followed by that many bytes outside of the record, padded to 8.
        size += Math.ceil(this.#view.getUint32(RECORD_HEADER_BYTES, true) / 8) * 8;
        break;
    }
    if (size < length) throw garbage("has a record of an impossible size");
    this.#skip = size - length;
  }
}

function garbage(how: string): StatusError {
  return new StatusError("INTERNAL", `perf record failed: its output ${how}`);
}
