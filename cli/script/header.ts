/** The first line of a sample, as `grammar.md` has it. */
export interface Header {
  thread: Thread;
  /** Seconds of perf's clock. */
  timeSeconds?: number;
  /** Digits: it may be larger than a number holds. */
  period?: string;
  /** Empty when the text has none. */
  event: string;
  /**
   * What follows the event: fields that few ask for, and the only frame where there is no stack.
   */
  rest: string;
  /** Other lines may look alike: it is a header only when a stack or a frame follows. */
  needsFrame?: true;
}

/** The fields before the time: whose sample it is, and where that ran. */
export interface Thread {
  /** The thread's name; empty when the text has none. */
  command: string;
  pid?: number;
  tid?: number;
  cpu?: number;
}

/** In this much of a line are the fields before the event. */
export const MAX_THREAD_LENGTH = 256;

/** What the kernel keeps of a thread's name. Those of its own threads may be longer. */
export const MAX_COMMAND_LENGTH = 15;

/** What `perf script --show-mmap-events` and its likes print in the place of the event. */
const RECORD = /(?<=^|\s)PERF_RECORD_[A-Z]/;

const TOD = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+`;
const MACHINE = String.raw`(?:VM: *-?\d+ +)?(?:VCPU:\d+ +)?`;
/** What is before a thread's name. */
export const BEFORE_NAME = new RegExp(String.raw`^\s*${MACHINE}`);
const MISC = String.raw`[KUHGgMESp]{1,6}`;
const CPU = String.raw`\[(-?\d+)\]`;
/** The last thread that may be one: names have spaces and digits in them. */
const THREAD = new RegExp(
  String.raw`^\s*${MACHINE}(?:(\S.*?)\s+)??(?:(?:(-?\d+)/)?(-?\d+)` +
    String.raw`(?:\s+${CPU}|(?<=/-?\d+)\s+(\d+))?|${CPU})(?:\s+${MISC})?(?:\s+${TOD})?\s+$`,
  "s",
);
/** `--fields comm,time`: there is no number of a thread. */
const COMMAND = new RegExp(
  String.raw`^\s*${MACHINE}(\S.*?)??(?:\s+${MISC})?(?:\s*${TOD})?\s*$`,
  "s",
);
const TIME = /(?<=^| )(\d+\.\d+):(?= |$)/g;
/** The name of an event may have a space or a colon in it, but not one after the other. */
const PERIOD_AND_EVENT = /^ *(?:(\d+) +)?(unknown attr type: \d+|\S(?:(?! {2}).)*?)?:(?=\s|$)/s;
const PERIOD = /^ (?=[ \d]{10,} *)(?: {0,9}(\d+)(?= |$))/;
/**
 * The fields that may follow where an event is not asked for: addresses, weights, a control group,
 * registers.
 */
const NO_EVENT = /^(?: +[0-9a-f]{1,16})* *( \/.*| ABI:\d.*)?$/;
/** An address takes 16 places, and a period of so few digits fewer, with an event after it. */
const ADDRESS = /^( *[0-9a-f]{1,16})(?= |$)/;
const STARTS_WITH_PERIOD = /^ *\d+ +\S+:( |$)/;

/**
 * Reads the first line of a sample, of which any field may be missing (perf-script(1), `--fields`).
 * Returns `other record` for a line that is about something other than a sample, and undefined for
 * a line that perf does not print in such a place.
 */
export function parseHeader(line: string): Header | "other record" | undefined {
  let found: Header | "other record" | undefined;
  for (const { start, end, seconds } of timesIn(line)) {
    const thread = parseThread(line.slice(0, start));
    if (!thread) continue;
    // A name may look like all that follows it, so that the last place where it can end is its end.
    if (found && thread.command.length > MAX_COMMAND_LENGTH) break;
    const header = parseEvent(thread, line.slice(end), seconds);
    if (header) found = header;
  }
  return found ?? parseThreadless(line) ?? parseTimeless(line);
}

/** Reads the fields before the time, of which there is a thread's number or a processor's. */
export function parseThread(text: string): Thread | undefined {
  const match = THREAD.exec(text);
  if (!match) return undefined;
  const [, command = "", pid, tid, ...cpus] = match;
  // The path of a file that was mapped may look like what follows a thread's name.
  if (command.length > MAX_COMMAND_LENGTH && RECORD.test(command)) return undefined;
  const cpu = cpus.find((digits) => digits !== undefined);
  return { command, pid: number(pid), tid: number(tid), cpu: number(cpu) };
}

function* timesIn(line: string): Generator<{ start: number; end: number; seconds: number }> {
  for (const match of line.slice(0, MAX_THREAD_LENGTH).matchAll(TIME)) {
    const end = match.index + match[0].length;
    yield { start: match.index, end, seconds: Number(match[1]) };
  }
}

/** Reads what follows the time, or the thread where the text has no times. */
function parseEvent(
  thread: Thread,
  text: string,
  timeSeconds?: number,
): Header | "other record" | undefined {
  if (/^ *PERF_RECORD_/.test(text)) return "other record";
  // With `--fields +metric` perf prints such lines besides.
  if (/^ ?\t/.test(text)) return "other record";
  // Without an event the period is told by its width.
  const [field, period] = PERIOD.exec(text) ?? [""];
  const rest = ` ${text.slice(field.length)}`;
  const match = startsWithAddress(text) || period && hasAddressFirst(rest)
    ? null
    : PERIOD_AND_EVENT.exec(text);
  if (match) {
    const [{ length }, period, event = ""] = match;
    // The thread's name looks like a thread and a time.
    if (RECORD.test(event)) return "other record";
    if (/ \[-?\d+\] /.test(event)) return undefined;
    return { thread, timeSeconds, period, event, rest: text.slice(length) };
  }
  return NO_EVENT.test(rest) || hasAddressFirst(rest)
    ? { thread, timeSeconds, period, event: "", rest }
    : undefined;
}

function startsWithAddress(text: string): boolean {
  return hasAddressFirst(text) && !STARTS_WITH_PERIOD.test(text);
}

function hasAddressFirst(text: string): boolean {
  const [, field = ""] = ADDRESS.exec(text) ?? [];
  return field.length >= 16;
}

/** `--fields comm,tid,event`: the event is the first word with a colon that a thread is before. */
function parseTimeless(line: string): Header | "other record" | undefined {
  const start = line.slice(0, MAX_THREAD_LENGTH);
  if (RECORD.test(start)) return "other record";
  for (const match of start.matchAll(/(?<=^|\s)(?!\d+\.\d+:)(\S+):(?=\s|$)/g)) {
    const fields = parseThreadAndPeriod(line.slice(0, match.index));
    if (!fields) continue;
    // Longer names are those of the kernel's threads, which have no spaces in them.
    const { command } = fields.thread;
    if (command.length > MAX_COMMAND_LENGTH && command.includes(" ")) continue;
    const rest = line.slice(match.index + match[0].length);
    // Messages of programs look like it, but for what perf ends a header with.
    if (fields.needsFrame && !startsWithAddress(rest) && rest !== " ") continue;
    return { ...fields, event: match[1], rest };
  }
  const fields = parseThreadAndPeriod(line.endsWith(" ") ? line : `${line} `);
  if (!fields || fields.needsFrame && !line.endsWith(" ")) return undefined;
  // Many a line ends with a number. perf puts a space after it, and some before it.
  const isPlain = /[ \]][ \d-]{3}\d+ +$|\/\d+ +$|\] +$/.test(line);
  return { ...fields, ...(!isPlain && { needsFrame: true }), event: "", rest: "" };
}

/** Reads what is before an event, where there are no times. */
function parseThreadAndPeriod(
  text: string,
): Pick<Header, "thread" | "period" | "needsFrame"> | undefined {
  const thread = parseThread(text);
  const [number, period] = / *(\d+) +$/.exec(text) ?? [];
  if (number !== undefined) {
    const before = text.slice(0, -number.length);
    // perf gives a period 10 places, and fewer to a thread.
    const isWide = number.trimEnd().length >= (before === "" ? 10 : 11);
    const ofBefore = parseThread(`${before} `);
    if (ofBefore && (isWide || !thread)) return { thread: ofBefore, period };
    if (isWide && isCommand(before)) {
      return { thread: { command: before.trim() }, period, needsFrame: true };
    }
  }
  if (thread) return { thread };
  return isCommand(text) ? { thread: { command: text.trim() }, needsFrame: true } : undefined;
}

function isCommand(text: string): boolean {
  return text.trim().length <= MAX_COMMAND_LENGTH;
}

/** `--fields comm,time,event`, where neither a thread nor a processor has a number. */
function parseThreadless(line: string): Header | "other record" | undefined {
  for (const { start, end, seconds } of timesIn(line)) {
    const [, command = ""] = COMMAND.exec(line.slice(0, start)) ?? [];
    if (command.length > MAX_COMMAND_LENGTH) return undefined;
    return parseEvent({ command }, line.slice(end), seconds);
  }
}

function number(digits: string | undefined): number | undefined {
  return digits ? Number(digits) : undefined;
}
