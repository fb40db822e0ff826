/** A thread, as a line of perf script names it. */
export interface NamedThread {
  /** Without what is around it. */
  command: string;
  pid: number;
  tid: number;
}

/** What is done with a text of samples and switches. Times are nanoseconds. */
export interface SwitchHandler {
  /** A thread was caught at something. `stack` is its lines as they are, each with its end. */
  sample(thread: NamedThread, timeNs: number, of: SampleOf, stack: string): void;
  /** A thread got a processor, gave it up to wait for something, or was taken off it. */
  switched(thread: NamedThread, timeNs: number, how: "in" | "out" | "preempted"): void;
  /** A thread has begun, started by another; which one is not always told. */
  began(thread: NamedThread, timeNs: number, parentTid: number | undefined): void;
  /** A thread has ended. */
  ended(thread: NamedThread, timeNs: number): void;
  /** A thread was there when perf attached to it. */
  found(thread: NamedThread): void;
  /** A comment, such as the daemon's own lines. */
  comment(line: string): void;
}

/** The event of a sample, and its period. */
export interface SampleOf {
  event: string;
  /** How many of the event it stands for; 1 when the text has none. */
  period: number;
}

/** Reads such a text in pieces of any size. */
interface SwitchTextReader {
  push(chunk: Uint8Array): void;
  /** Call it once, after the last piece. */
  finish(): void;
  /** Nanoseconds of the same clock as the handler's, of a time as perf prints it. */
  timeNs(seconds: string): number;
  /** The reverse. */
  seconds(timeNs: number): string;
}

/** Longer lines and stacks are cut, so that text of something else does not pile up in memory. */
const MAX_STACK_LENGTH = 128 * 1024;

/** perf prints nine decimals with `--ns`. A thread's name has no room for so many. */
const HEADER =
  /^(?:(\S.{0,62}?)\s+)?(\d+)\/(\d+)\s+(?:\[-?\d+\]\s+)?(\d{1,9}\.\d{6,9}):\s+(?:(\d+)\s+)?(\S+?):?(?:\s(.*))?$/s;
const MAX_HEADER_LENGTH = 8 * 1024;
/** A thread, and after that the one that started it or its process's first one. */
const PIDS = /^\((\d+):(\d+)\)(?::\(\d+:(\d+)\))?/;

const NAMED = /^(?:exec: )?(.{0,63}):(\d+)\/(\d+)$/s;

const NANO = 1_000_000_000;

/**
 * Reads what `perf script --show-switch-events --show-task-events --ns --fields +pid` prints, by
 * `grammar.md`. Lines of anything else are skipped.
 *
 * Times are counted from the first one's second on, so that a number holds each nanosecond, however
 * long the machine has been up.
 */
export function createSwitchTextReader(handler: SwitchHandler): SwitchTextReader {
  const decoder = new TextDecoder();
  /** What is not read yet, from the open sample's stack on when there is one. */
  let text = "";
  let at = 0;
  let open: { thread: NamedThread; timeNs: number; of: SampleOf; onlyFrame: string } | undefined;
  let skipping = false;
  let baseSeconds: number | undefined;

  function timeNs(seconds: string): number {
    const [whole, decimals = ""] = seconds.split(".");
    baseSeconds ??= Number(whole);
    return (Number(whole) - baseSeconds) * NANO + Number(decimals.slice(0, 9).padEnd(9, "0"));
  }

  function endSample(end: number): void {
    if (!open) return;
    const { thread, timeNs, of, onlyFrame } = open;
    open = undefined;
    handler.sample(thread, timeNs, of, text.slice(0, end) || onlyFrame);
  }

  function header(line: string): void {
    const match = HEADER.exec(line.slice(0, MAX_HEADER_LENGTH).trimStart());
    if (!match) return;
    const [, command = "", pid, tid, seconds, period, name] = match;
    const rest = (match[7] ?? "").trim();
    const thread = { command, pid: Number(pid), tid: Number(tid) };
    // What perf makes up when it attaches, of what was there before, has no time.
    if (Number(seconds) === 0) {
      const found = name === "PERF_RECORD_COMM" ? NAMED.exec(rest) : null;
      if (found) {
        const [, command, pid, tid] = found;
        handler.found({ command, pid: Number(pid), tid: Number(tid) });
      }
      return;
    }
    const ns = timeNs(seconds);
    if (!name.startsWith("PERF_RECORD_")) {
      const of = { event: name, period: period === undefined ? 1 : Number(period) };
      open = { thread, timeNs: ns, of, onlyFrame: rest && `\t${rest}\n` };
    } else if (name === "PERF_RECORD_SWITCH") {
      if (rest === "IN") handler.switched(thread, ns, "in");
      else if (rest === "OUT") handler.switched(thread, ns, "out");
      else if (rest === "OUT preempt") handler.switched(thread, ns, "preempted");
    } else if (name.startsWith("PERF_RECORD_FORK(")) {
      const child = PIDS.exec(name.slice("PERF_RECORD_FORK".length));
      if (!child) return;
      const [, pid, tid, parentTid] = child;
      const parent = parentTid === undefined ? undefined : Number(parentTid);
      handler.began({ command, pid: Number(pid), tid: Number(tid) }, ns, parent);
    } else if (name.startsWith("PERF_RECORD_EXIT(")) {
      const ended = PIDS.exec(name.slice("PERF_RECORD_EXIT".length));
      if (ended) handler.ended({ command, pid: Number(ended[1]), tid: Number(ended[2]) }, ns);
    }
  }

  function readLines(): void {
    for (let end; (end = text.indexOf("\n", at)) !== -1; at = end + 1) {
      if (skipping) {
        skipping = false;
        continue;
      }
      if (open && text[at] === "\t") {
        if (end < MAX_STACK_LENGTH) continue;
        endSample(at);
      } else if (open) {
        endSample(at);
      }
      const line = text.slice(at, end);
      if (line[0] === "#") handler.comment(line);
      else header(line);
      if (!open) continue;
      // The stack that follows is the text's beginning.
      text = text.slice(end + 1);
      at = end = -1;
    }
    if (!open) {
      text = text.slice(at);
      at = 0;
    }
    if (text.length - at <= MAX_STACK_LENGTH) return;
    endSample(at);
    skipping = true;
    text = "";
    at = 0;
  }

  return {
    push(chunk) {
      text += decoder.decode(chunk, { stream: true });
      readLines();
    },
    finish() {
      // A sample that is cut off does not count.
      if (open && (text.length > at || at === 0 && !open.onlyFrame)) open = undefined;
      endSample(at);
    },
    timeNs,
    seconds(timeNs) {
      const ns = Math.round(timeNs);
      const whole = Math.floor(ns / NANO);
      return `${whole + (baseSeconds ?? 0)}.${`${ns - whole * NANO}`.padStart(9, "0")}`;
    },
  };
}
