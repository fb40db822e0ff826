import {
  MAX_HEAD_BYTES,
  PERF_RECORD_CALLCHAIN_DEFERRED,
  PERF_RECORD_COMM,
  PERF_RECORD_EVENT_UPDATE,
  PERF_RECORD_EXIT,
  PERF_RECORD_FINISHED_INIT,
  PERF_RECORD_FINISHED_ROUND,
  PERF_RECORD_FORK,
  PERF_RECORD_HEADER_ATTR,
  PERF_RECORD_HEADER_FEATURE,
  PERF_RECORD_ID_INDEX,
  PERF_RECORD_LOST,
  PERF_RECORD_LOST_SAMPLES,
  PERF_RECORD_MMAP,
  PERF_RECORD_MMAP2,
  PERF_RECORD_READ,
  PERF_RECORD_SAMPLE,
  PERF_RECORD_SWITCH,
  PERF_RECORD_THREAD_MAP,
  PERF_RECORD_THROTTLE,
  PERF_RECORD_UNTHROTTLE,
  PerfDataRecords,
  type PerfDataVisitor,
  RECORD_HEADER_BYTES,
} from "./perf_data_records.ts";

/**
 * Records about the container's own processes and about perf's events. What is not in this list
 * says something of the node: kernel symbols, BPF programs, patched kernel code, processors; or
 * perf has learned it since, and nobody has looked at it here.
 */
const KEPT = new Set([
  PERF_RECORD_MMAP,
  PERF_RECORD_LOST,
  PERF_RECORD_COMM,
  PERF_RECORD_EXIT,
  PERF_RECORD_THROTTLE,
  PERF_RECORD_UNTHROTTLE,
  PERF_RECORD_FORK,
  PERF_RECORD_READ,
  PERF_RECORD_SAMPLE,
  PERF_RECORD_MMAP2,
  PERF_RECORD_LOST_SAMPLES,
  PERF_RECORD_SWITCH,
  PERF_RECORD_CALLCHAIN_DEFERRED,
  PERF_RECORD_HEADER_ATTR,
  PERF_RECORD_FINISHED_ROUND,
  PERF_RECORD_ID_INDEX,
  PERF_RECORD_THREAD_MAP,
  PERF_RECORD_EVENT_UPDATE,
  PERF_RECORD_FINISHED_INIT,
]);

// Features, of the enum in tools/perf/util/header.h: perf's own version, the architecture (stacks
// cannot be unwound without it), the events' names, their groups, and which clock the times are of.
const HEADER_VERSION = 5;
const HEADER_ARCH = 6;
const HEADER_EVENT_DESC = 12;
const HEADER_BRANCH_STACK = 15;
const HEADER_GROUP_DESC = 17;
const HEADER_CLOCKID = 23;
const KEPT_FEATURES = new Set([
  HEADER_VERSION,
  HEADER_ARCH,
  HEADER_EVENT_DESC,
  HEADER_BRANCH_STACK,
  HEADER_GROUP_DESC,
  HEADER_CLOCKID,
]);
/** A feature record that holds the number of a feature and nothing else: the end of all of them. */
const EMPTY_FEATURE_BYTES = RECORD_HEADER_BYTES + 8;

/** PERF_RECORD_MISC_CPUMODE_MASK, and the value that stands for the user's side. */
const CPUMODE_MASK = 7;
const CPUMODE_USER = 2;
/** In struct perf_event_attr: where `sample_type` is, and the bit for an id before all else. */
const SAMPLE_TYPE_AT = 24;
const PERF_SAMPLE_IDENTIFIER = 1n << 16n;

/**
 * Takes out of perf.data of the pipe form what callers without the right to the kernel's side may
 * not see: where the kernel and its modules are, which BPF programs the node runs, its name, its
 * hardware and perf's command line. What is left is perf.data that perf reads.
 *
 * A sample that was taken in the kernel keeps its stack, which ends at the kernel where perf was
 * told so (`--user-callchains`); the kernel's address itself becomes 0.
 *
 * `keep` throws a `StatusError` when the bytes are not such a stream.
 */
export class UserSideFilter implements PerfDataVisitor {
  readonly #records = new PerfDataRecords(this);
  #output = new Uint8Array();
  #length = 0;
  /** Everything before the first record is kept. */
  #keeping = true;
  /** Where samples have their address. */
  #ipAt = RECORD_HEADER_BYTES;

  /** Returns what is left of a chunk, good until the next call. */
  keep(chunk: Uint8Array): Uint8Array {
    // As many bytes again as can have waited for the rest of a record's head.
    const room = chunk.length + MAX_HEAD_BYTES;
    if (this.#output.length < room) this.#output = new Uint8Array(room);
    this.#length = 0;
    this.#records.add(chunk);
    return this.#output.subarray(0, this.#length);
  }

  headBytes(type: number): number {
    switch (type) {
      case PERF_RECORD_HEADER_ATTR:
        return SAMPLE_TYPE_AT + 8;
      // The id and the address, or the address and the thread.
      case PERF_RECORD_SAMPLE:
        return 16;
      case PERF_RECORD_HEADER_FEATURE:
        return 8;
      default:
        return 0;
    }
  }

  head(type: number, view: DataView): void {
    this.#keeping = isKept(type, view);
    switch (type) {
      case PERF_RECORD_HEADER_ATTR: {
        const sampleType = view.getBigUint64(RECORD_HEADER_BYTES + SAMPLE_TYPE_AT, true);
        this.#ipAt = RECORD_HEADER_BYTES + (sampleType & PERF_SAMPLE_IDENTIFIER ? 8 : 0);
        break;
      }
      case PERF_RECORD_SAMPLE: {
        const misc = view.getUint16(4, true);
        if ((misc & CPUMODE_MASK) === CPUMODE_USER) break;
        view.setUint16(4, misc & ~CPUMODE_MASK | CPUMODE_USER, true);
        view.setBigUint64(this.#ipAt, 0n, true);
        break;
      }
    }
  }

  bytes(piece: Uint8Array): void {
    if (!this.#keeping) return;
    this.#output.set(piece, this.#length);
    this.#length += piece.length;
  }
}

function isKept(type: number, view: DataView): boolean {
  switch (type) {
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
      return (view.getUint16(4, true) & CPUMODE_MASK) === CPUMODE_USER;
    case PERF_RECORD_HEADER_FEATURE:
      return view.getUint16(6, true) === EMPTY_FEATURE_BYTES ||
        KEPT_FEATURES.has(Number(view.getBigUint64(RECORD_HEADER_BYTES, true)));
    default:
      return KEPT.has(type);
  }
}
