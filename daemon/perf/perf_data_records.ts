import { StatusError } from "../status_error.ts";

// Record types, of enum perf_event_type in include/uapi/linux/perf_event.h and of enum
// perf_user_event_type in tools/lib/perf/include/perf/event.h.
export const PERF_RECORD_MMAP = 1;
export const PERF_RECORD_LOST = 2;
export const PERF_RECORD_COMM = 3;
export const PERF_RECORD_EXIT = 4;
export const PERF_RECORD_THROTTLE = 5;
export const PERF_RECORD_UNTHROTTLE = 6;
export const PERF_RECORD_FORK = 7;
export const PERF_RECORD_READ = 8;
export const PERF_RECORD_SAMPLE = 9;
export const PERF_RECORD_MMAP2 = 10;
export const PERF_RECORD_LOST_SAMPLES = 13;
export const PERF_RECORD_SWITCH = 14;
export const PERF_RECORD_CALLCHAIN_DEFERRED = 22;
export const PERF_RECORD_HEADER_ATTR = 64;
const PERF_RECORD_HEADER_TRACING_DATA = 66;
export const PERF_RECORD_FINISHED_ROUND = 68;
export const PERF_RECORD_ID_INDEX = 69;
export const PERF_RECORD_THREAD_MAP = 73;
export const PERF_RECORD_EVENT_UPDATE = 78;
export const PERF_RECORD_HEADER_FEATURE = 80;
export const PERF_RECORD_FINISHED_INIT = 82;

/** struct perf_pipe_file_header: the magic `PERFILE2` and its own size. */
export const FILE_HEADER_BYTES = 16;
/** struct perf_event_header: u32 type, u16 misc, u16 size of the whole record. */
export const RECORD_HEADER_BYTES = 8;
/** As much of a record as anybody looks at. */
export const MAX_HEAD_BYTES = RECORD_HEADER_BYTES + 32;

/** What is done with the parts of a stream of perf.data. */
export interface PerfDataVisitor {
  /**
   * How many bytes of a record of this type `head` is given, of those after the record's header: at
   * most 32, and not more than each record of the type has.
   */
  headBytes(type: number): number;
  /**
   * The beginning of a record: `type`, and a view of its header and the bytes asked for. What is
   * written to the view is what `bytes` is given.
   */
  head(type: number, view: DataView): void;
  /**
   * All bytes of the stream in turn, in pieces that belong to one record each, whose `head` was
   * called before. The file's own header comes first.
   */
  bytes?(piece: Uint8Array): void;
}

/**
 * Finds the records in perf.data of the pipe form as it passes by, in chunks of any size.
 *
 * `add` throws a `StatusError` when the bytes are not such a stream.
 */
export class PerfDataRecords {
  readonly #head = new Uint8Array(MAX_HEAD_BYTES);
  readonly #view = new DataView(this.#head.buffer);
  #headLength = 0;
  /** Bytes until the next record. */
  #rest = 0;
  #started = false;

  constructor(private readonly visitor: PerfDataVisitor) {}

  add(chunk: Uint8Array): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#rest > 0) {
        const step = Math.min(this.#rest, chunk.length - position);
        this.visitor.bytes?.(chunk.subarray(position, position + step));
        this.#rest -= step;
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
    const type = this.#view.getUint32(0, true);
    const ownBytes = type === PERF_RECORD_HEADER_TRACING_DATA ? 4 : 0;
    return RECORD_HEADER_BYTES + Math.max(ownBytes, this.visitor.headBytes(type));
  }

  #takeHead(): void {
    const length = this.#headLength;
    this.#headLength = 0;
    if (this.#started) {
      this.#rest = this.#recordBytes() - length;
      if (this.#rest < 0) throw garbage("has a record of an impossible size");
      this.visitor.head(this.#view.getUint32(0, true), this.#view);
    } else {
      const magic = new TextDecoder().decode(this.#head.subarray(0, 8));
      if (magic !== "PERFILE2") throw garbage("is not perf.data");
      this.#rest = Number(this.#view.getBigUint64(8, true)) - length;
      this.#started = true;
    }
    this.visitor.bytes?.(this.#head.subarray(0, length));
  }

  #recordBytes(): number {
    const size = this.#view.getUint16(6, true);
    if (this.#view.getUint32(0, true) !== PERF_RECORD_HEADER_TRACING_DATA) return size;
    // Followed by that many bytes outside of the record, padded to 8.
    return size + Math.ceil(this.#view.getUint32(RECORD_HEADER_BYTES, true) / 8) * 8;
  }
}

function garbage(reason: string): StatusError {
  return new StatusError("INTERNAL", `perf record failed: its output ${reason}`);
}
