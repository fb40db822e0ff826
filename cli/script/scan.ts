/**
 * What is done with the lines of a perf script. A line is the bytes from `start` to before `end` of
 * the scanner's buffer, without the line's end, and is there during the call only.
 */
export interface ScriptHandler {
  /**
   * Begins a sample, if the line is a sample's first, and ends the one before if that is open.
   * `strict`: the line may as well be of a stack.
   */
  header(start: number, end: number, strict: boolean): LineMeaning;
  /**
   * Adds to the open sample's stack, if the line is of a stack. Opens a sample if none is: there
   * are texts with nothing but stacks.
   */
  frame(start: number, end: number): boolean;
  /**
   * Reads lines that are known to be of the open sample's stack, and adds them to it. Returns where
   * the next line starts. What is at `limit` and behind is old.
   */
  knownFrames?(start: number, limit: number): number;
  /**
   * Reads samples that are known as a whole, with the empty lines behind them, while none is open.
   */
  knownSamples?(start: number, limit: number): KnownSamples;
  /** Ends the open sample. Not called for one that is cut off. */
  end(): void;
}

/** What was read at once. */
export interface KnownSamples {
  /** Where the next line starts. */
  next: number;
  /** Whether there was an empty line. */
  sawEmptyLine: boolean;
}

/** `sample`: it opens one. `whole sample`: it is one. `record`: of something else that perf tells. */
export type LineMeaning = "sample" | "whole sample" | "record" | "unknown";

/** Reads a perf script in pieces of any size. */
export interface ScriptScanner {
  push(chunk: Uint8Array): void;
  /** Call it once, behind the last piece. */
  finish(): { skippedLines: number; truncated: boolean };
}

/** Longer lines are skipped, so that text which is no perf script does not pile up in memory. */
const MAX_LINE_BYTES = 64 * 1024;

export const SCAN_BYTES = 4 * MAX_LINE_BYTES;

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;

/**
 * Tells a perf script's lines apart.
 *
 * perf prints a sample's first line at the left edge, then its stack, each line behind a tab, then
 * an empty line. Without call graphs a sample is one line, and the names of threads are padded with
 * spaces on their left. Text that was copied may have spaces for tabs.
 *
 * `buffer` is where lines are while they are read, of {@linkcode SCAN_BYTES} or more.
 */
export function createScanner(
  buffer: Uint8Array<ArrayBuffer>,
  handler: ScriptHandler,
): ScriptScanner {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  /** How much of the buffer is filled: the beginning of a line, between two pieces. */
  let filled = 0;
  let within: "nothing" | "sample" | "unknown" = "nothing";
  let skipping = false;
  let sawEmptyLine = false;
  let skippedLines = 0;

  function header(start: number, end: number, strict: boolean): boolean {
    const meaning = handler.header(start, end, strict);
    if (meaning === "unknown") return false;
    within = meaning === "sample" ? "sample" : "nothing";
    if (meaning === "record") skippedLines++;
    return true;
  }

  function frame(start: number, end: number): boolean {
    if (within === "unknown" || !handler.frame(start, end)) return false;
    within = "sample";
    return true;
  }

  function line(start: number, end: number): void {
    if (end > start && buffer[end - 1] === RETURN) end--;
    if (end === start) {
      if (within === "sample") handler.end();
      within = "nothing";
      sawEmptyLine = true;
      return;
    }
    const first = buffer[start];
    if (first === TAB) {
      if (frame(start, end)) return;
    } else {
      const indented = first === SPACE;
      if (header(start, end, indented && within === "sample")) return;
      if (indented && frame(start, end)) return;
      if (first === HASH) return;
    }
    skippedLines++;
    if (within === "nothing") within = "unknown";
  }

  /** Where the next line starts that is not known, when some are known at `start`; or `start`. */
  function knownLines(start: number): number {
    if (within === "sample" && buffer[start] === TAB) {
      return handler.knownFrames?.(start, filled) ?? start;
    }
    if (within !== "nothing" || !handler.knownSamples) return start;
    const known = handler.knownSamples(start, filled);
    sawEmptyLine ||= known.sawEmptyLine;
    return known.next;
  }

  /** Where the line ends that starts at `start`: its newline's place, or `filled`. */
  function lineEnd(start: number): number {
    let at = start;
    // Four bytes at a time, until one of them is a newline. For lines as short as these it takes a
    // fraction of what calling indexOf does.
    for (; at + 4 <= filled; at += 4) {
      const difference = view.getInt32(at, true) ^ 0x0a0a0a0a;
      if (((difference - 0x01010101) & ~difference & 0x80808080) !== 0) break;
    }
    while (at < filled && buffer[at] !== NEWLINE) at++;
    return at;
  }

  /** Reads the whole lines in the buffer, and moves what is left to the buffer's start. */
  function readLines(): void {
    let start = 0;
    while (start < filled) {
      if (!skipping) {
        const next = knownLines(start);
        if (next > start) {
          start = next;
          continue;
        }
      }
      const end = lineEnd(start);
      if (end === filled) break;
      if (skipping || end - start > MAX_LINE_BYTES) skippedLines++;
      else line(start, end);
      skipping = false;
      start = end + 1;
    }
    if (skipping || filled - start > MAX_LINE_BYTES) {
      skipping = true;
      start = filled;
    }
    buffer.copyWithin(0, start, filled);
    filled -= start;
  }

  return {
    push(chunk) {
      for (let at = 0; at < chunk.length;) {
        const piece = chunk.subarray(at, at + buffer.length - filled);
        buffer.set(piece, filled);
        filled += piece.length;
        at += piece.length;
        readLines();
      }
    },
    finish() {
      const truncated = filled > 0 || skipping || (within === "sample" && sawEmptyLine);
      if (within === "sample" && !truncated) handler.end();
      return { skippedLines, truncated };
    },
  };
}
