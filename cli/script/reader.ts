import { parseCopiedFrame, parseFrame, parseOnlyFrame } from "./frame_line.ts";
import {
  BEFORE_NAME,
  type Header,
  MAX_COMMAND_LENGTH,
  MAX_THREAD_LENGTH,
  parseHeader,
  parseThread,
  type Thread,
} from "./header.ts";
import {
  createKnownText,
  hashOf,
  lastWord,
  mixed,
  READ_BEHIND_BYTES,
  UNKNOWN,
} from "./known_text.ts";
import { COMM_RECORD_END, isExtraLine } from "./extra_line.ts";
import type { SampleFrame } from "./sample.ts";
import type { LeftOut } from "./stack_profile.ts";
import { TIME_NOTE } from "./time_events.ts";

/**
 * What is done with samples. Functions, threads' names and events have numbers, which are asked for
 * when their text is seen for the first time, or again after it was forgotten.
 */
export interface SampleHandler {
  frameId(frame: SampleFrame): number;
  commandId(command: string): number;
  eventId(event: string): number;
  /** The sample is there during the call only. */
  sample(sample: ReadSample): void;
  /**
   * A line that says of the whole text how it was made (`time_events.ts`), without what it begins
   * with.
   */
  note?(text: string): void;
  /** The numbers of functions are not used any more. */
  forgetFrames?(): void;
}

/** A sample as numbers. */
export interface ReadSample {
  thread: Thread;
  commandId: number;
  eventId: number;
  /** Seconds of perf's clock; not a number when the text has none. */
  timeSeconds: number;
  /** Not a number when the text has none. */
  period: number;
  /** There when a number does not hold all digits of the period. */
  exactPeriod: bigint | undefined;
  /** The numbers of the functions, the leaf first. */
  frames: Int32Array;
  /** How many of `frames` are the sample's. */
  depth: number;
  /** Which of the texts that were put together it is of: a machine's clock is its own. */
  part: number;
}

/** Reads a perf script in pieces of any size. */
interface ScriptReader {
  push(chunk: Uint8Array): void;
  /** Call it once, after the last piece. */
  finish(): { skippedLines: number; truncated: boolean; leftOut: LeftOut[] };
}

/** Longer lines are skipped, so that text that is not perf script's does not pile up in memory. */
const MAX_LINE_BYTES = 64 * 1024;
const BUFFER_BYTES = 4 * MAX_LINE_BYTES;

/** Nobody records for as long, so that such a step in time leads to another machine's clock. */
const OTHER_CLOCK_SECONDS = 3600;

/**
 * From here on a time is the one that perf gives the sums of `--off-cpu`, which are of no time
 * (`OFF_CPU_TIMESTAMP` in its `util/off_cpu.h`: ~0 << 32 nanoseconds). No machine runs for as long.
 */
const NO_TIME_SECONDS = 18_446_744_069;

/** There are texts with nothing but stacks. */
const NO_HEADER: Header = { thread: { command: "" }, event: "", rest: "" };

const NO_THREAD = -2;

const TAB = 0x09;
const RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const DOT = 0x2e;
const COLON = 0x3a;
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

/** What follows an event, where there is no stack; its number is asked for when it counts. */
interface OnlyFrame {
  frame: SampleFrame;
  id?: number;
}

/**
 * The kind of the line before, which decides what the next line may be. `weak`: what may be a
 * sample's first line, if a stack follows. `record`: of something else than a sample. `comment`:
 * one that starts with `#`.
 */
type Within = "nothing" | "sample" | "weak" | "record" | "comment" | "unknown";

/**
 * Reads what `perf script` prints, by its grammar (`grammar.md`).
 *
 * Each piece of text that comes again and again is parsed once and known by its bytes from then on:
 * lines of stacks, what is before a header's time, events. So reading takes little more than
 * looking at each byte, in a memory that does not grow.
 */
