/** What is done with the lines of a perf script. They are without their end, and not for keeping. */
export interface ScriptHandler {
  /**
   * Begins a sample, if the line is a sample's first, and ends the one before if that is open.
   * `strict`: the line may as well be of a stack.
   */
  header(line: Uint8Array, strict: boolean): LineMeaning;
  /**
   * Adds to the open sample's stack, if the line is of a stack. Opens a sample if none is: there
   * are texts with nothing but stacks.
   */
  frame(line: Uint8Array): boolean;
  /** Ends the open sample. Not called for one that is cut off. */
  end(): void;
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

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const NOTHING = new Uint8Array();

/**
 * Tells a perf script's lines apart.
 *
 * perf prints a sample's first line at the left edge, then its stack, each line behind a tab, then
 * an empty line. Without call graphs a sample is one line, and the names of threads are padded with
 * spaces on their left. Text that was copied may have spaces for tabs.
 */
export function createScanner(handler: ScriptHandler): ScriptScanner {
  let within: "nothing" | "sample" | "unknown" = "nothing";
  let sawEmptyLine = false;
  let skippedLines = 0;
  /** The beginning of a line whose end is not there yet, and whether it was cut. */
  let begun: Uint8Array = NOTHING;
  let tooLong = false;

  function header(line: Uint8Array, strict: boolean): boolean {
    const meaning = handler.header(line, strict);
    if (meaning === "unknown") return false;
    within = meaning === "sample" ? "sample" : "nothing";
    if (meaning === "record") skippedLines++;
    return true;
  }

  function frame(line: Uint8Array): boolean {
    if (within === "unknown" || !handler.frame(line)) return false;
    within = "sample";
    return true;
  }

  function read(line: Uint8Array): void {
    if (line.at(-1) === RETURN) line = line.subarray(0, -1);
    if (line.length === 0) {
      if (within === "sample") handler.end();
      within = "nothing";
      sawEmptyLine = true;
      return;
    }
    const indented = line[0] === SPACE;
    if (line[0] === TAB ? frame(line) : header(line, indented && within === "sample")) return;
    if (indented && frame(line)) return;
    if (line[0] === HASH) return;
    skippedLines++;
    if (within === "nothing") within = "unknown";
  }

  return {
    push(chunk) {
      let start = 0;
      for (;;) {
        const end = chunk.indexOf(NEWLINE, start);
        const piece = chunk.subarray(start, end === -1 ? undefined : end);
        if (begun.length + piece.length > MAX_LINE_BYTES) tooLong = true;
        if (end === -1) {
          if (tooLong) begun = NOTHING;
          else if (piece.length > 0) begun = concat(begun, piece);
          return;
        }
        if (tooLong) skippedLines++;
        else read(begun.length === 0 ? piece : concat(begun, piece));
        begun = NOTHING;
        tooLong = false;
        start = end + 1;
      }
    },
    finish() {
      const truncated = begun.length > 0 || tooLong || (within === "sample" && sawEmptyLine);
      if (within === "sample" && !truncated) handler.end();
      return { skippedLines, truncated };
    },
  };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
