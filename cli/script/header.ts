/** The first line of a sample, as `grammar.md` has it. */
export interface Header {
  thread: Thread;
  /** Seconds of perf's clock. */
  timeSeconds?: number;
  /** Digits: it may be larger than a number holds. */
  period?: string;
  /** Empty when the text has none. */
  event: string;
  /** What follows the event: fields that few ask for, and the only frame where there is no stack. */
  rest: string;
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
const OTHER_RECORD = "PERF_RECORD_";

const TOD = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+`;
const MACHINE = String.raw`(?:VM: *-?\d+ +)?(?:VCPU:\d+ +)?`;
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
  String.raw`^\s*${MACHINE}(\S.*?)?(?:\s+${MISC})?(?:\s+${TOD})?\s*$`,
  "s",
);
const TIME = /(?<=^| )(\d+\.\d+):(?= |$)/g;
/** The name of an event may have spaces and colons in it, but not one behind the other. */
const PERIOD_AND_EVENT = /^ *(?:(\d+) +)?(unknown attr type: \d+|\S.*?)?:(?=\s|$)/s;
const PERIOD_ONLY = /^ *(\d+)? *$/;
/** An address takes 16 places, and a period of so few digits fewer, with an event behind it. */
const STARTS_WITH_PERIOD = /^ *\d+ +\S+:( |$)/;
const STARTS_WITH_ADDRESS = /^(?=[ 0-9a-f]{16,17} ) *[0-9a-f]{1,16} \S/;

/**
 * Reads the first line of a sample, of which any field may be missing (perf-script(1), `--fields`).
 * Returns `other record` for a line that tells of something else than a sample, and undefined for a
 * line that perf does not print in such a place.
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
  if (text.trimStart().startsWith(OTHER_RECORD)) return "other record";
  // With `--fields +metric` perf prints such lines besides.
  if (/^ ?\t/.test(text)) return "other record";
  const startsWithAddress = STARTS_WITH_ADDRESS.test(text) && !STARTS_WITH_PERIOD.test(text);
  const match = startsWithAddress ? null : PERIOD_AND_EVENT.exec(text);
  if (match) {
    const [{ length }, period, event = ""] = match;
    return { thread, timeSeconds, period, event, rest: text.slice(length) };
  }
  const period = PERIOD_ONLY.exec(text);
  if (period) return { thread, timeSeconds, period: period[1], event: "", rest: "" };
  return startsWithAddress ? { thread, timeSeconds, event: "", rest: ` ${text}` } : undefined;
}

/** `--fields comm,tid,event`: the event is the last word with a colon that a thread is before. */
function parseTimeless(line: string): Header | "other record" | undefined {
  const start = line.slice(0, MAX_THREAD_LENGTH);
  const record = /(?<=^|\s)PERF_RECORD_[A-Z]/.exec(start);
  if (record) return "other record";
  let found: Header | undefined;
  for (const match of start.matchAll(/(?<=\s)(\S+):(?=\s|$)/g)) {
    const before = line.slice(0, match.index);
    const period = /(?<=[\d\]KUHGgMESp])( +)(\d+) +$/.exec(before);
    const [withPeriod, without] = [
      period && parseThread(`${before.slice(0, period.index)} `),
      parseThread(before),
    ];
    // As wide as perf prints a period, or with no other number for a thread.
    const isPeriod = withPeriod && period && (period[0].trimEnd().length >= 11 || !without);
    const thread = isPeriod ? withPeriod : without;
    if (!thread || found && thread.command.length > MAX_COMMAND_LENGTH) continue;
    found = {
      thread,
      period: isPeriod ? period[2] : undefined,
      event: match[1],
      rest: line.slice(match.index + match[0].length),
    };
  }
  if (found) return found;
  const thread = parseThread(line.endsWith(" ") ? line : `${line} `);
  return thread && { thread, event: "", rest: "" };
}

/** `--fields comm,time,event`, where neither a thread nor a processor has a number. */
function parseThreadless(line: string): Header | "other record" | undefined {
  for (const { start, end, seconds } of timesIn(line)) {
    const [, command = ""] = COMMAND.exec(line.slice(0, start)) ?? [];
    return parseEvent({ command }, line.slice(end), seconds);
  }
}

function number(digits: string | undefined): number | undefined {
  return digits ? Number(digits) : undefined;
}
