import { FileHolders } from "./file_holders.ts";
import {
  PERF_RECORD_COMM,
  PERF_RECORD_EXIT,
  PERF_RECORD_MMAP,
  PERF_RECORD_MMAP2,
  PerfDataRecords,
  type PerfDataVisitor,
} from "./perf_data_records.ts";

// Where the file's name begins, which is padded with zeros to 8 bytes (struct perf_record_mmap and
// perf_record_mmap2 in tools/lib/perf/include/perf/event.h).
const NAME_OFFSETS = new Map([[PERF_RECORD_MMAP, 40], [PERF_RECORD_MMAP2, 72]]);
/** Where the number of the process is in them. */
const PID_OFFSET = 8;
// In PERF_RECORD_MMAP2: u64 address, length and offset in the file, then what identifies the file.
const ADDRESS_OFFSET = 16;
const FILE_ID_OFFSET = 40;
const FILE_ID_END = 56;
/** Above all addresses that a process can have. */
const NO_ADDRESS = 0x7f00_0000_0000_0000n;
/** PERF_RECORD_MISC_COMM_EXEC: the process has become another program. */
const COMM_EXEC = 1 << 13;
/** A record's size is an unsigned 16-bit number. */
const MAX_RECORD_BYTES = 65535;

/** PERF_RECORD_MISC_CPUMODE_MASK, and the values that stand for files of kernels. */
const CPUMODE_MASK = 7;
const KERNEL_CPUMODES = [1, 3, 4];

/**
 * What perf takes for memory without a file (is_anon_memory and is_no_dso_memory in util/map.h).
 */
const NO_FILE = ["//anon", "/dev/zero", "/anon_hugepage", "/SYSV"];

const DOT = 0x2e;
const SLASH = 0x2f;
const latin1 = new TextDecoder("latin1");

/**
 * Makes the names of mapped files in perf.data of the pipe form relative, for a perf script whose
 * working directory is empty: `/bin/x` becomes `./bin/x`.
 *
 * perf script opens such a file in the mount namespace of its process, at whose root it is then.
 * When the process has gone, and where perf does not look into namespaces at all, it opens the name
 * as it is, which would be the daemon's own file, or that of another tenant for a file that a
 * target has called `/proc/PID/root/...`. Relative to an empty directory there is none.
 * docs/decisions/ symbol-files.md has the whole of it.
 *
 * perf script looks for a file where the process that mapped it last is. When that is not the only
 * one, it is told once more of another one, which may be there for longer.
 *
 * `rewrite` throws a `StatusError` when the bytes are not such a stream.
 */
export class RelativeNames implements PerfDataVisitor {
  readonly #records = new PerfDataRecords(this);
  #output = new Uint8Array();
  #length = 0;
  /** A record with a name, as far as it has come. */
  readonly #held = new Uint8Array(MAX_RECORD_BYTES);
  #heldLength = 0;
  /** The size of the record that is held; 0 for one that passes by. */
  #heldSize = 0;
  #nameOffset = 0;
  readonly #holders = new FileHolders();

  /** Returns what becomes of a chunk, good until the next call. */
  rewrite(chunk: Uint8Array): Uint8Array {
    this.#length = 0;
    this.#records.add(chunk);
    return this.#output.subarray(0, this.#length);
  }

  headBytes(type: number): number {
    // u32 pid, tid; u32 pid, ppid, tid.
    return type === PERF_RECORD_COMM ? 8 : type === PERF_RECORD_EXIT ? 12 : 0;
  }

  head(type: number, view: DataView): void {
    const pid = view.getUint32(PID_OFFSET, true);
    if (type === PERF_RECORD_COMM && view.getUint16(4, true) & COMM_EXEC) this.#holders.forget(pid);
    if (type === PERF_RECORD_EXIT && view.getUint32(16, true) === pid) this.#holders.forget(pid);
    const mode = view.getUint16(4, true) & CPUMODE_MASK;
    this.#nameOffset = KERNEL_CPUMODES.includes(mode) ? 0 : NAME_OFFSETS.get(type) ?? 0;
    this.#heldSize = this.#nameOffset > 0 ? view.getUint16(6, true) : 0;
    this.#heldLength = 0;
  }

