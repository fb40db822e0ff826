import { Buffer } from "node:buffer";

/**
 * The texts of whole stacks, looked up where they are in a buffer. Most samples have a stack that
 * was there before, to the byte, and to compare it at once is many times faster than by its lines.
 *
 * It has a fixed size, and forgets everything when it is full.
 */
export interface KnownStacks {
  /** Finds a stack by its text, which starts at `start` and ends at `limit` or before. */
  find(start: number, limit: number): boolean;
  /** What {@linkcode find} found: where its text ends, and the number it was added with. */
  end: number;
  stack: number;
  /** Adds a stack that {@linkcode find} did not find, with the empty line behind it. */
  add(start: number, end: number, stack: number): void;
}

const MAX_STACKS = 1 << 14;
const MAX_BYTES = 8 << 20;
/** perf pads addresses, so that this is a tab and the leaf's. */
const LEAF_BYTES = 17;
/** Of stacks with the same leaf, so many are compared, the latest first. */
const MAX_COMPARED = 64;

// The fields of an entry, which are next to each other because they are looked at together.
const LENGTH = 0;
const LAST_WORD = 1;
const MIDDLE_WORD = 2;
/** The entry that was the latest of its slot before, or 0. */
const EARLIER = 3;
const START = 4;
const STACK = 5;
const FIELDS = 8;

/** `mayBe` tells of a stack whether it has the event and the command that are looked for. */
export function createKnownStacks(
  buffer: Uint8Array<ArrayBuffer>,
  mayBe: (stack: number) => boolean,
): KnownStacks {
  const text = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const own = Buffer.from(new ArrayBuffer(MAX_BYTES));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  /** The first is of no entry. */
  const entries = new Int32Array(MAX_STACKS * FIELDS);
  const latest = new Int32Array(MAX_STACKS);
  let lastEntry = 0;
  let used = 0;

  function slotOf(start: number): number {
    let hash = 0;
    for (let at = start + 1; at < start + LEAF_BYTES; at += 4) {
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash & (MAX_STACKS - 1);
  }

  const lastWord = (start: number, length: number) => view.getInt32(start + length - 4, true);
  const middleWord = (start: number, length: number) => view.getInt32(start + (length >> 1), true);

  function isAt(entry: number, start: number, limit: number): boolean {
    const length = entries[entry + LENGTH];
    const ownStart = entries[entry + START];
    return start + length <= limit &&
      // What is different mostly is so here.
      entries[entry + LAST_WORD] === lastWord(start, length) &&
      entries[entry + MIDDLE_WORD] === middleWord(start, length) &&
      mayBe(entries[entry + STACK]) &&
      // As one call, comparing a stack takes a fraction of what a loop does. Of the two, it is the
      // longer one's method: Deno 2.9 holds the other's end against its own length.
      own.compare(text, start, start + length, ownStart, ownStart + length) === 0;
  }

  return {
    end: 0,
    stack: 0,
    find(start, limit) {
      if (start + LEAF_BYTES > limit) return false;
      let entry = latest[slotOf(start)];
      for (let compared = 0; entry !== 0 && compared < MAX_COMPARED; compared++) {
        if (isAt(entry, start, limit)) {
          this.end = start + entries[entry + LENGTH];
          this.stack = entries[entry + STACK];
          return true;
        }
        entry = entries[entry + EARLIER];
      }
      return false;
    },
    add(start, end, stack) {
      const length = end - start;
      if (length < LEAF_BYTES) return;
      if (lastEntry + FIELDS === entries.length || used + length > MAX_BYTES) {
        latest.fill(0);
        lastEntry = 0;
        used = 0;
      }
      const entry = lastEntry += FIELDS;
      const slot = slotOf(start);
      own.set(buffer.subarray(start, end), used);
      entries[entry + LENGTH] = length;
      entries[entry + LAST_WORD] = lastWord(start, length);
      entries[entry + MIDDLE_WORD] = middleWord(start, length);
      entries[entry + EARLIER] = latest[slot];
      entries[entry + START] = used;
      entries[entry + STACK] = stack;
      latest[slot] = entry;
      used += length;
    },
  };
}