export function createScriptReader(handler: SampleHandler): ScriptReader {
  const view = new DataView(new ArrayBuffer(BUFFER_BYTES + READ_BEHIND_BYTES));
  const buffer = new Uint8Array(view.buffer, 0, BUFFER_BYTES);
  const decoder = new TextDecoder();
  const text = (start: number, end: number) => decoder.decode(buffer.subarray(start, end));
  const seed = crypto.getRandomValues(new Int32Array(1))[0];

  const knownLines = createKnownText(1 << 17, 8 << 20);
  const knownOnlyFrames = createKnownText(1 << 14, 1 << 20);
  const knownThreads = createKnownText(1 << 12, 1 << 18);
  const knownEvents = createKnownText(1 << 10, 1 << 16);
  let onlyFrames: (OnlyFrame | undefined)[] = [];
  let threads: { thread: Thread; commandId: number }[] = [];

  /** How much of the buffer is filled: the beginning of a line, between two pieces. */
  let filled = 0;
  let skipping = false;
  let lineNumber = 0;
  let within: Within = "nothing";
  let weakHeader = NO_HEADER;
  let skippedLines = 0;
  const leftOut = new Map<LeftOut["kind"], LeftOut>();

  /** The form of the text's stacks, known from the first one: after tabs, with files. */
  let hasStacks = false;
  let hasTabs = false;
  let hasFiles = false;

  /** Lines that are the beginning of a thread's name with newlines in it, if a header follows. */
  let nameStart = "";
  let nameLines = 0;

  let isOpen = false;
  let onlyFrame: OnlyFrame | undefined;
  const sample: ReadSample = {
    thread: { command: "" },
    commandId: 0,
    eventId: 0,
    timeSeconds: NaN,
    period: NaN,
    exactPeriod: undefined,
    frames: new Int32Array(1024),
    depth: 0,
    part: 0,
  };
  let samplesOfPart = 0;
  let lastSeconds = NaN;

  function leaveOut(kind: LeftOut["kind"], firstLine: number = lineNumber): void {
    skippedLines++;
    const before = leftOut.get(kind);
    if (before) before.lines++;
    else leftOut.set(kind, { kind, lines: 1, firstLine });
  }

  function beginSample(): void {
    isOpen = true;
    onlyFrame = undefined;
    sample.depth = 0;
  }

  function endSample(): void {
    if (!isOpen) return;
    isOpen = false;
    if (sample.depth === 0 && onlyFrame) push(onlyFrame.id ??= handler.frameId(onlyFrame.frame));
    if (sample.timeSeconds >= NO_TIME_SECONDS) sample.timeSeconds = NaN;
    if (Math.abs(sample.timeSeconds - lastSeconds) > OTHER_CLOCK_SECONDS) beginPart();
    if (!isNaN(sample.timeSeconds)) lastSeconds = sample.timeSeconds;
    handler.sample(sample);
    samplesOfPart++;
    if (knownLines.isFull || knownOnlyFrames.isFull) {
      knownLines.clear();
      knownOnlyFrames.clear();
      onlyFrames = [];
      handler.forgetFrames?.();
    }
  }

  function beginPart(): void {
    if (samplesOfPart === 0) return;
    sample.part++;
    samplesOfPart = 0;
    lastSeconds = NaN;
  }

  function push(frameId: number): void {
    if (sample.depth === sample.frames.length) {
      const longer = new Int32Array(2 * sample.depth);
      longer.set(sample.frames);
      sample.frames = longer;
    }
    sample.frames[sample.depth++] = frameId;
  }

  function setThread(thread: Thread, commandId: number): void {
    sample.thread = thread;
    sample.commandId = commandId;
    if (nameLines === 0) return;
    const command = `${nameStart}${thread.command}`;
    if (command.length > MAX_COMMAND_LENGTH) return dropName();
    sample.thread = { ...thread, command };
    sample.commandId = handler.commandId(command);
    takeName();
  }

  function takeName(): void {
    skippedLines += nameLines;
    nameLines = 0;
    nameStart = "";
  }

  /** The lines before were not the beginning of a thread's name. */
  function dropName(): void {
    if (nameLines === 0) return;
    for (; nameLines > 0; nameLines--) leaveOut("unknown line", lineNumber - nameLines);
    nameStart = "";
    if (within !== "sample") within = "unknown";
  }

  /** The line before was no header. */
  function dropWeak(): void {
    if (within !== "weak") return;
    leaveOut("unknown line", lineNumber - 1);
    within = "unknown";
  }

  function setPeriod(digits: string | undefined): void {
    sample.period = digits === undefined ? NaN : Number(digits);
    sample.exactPeriod = sample.period > Number.MAX_SAFE_INTEGER ? BigInt(digits!) : undefined;
  }

  function setOnlyFrame(found: OnlyFrame | undefined): void {
    onlyFrame = found;
    if (found?.frame.dso) hasFiles = true;
  }

  function findOnlyFrame(start: number, end: number): OnlyFrame | undefined {
    if (end - start < 3) return undefined;
    const hash = hashOf(view, start, end, seed);
    let index = knownOnlyFrames.find(view, start, end, hash);
    if (index === UNKNOWN) {
      const frame = parseOnlyFrame(text(start, end));
      index = onlyFrames.push(frame && { frame }) - 1;
      knownOnlyFrames.add(view, start, end, hash, index);
    }
    return onlyFrames[index];
  }

  /** Reads a header of any form. */
  function anyHeader(start: number, end: number, isIndented: boolean): boolean {
    const line = text(start, end);
    const header = parseHeader(line);
    if (header === undefined) return false;
    // Lines of source code and fields after a stack look like it as well.
    if (header !== "other record" && isOpen && !hasTime(header)) {
      if (header.needsFrame && sample.depth > 0 || isIndented && isExtraLine(line)) return false;
    }
    endSample();
    if (header === "other record") {
      takeName();
      skippedLines++;
      within = "record";
      return true;
    }
    const frame = header.rest ? parseOnlyFrame(header.rest) : undefined;
    if (header.needsFrame && !frame) {
      dropName();
      weakHeader = header;
      within = "weak";
    } else {
      beginWith(header);
      setOnlyFrame(frame && { frame });
      within = "sample";
    }
    return true;
  }

  function beginWith({ thread, timeSeconds = NaN, period, event }: Header): void {
    setThread(thread, handler.commandId(thread.command));
    sample.timeSeconds = timeSeconds;
    setPeriod(period);
    sample.eventId = handler.eventId(event);
    beginSample();
  }

  /**
   * Reads a header of the usual form, by what is known. Returns false for other lines, some of
   * which may still be headers.
   */
  function usualHeader(start: number, end: number): boolean {
    let first = start;
    while (first < end && buffer[first] === SPACE) first++;
    const colon = timeEnd(first, end);
    // So close to the start of the line it may be a part of the thread's name.
    if (colon - first <= 15) return false;
    let timeStart = colon;
    while (buffer[timeStart - 1] !== SPACE) timeStart--;

    let next = colon + 1;
    while (next < end && buffer[next] === SPACE) next++;
    const periodStart = next;
    while (next < end && isDigit(buffer[next])) next++;
    let periodEnd = next;
    if (buffer[next] === SPACE) { while (next < end && buffer[next] === SPACE) next++; }
    else next = periodEnd = periodStart;
    const eventStart = next;
    while (next < end && buffer[next] > SPACE) next++;
    const eventEnd = next - 1;
    if (eventEnd <= eventStart || buffer[eventEnd] !== COLON) return false;
    if (next < end && buffer[next] !== SPACE) return false;

    const threadHash = hashOf(view, start, timeStart, seed);
    let threadId = knownThreads.find(view, start, timeStart, threadHash);
    if (threadId === UNKNOWN) {
      threadId = addThread(start, timeStart, threadHash);
    }
    if (threadId === NO_THREAD) return false;
    const eventHash = hashOf(view, eventStart, eventEnd, seed);
    let eventId = knownEvents.find(view, eventStart, eventEnd, eventHash);
    if (eventId === UNKNOWN) {
      const event = text(eventStart, eventEnd);
      if (event.startsWith("PERF_RECORD_")) return false;
      eventId = handler.eventId(event);
      if (knownEvents.isFull) knownEvents.clear();
      knownEvents.add(view, eventStart, eventEnd, eventHash, eventId);
    }

    endSample();
    const { thread, commandId } = threads[threadId];
    setThread(thread, commandId);
    sample.timeSeconds = seconds(timeStart, colon);
    sample.eventId = eventId;
    if (periodEnd - periodStart <= 15) {
      sample.period = periodStart === periodEnd ? NaN : integer(periodStart, periodEnd);
      sample.exactPeriod = undefined;
    } else setPeriod(text(periodStart, periodEnd));
    beginSample();
    setOnlyFrame(findOnlyFrame(next, end));
    within = "sample";
    return true;
  }

  function addThread(start: number, end: number, hash: number): number {
    const thread = parseThread(text(start, end));
    if (knownThreads.isFull) {
      knownThreads.clear();
      threads = [];
    }
    const threadId = thread
      ? threads.push({ thread, commandId: handler.commandId(thread.command) }) - 1
      : NO_THREAD;
    knownThreads.add(view, start, end, hash, threadId);
    return threadId;
  }

  /** The place of the colon after the first thing that looks like a time; or -1. */
  function timeEnd(start: number, end: number): number {
    const limit = Math.min(end, start + MAX_THREAD_LENGTH);
    for (let at = start + 3; at < limit; at++) {
      if (buffer[at] !== COLON || at + 1 < end && buffer[at + 1] !== SPACE) continue;
      let digit = at - 1;
      while (digit > start && isDigit(buffer[digit])) digit--;
      if (digit === at - 1 || buffer[digit] !== DOT) continue;
      const dot = digit--;
      while (digit > start && isDigit(buffer[digit])) digit--;
      if (digit < dot - 1 && buffer[digit] === SPACE) return at;
    }
    return -1;
  }

  function integer(start: number, end: number): number {
    let value = 0;
    for (let at = start; at < end; at++) value = 10 * value + buffer[at] - 0x30;
    return value;
  }

  /** The nearest number to the time, which a sum of its parts would not be. */
  function seconds(start: number, end: number): number {
    if (end - start > 16) return Number(text(start, end));
    let digits = 0;
    let divisor = 0;
    for (let at = start; at < end; at++) {
      if (buffer[at] === DOT) divisor = 1;
      else {
        digits = 10 * digits + buffer[at] - 0x30;
        divisor *= 10;
      }
    }
    return digits / divisor;
  }

  /** Reads a line that starts with a tab. */
  function tabbedLine(start: number, end: number, next: number, hash: number): void {
    if (within === "sample" || within === "nothing" || within === "weak") {
      let frameId = knownLines.find(view, start, next, hash);
      if (frameId === UNKNOWN) {
        const line = text(start, end);
        const frame = parseFrame(line);
        // A thread's name may have a line's end in it, and look like this after it.
        if (!frame || !line.endsWith(")") && hasTime(parseHeader(line))) {
          return otherLine(start, end);
        }
        if (line.endsWith(")")) hasFiles = true;
        frameId = handler.frameId(frame);
        knownLines.add(view, start, next, hash, frameId);
      }
      if (!isOpen) beginWith(within === "weak" ? weakHeader : NO_HEADER);
      hasTabs = hasStacks = true;
      push(frameId);
      within = "sample";
    } else if (within === "record") skippedLines++;
    else if (parseFrame(text(start, end))) leaveOut("stack without a sample");
    else otherLine(start, end);
  }

  function otherLine(start: number, end: number): void {
    const isIndented = buffer[start] === SPACE;
    dropWeak();
    if (usualHeader(start, end) || anyHeader(start, end, isIndented)) return;
    const isBeside = within === "sample" || within === "record" || samplesOfPart > 0;
    const frame = isIndented && !hasTabs ? parseCopiedFrame(text(start, end)) : undefined;
    if (frame) {
      dropName();
      if (within === "unknown" || within === "comment") return leaveOut("stack without a sample");
      if (!isOpen) beginWith(NO_HEADER);
      push(handler.frameId(frame));
      hasStacks = true;
      within = "sample";
      return;
    }
    const isRecordEnd = within === "record" && COMM_RECORD_END.test(text(start, end));
    if (isRecordEnd || isBeside && isExtraLine(text(start, end))) {
      skippedLines++;
      return;
    }
    // perf prints the name of a thread as it is, even when it has newlines in it.
    const name = `${nameStart}${text(start, end).replace(BEFORE_NAME, "")}\n`;
    if (name.length <= MAX_COMMAND_LENGTH) {
      nameStart = name;
      nameLines++;
      return;
    }
    dropName();
    leaveOut("unknown line");
    if (within !== "sample") within = "unknown";
  }

  function commentLine(start: number, end: number): void {
    if (within !== "sample") within = "comment";
    else if (sample.depth === 0) {
      endSample();
      within = "comment";
    }
    if (handler.note && text(start, Math.min(end, start + TIME_NOTE.length)) === TIME_NOTE) {
      handler.note(text(start + TIME_NOTE.length, end));
    }
    // perf's header starts with it, and a machine's text with that header.
    if (text(start, Math.min(end, start + 10)) === "# ========") {
      endSample();
      beginPart();
      within = "comment";
    }
  }

  /** Reads a line, whose bytes up to `next` have the hash. */
  function line(start: number, end: number, next: number, hash: number): void {
    lineNumber++;
    if (lineNumber === 1 && isByteOrderMark(view, start, end)) start += 3;
    if (end > start && buffer[end - 1] === RETURN) end--;
    if (end === start) {
      dropWeak();
      dropName();
      endSample();
      within = "nothing";
      return;
    }
    const first = buffer[start];
    if (nameLines > 0 && (first === TAB || first === HASH)) dropName();
    if (first === TAB) tabbedLine(start, end, next, hash);
    else if (first === HASH) commentLine(start, end);
    else otherLine(start, end);
  }

  /** Reads the whole lines in the buffer, and moves what is left to the buffer's start. */
  function readLines(): void {
    let start = 0;
    while (start < filled) {
      let at = start;
      let hash = seed;
      // Four bytes at a time, until one of them is a newline.
      for (; at < filled; at += 4) {
        const word = view.getInt32(at, true);
        const difference = word ^ 0x0a0a0a0a;
        const newlines = (difference - 0x01010101) & ~difference & 0x80808080;
        if (newlines !== 0) {
          const length = 31 - Math.clz32(newlines & -newlines) >> 3;
          if (length > 0) hash = mixed(hash, lastWord(view, at, length));
          at += length;
          break;
        }
        hash = mixed(hash, word);
      }
      if (at >= filled) break;
      if (skipping || at - start > MAX_LINE_BYTES) {
        lineNumber++;
        leaveOut("too long");
      } else line(start, at, at, hash);
      skipping = false;
      start = at + 1;
    }
    if (skipping || filled - start > MAX_LINE_BYTES) {
      skipping = true;
      start = filled;
    }
    buffer.copyWithin(0, start, filled);
    filled -= start;
  }

  /**
   * Whether the line that no newline ends is whole all the same: who trims a text takes it away.
   */
  function isLastLineWhole(): boolean {
    const last = text(0, filled).trimEnd();
    if (buffer[0] !== TAB && hasStacks) return false;
    return last.endsWith(")") || !hasFiles;
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
      let truncated = skipping;
      if (filled > 0 && !skipping) {
        if (isLastLineWhole()) line(0, filled, filled, hashOf(view, 0, filled, seed));
        else truncated = true;
        if (truncated && buffer[0] === TAB) isOpen = false;
      }
      lineNumber++;
      dropWeak();
      dropName();
      // The stack of a sample that ends the text may have been cut off as a whole.
      if (isOpen && sample.depth === 0 && !onlyFrame && hasStacks) {
        truncated = true;
        isOpen = false;
      }
      endSample();
      return { skippedLines, truncated, leftOut: [...leftOut.values()] };
    },
  };
}

/** Editors of other systems put it before UTF-8. */
function isByteOrderMark(buffer: DataView, start: number, end: number): boolean {
  return end - start >= 3 && buffer.getUint16(start) === 0xefbb &&
    buffer.getUint8(start + 2) === 0xbf;
}

function hasTime(header: Header | string | undefined): boolean {
  return typeof header === "object" && header.timeSeconds !== undefined;
}