  bytes(piece: Uint8Array): void {
    if (this.#heldSize === 0) return this.#emit(piece);
    this.#held.set(piece, this.#heldLength);
    this.#heldLength += piece.length;
    if (this.#heldLength === this.#heldSize) this.#emitRenamed();
  }

  #emitRenamed(): void {
    const record = this.#held.subarray(0, this.#heldSize);
    const nameEnd = record.indexOf(0, this.#nameOffset);
    const name = record.subarray(this.#nameOffset, nameEnd < 0 ? record.length : nameEnd);
    if (name[0] !== SLASH || isNoFile(name)) return this.#emit(record);
    const rest = record.subarray(this.#nameOffset + padded(name.length + 1));
    const renamedBytes = padded(name.length + 2);
    const renamed = new Uint8Array(this.#nameOffset + renamedBytes + rest.length);
    renamed.set(record.subarray(0, this.#nameOffset));
    renamed[this.#nameOffset] = DOT;
    renamed.set(name, this.#nameOffset + 1);
    renamed.set(rest, this.#nameOffset + renamedBytes);
    const view = new DataView(renamed.buffer);
    view.setUint16(6, renamed.length, true);
    this.#emit(renamed);
    if (view.getUint32(0, true) !== PERF_RECORD_MMAP2) return;
    const file = latin1.decode(renamed.subarray(FILE_ID_OFFSET, FILE_ID_END)) + latin1.decode(name);
    const holder = this.#holders.mapped(file, view.getUint32(PID_OFFSET, true));
    if (holder === undefined) return;
    view.setUint32(PID_OFFSET, holder, true);
    view.setUint32(PID_OFFSET + 4, holder, true);
    view.setBigUint64(ADDRESS_OFFSET, NO_ADDRESS, true);
    view.setBigUint64(ADDRESS_OFFSET + 8, 4096n, true);
    this.#emit(renamed);
  }

  #emit(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#output.length) {
      const larger = new Uint8Array(2 * (this.#length + bytes.length));
      larger.set(this.#output.subarray(0, this.#length));
      this.#output = larger;
    }
    this.#output.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function isNoFile(name: Uint8Array): boolean {
  const text = latin1.decode(name);
  return NO_FILE.some((beginning) => text.startsWith(beginning));
}

/** How a relative name stands in perf script's text: after the symbol, in parentheses. */
const RELATIVE = new TextEncoder().encode(" (./");
const SPACE = 0x20;
const PARENTHESIS = 0x28;

/**
 * Makes the names that {@linkcode RelativeNames} has made relative absolute again, in perf script's
 * text. A chunk is good until the next one is asked for, and the source's chunks are written to.
 */
export async function* absoluteNames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  /** How many bytes of a relative name's beginning the last chunk ended with. */
  let begun = 0;
  for await (const chunk of source) {
    let text = chunk;
    if (begun > 0) {
      text = new Uint8Array(begun + chunk.length);
      text.set(RELATIVE.subarray(0, begun));
      text.set(chunk, begun);
    }
    begun = endsWithBeginning(text);
    const length = shorten(text.subarray(0, text.length - begun));
    if (length > 0) yield text.subarray(0, length);
  }
  if (begun > 0) yield RELATIVE.subarray(0, begun);
}

/** Takes the dots of all names out, in place; returns how long the text is then. */
function shorten(text: Uint8Array): number {
  let length = 0;
  let from = 0;
  const take = (end: number) => {
    if (length !== from) text.copyWithin(length, from, end);
    length += end - from;
  };
  // indexOf and copyWithin are the engine's own: a loop over the bytes takes ten times as long.
  for (let at = text.indexOf(PARENTHESIS); at >= 0; at = text.indexOf(PARENTHESIS, at + 1)) {
    if (text[at - 1] !== SPACE || text[at + 1] !== DOT || text[at + 2] !== SLASH) continue;
    take(at + 1);
    from = at + 2;
  }
  take(text.length);
  return length;
}

/** How many bytes at the end may be the beginning of a relative name. */
function endsWithBeginning(text: Uint8Array): number {
  for (let bytes = Math.min(RELATIVE.length - 1, text.length); bytes > 0; bytes--) {
    const end = text.subarray(text.length - bytes);
    if (end.every((byte, index) => byte === RELATIVE[index])) return bytes;
  }
  return 0;
}
