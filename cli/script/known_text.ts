/**
 * Numbers by pieces of text, for text that comes again and again: its bytes alone identify
 * it. It has a fixed size, and keeps what it has until it is cleared.
 */
interface KnownText {
  /** The number of the bytes from `start` to before `end`, or {@linkcode UNKNOWN}. */
  find(buffer: DataView, start: number, end: number, hash: number): number;
  /** Adds bytes that are not there. Does nothing when there is no room for them. */
  add(buffer: DataView, start: number, end: number, hash: number, value: number): void;
  /** Whether some text found no room. */
  readonly isFull: boolean;
  clear(): void;
}

/** No number of a piece of text. */
export const UNKNOWN = -1;

/** `hash`, offset of the text, its length, and the number. */
const ENTRY_LENGTH = 4;

/**
 * Makes a table of nothing, for at most so many texts and so many bytes of them. `slots` is a power
 * of two.
 */
export function createKnownText(slots: number, textBytes: number): KnownText {
  /** Open addressing, at most half full. An entry without a length is free. */
  const entries = new Int32Array(ENTRY_LENGTH * slots);
  /** Each text starts with a new word, and ends with zeros. */
  const words = new Int32Array(textBytes / 4);
  let count = 0;
  let filledWords = 0;
  let isFull = false;

  function slotOf(buffer: DataView, start: number, length: number, hash: number): number {
    let slot = hash & (slots - 1);
    for (;; slot = (slot + 1) & (slots - 1)) {
      const entry = ENTRY_LENGTH * slot;
      if (entries[entry + 2] === 0) return entry;
      if (
        entries[entry] === hash && entries[entry + 2] === length &&
        isEqual(words, entries[entry + 1], buffer, start, length)
      ) return entry;
    }
  }

  return {
    find(buffer, start, end, hash) {
      const entry = slotOf(buffer, start, end - start, hash);
      return entries[entry + 2] === 0 ? UNKNOWN : entries[entry + 3];
    },
    add(buffer, start, end, hash, value) {
      const length = end - start;
      if (length === 0) return;
      const wordCount = (length + 3) >> 2;
      if (2 * count >= slots || filledWords + wordCount > words.length) {
        isFull = true;
        return;
      }
      const entry = slotOf(buffer, start, length, hash);
      new Uint8Array(words.buffer, 4 * filledWords, length)
        .set(new Uint8Array(buffer.buffer, start, length));
      entries.set([hash, filledWords, length, value], entry);
      filledWords += wordCount;
      count++;
    },
    get isFull() {
      return isFull;
    },
    clear() {
      entries.fill(0);
      words.fill(0, 0, filledWords);
      count = filledWords = 0;
      isFull = false;
    },
  };
}

/**
 * How many bytes after a text are read with it, so that they have to be there, whatever they are.
 */
export const READ_BEHIND_BYTES = 3;

/** Goes on with a hash of bytes, by four of them or fewer. */
export function mixed(hash: number, word: number): number {
  hash = Math.imul(hash ^ word, 0x9e3779b1);
  return hash ^ (hash >>> 15);
}

/** A hash of bytes, out of a seed that nobody knows. */
export function hashOf(buffer: DataView, start: number, end: number, seed: number): number {
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) hash = mixed(hash, buffer.getInt32(at, true));
  return at === end ? hash : mixed(hash, lastWord(buffer, at, end - at));
}

/** Up to three bytes, with zeros after them. */
export function lastWord(buffer: DataView, start: number, length: number): number {
  return buffer.getInt32(start, true) & (1 << 8 * length) - 1;
}

function isEqual(
  words: Int32Array,
  word: number,
  buffer: DataView,
  start: number,
  length: number,
): boolean {
  const wholeEnd = start + (length & ~3);
  let at = start;
  for (; at < wholeEnd; at += 4, word++) {
    if (words[word] !== buffer.getInt32(at, true)) return false;
  }
  return (length & 3) === 0 || words[word] === lastWord(buffer, at, length & 3);
}
