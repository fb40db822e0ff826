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
   * Adds a line which is known to be of a stack to the open sample's, without looking for its end,
   * and returns where the next line starts; or 0. What is at `limit` and behind is old.
   */
  knownFrame?(start: number, limit: number): number;
  /**
   * Ends the open sample, if its stack starts here and is known as a whole, with the empty line
   * behind it, and returns where the next line starts; or 0. What is at `limit` and behind is old.
   */
  knownStack?(start: number, limit: number): number;
  /**
   * Ends the open sample. Not called for one that is cut off. From `stackStart` to before `stackEnd`
   * is its whole stack, with the empty line behind it; both are 0 if some of that is not there any
   * more, or means nothing.
   */
  end(stackStart: number, stackEnd: number): void;
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
export const MAX_LINE_BYTES = 64 * 1024;

const BUFFER_BYTES = 4 * MAX_LINE_BYTES;

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
 */
export function createScanner(
  makeHandler: (buffer: Uint8Array<ArrayBuffer>) => ScriptHandler,
): ScriptScanner {
  const buffer = new Uint8Array(BUFFER_BYTES);
  const view = new DataView(buffer.buffer);
  const handler = makeHandler(buffer);
  /** How much of the buffer is filled: the beginning of a line, between two pieces. */
  let filled = 0;
  let within: "nothing" | "sample" | "unknown" = "nothing";
  let skipping = false;
  let sawEmptyLine = false;
  let skippedLines = 0;
  /** Where the open sample's stack starts; 0 when a part of it has gone or was skipped. */
  let stackStart = 0;
  let nextLine = 0;

  function skip(): void {
    skippedLines++;
    stackStart = 0;
  }

  function header(start: number, end: number, strict: boolean): boolean {
    const meaning = handler.header(start, end, strict);
    if (meaning === "unknown") return false;
    within = meaning === "sample" ? "sample" : "nothing";
    stackStart = within === "sample" ? nextLine : 0;
    if (meaning === "record") skippedLines++;
    return true;
  }

  function frame(start: number, end: number): boolean {
    if (within === "unknown" || !handler.frame(start, end)) return false;
    within = "sample";
    return true;
  }

  function endStack(): void {
    within = "nothing";
    stackStart = 0;
    sawEmptyLine = true;
  }

  function line(start: number, end: number): void {
    if (end > start && buffer[end - 1] === RETURN) end--;
    if (end === start) {
      if (within === "sample") handler.end(stackStart, stackStart && nextLine);
      endStack();
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
    skip();
    if (within === "nothing") within = "unknown";
  }

  /** Where the next line starts, if it is known what those at `start` are; or 0. */
  function knownLines(start: number): number {
    if (start === stackStart && start > 0) {
      const next = handler.knownStack?.(start, filled) ?? 0;
      if (next > 0) {
        endStack();
        return next;
      }
    }
    return handler.knownFrame?.(start, filled) ?? 0;
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
      if (within === "sample" && !skipping && buffer[start] === TAB) {
        const known = knownLines(start);
        if (known > 0) {
          start = known;
          continue;
        }
      }
      const end = lineEnd(start);
      if (end === filled) break;
      nextLine = end + 1;
      if (skipping || end - start > MAX_LINE_BYTES) skip();
      else line(start, end);
      skipping = false;
      start = nextLine;
    }
    stackStart = 0;
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
        const piece = chunk.subarray(at, at + BUFFER_BYTES - filled);
        buffer.set(piece, filled);
        filled += piece.length;
        at += piece.length;
        readLines();
      }
    },
    finish() {
      const truncated = filled > 0 || skipping || (within === "sample" && sawEmptyLine);
      if (within === "sample" && !truncated) handler.end(0, 0);
      return { skippedLines, truncated };
    },
  };
}
