/**
 * Numbers for strings of bytes in a buffer, looked up in place: nothing is decoded or allocated.
 *
 * A table has a fixed size and forgets everything when it is full, so it is for what can be found
 * out again. Entries are numbers above 0, and the same number means something else after that.
 */
export interface ByteTable {
  /** The entry of the bytes from `start` to before `end`, or 0. */
  find(start: number, end: number): number;
  /** Adds bytes that {@linkcode find} did not find. They have to be fewer than the table takes. */
  add(start: number, end: number, value: number): number;
  /** Whether the bytes of an entry are those from `start` on, and end at `limit` or before. */
  isAt(entry: number, start: number, limit: number): boolean;
  /** What was added, by entry. */
  readonly values: Int32Array;
  /** How many bytes it has, by entry. */
  readonly lengths: Int32Array;
}

/** Makes a table of up to `maxEntries`, a power of two, and `maxBytes` in all of them together. */
export function createByteTable(
  buffer: Uint8Array<ArrayBuffer>,
  { maxEntries, maxBytes, onForget }: {
    maxEntries: number;
    maxBytes: number;
    onForget?: () => void;
  },
): ByteTable {
  const bytes = new Uint8Array(maxBytes);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const own = new DataView(bytes.buffer);
  const starts = new Int32Array(maxEntries);
  const lengths = new Int32Array(maxEntries);
  const values = new Int32Array(maxEntries);
  /** Open addressing, at most half full: 0, or the entry. */
  const slots = new Int32Array(maxEntries * 2);
  const mask = slots.length - 1;
  // Names that were chosen to have the same hash make it slow at most, and so differ by run.
  const seed = crypto.getRandomValues(new Int32Array(1))[0];
  let entries = 0;
  let used = 0;

  /** The slot that has the bytes, or the free one where they belong. */
  function slotOf(start: number, end: number): number {
    let hash = seed ^ (end - start);
    let at = start;
    for (; at + 4 <= end; at += 4) {
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (; at < end; at++) hash = Math.imul(hash ^ buffer[at], 0x9e3779b1);
    hash ^= hash >>> 15;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const entry = slots[slot];
      if (entry === 0 || (lengths[entry] === end - start && isAt(entry, start, end))) return slot;
    }
  }

  function isAt(entry: number, start: number, limit: number): boolean {
    const end = start + lengths[entry];
    if (end > limit) return false;
    let at = start;
    let ownAt = starts[entry];
    if (end - start >= 4) {
      // The last four bytes may be compared twice, which is less work than one by one.
      const last = end - 4;
      for (; at < last; at += 4, ownAt += 4) {
        if (view.getInt32(at, true) !== own.getInt32(ownAt, true)) return false;
      }
      return view.getInt32(last, true) === own.getInt32(ownAt - (at - last), true);
    }
    for (; at < end; at++, ownAt++) {
      if (buffer[at] !== bytes[ownAt]) return false;
    }
    return true;
  }

  return {
    find: (start, end) => slots[slotOf(start, end)],
    add(start, end, value) {
      if (entries + 1 === maxEntries || used + end - start > maxBytes) {
        slots.fill(0);
        entries = 0;
        used = 0;
        onForget?.();
      }
      const entry = ++entries;
      bytes.set(buffer.subarray(start, end), used);
      starts[entry] = used;
      lengths[entry] = end - start;
      values[entry] = value;
      slots[slotOf(start, end)] = entry;
      used += end - start;
      return entry;
    },
    isAt,
    values,
    lengths,
  };
}
