import type { Frame } from "./stack_profile.ts";

/** One sample of a perf script. A field that the text does not have is undefined. */
export interface Sample {
  /** The thread's name; empty when the text has none. */
  command: string;
  /** The process, by its number on the node. */
  pid?: number;
  /** The thread, by its number on the node. */
  tid?: number;
  /** The processor that it was caught on. */
  cpu?: number;
  /** Seconds of perf's clock. */
  timeSeconds?: number;
  /** How many of the event the sample stands for. */
  period?: number;
  /** As perf prints it, modifiers included: `cycles:u`, `sched:sched_switch`; or empty. */
  event: string;
  /** The leaf first. */
  frames: SampleFrame[];
}

/** One line of a sample's stack. */
export interface SampleFrame {
  /** Of the instruction, or behind the call. */
  address: bigint;
  /** `[unknown]` when perf found no name. */
  symbol: string;
  /** Where in the function the address is, in bytes. */
  offset?: number;
  /** The file; `inlined` for a function inlined into its caller; empty when the text has none. */
  dso: string;
}

// The name of a thread has at most 15 bytes and may look like any of what follows it, so that the
// last place that can be its end is the end. Names that perf was told elsewhere may be longer.
const PID = String.raw`(?:(-?\d+)\/)?(-?\d+)(?:\s+|$)`;
const CPU = String.raw`\[(\d+)\](?:\s+|$)`;
const TIME = String.raw`(\d+\.\d+):(?=\s|$)`;
const THREADS = [
  new RegExp(String.raw`^\s*(?:(\S(?:.{0,13}\S)?)\s+)?${PID}(?:${CPU})?${TIME}`, "s"),
  new RegExp(String.raw`^\s*(?:(\S.*?)\s+)?${PID}(?:${CPU})?${TIME}`, "s"),
];
const THREADS_OF_OTHER_FIELDS = [
  new RegExp(String.raw`^\s*(?:(\S(?:.{0,13}\S)?)\s+)?${PID}(?:${CPU})?()`, "s"),
  new RegExp(String.raw`^\s*(?:(\S.*?)\s+)?()()(?:${CPU})?${TIME}`, "s"),
];
/** In this much of a line is what comes before the event. */
const MAX_THREAD_LENGTH = 256;

/**
 * Reads the first line of a sample, `comm pid/tid [cpu] time: period event:`, of which every field
 * but the thread or the time may be missing (perf-script(1), `--fields`). Behind the event may be
 * the only frame, when there is no call graph, or a tracepoint's text, which is left out.
 *
 * Undefined for any other line. `strict` refuses a line without the time, too.
 */
export function parseHeader(line: string, strict = false): Sample | undefined {
  const start = line.slice(0, MAX_THREAD_LENGTH);
  let thread: RegExpExecArray | null = null;
  for (const pattern of strict ? THREADS : [...THREADS, ...THREADS_OF_OTHER_FIELDS]) {
    if ((thread = pattern.exec(start))) break;
  }
  if (!thread) return undefined;
  const [{ length }, command = "", pid, tid, cpu, time] = thread;
  // The name of an event may have spaces and colons in it, but not one behind the other.
  const event = /^\s*(?:(\d+)\s+)?(\S.*?)?:(?=\s|$)/s.exec(line.slice(length));
  const rest = line.slice(length + (event?.[0].length ?? 0));
  if (!time && !event && rest !== "") return undefined;
  const frame = parseOnlyFrame(rest);
  return {
    command,
    pid: number(pid),
    tid: number(tid),
    cpu: number(cpu),
    timeSeconds: number(time),
    period: number(event?.[1]),
    event: event?.[2] ?? "",
    frames: frame ? [frame] : [],
  };
}

/**
 * Reads what is behind the event, which is the only frame when there is no call graph. Undefined
 * when it is something else, such as a tracepoint's text: an address takes 16 places at least.
 */
export function parseOnlyFrame(rest: string): SampleFrame | undefined {
  return /^\s[\s0-9a-f]{16}.* .*\)$/s.test(rest) ? parseFrame(rest) : undefined;
}

function number(digits: string | undefined): number | undefined {
  return digits ? Number(digits) : undefined;
}

/** Reads a line of a stack, `address symbol+offset (dso)`. Undefined for any other line. */
export function parseFrame(line: string): SampleFrame | undefined {
  const match = /^\s*([0-9a-f]{1,16})(?:\s(.*))?$/s.exec(line);
  if (!match) return undefined;
  const [, address, rest = ""] = match;
  const dsoStart = findDso(rest);
  const dso = dsoStart === -1 ? "" : rest.slice(dsoStart + 1, -1);
  const name = dsoStart === -1 ? rest : rest.slice(0, Math.max(dsoStart - 1, 0));
  const offset = /\+0x([0-9a-f]{1,16})$/.exec(name);
  const symbol = offset ? name.slice(0, offset.index) : name;
  return {
    address: BigInt(`0x${address}`),
    symbol: symbol.trim() || "[unknown]",
    offset: offset ? Number.parseInt(offset[1], 16) : undefined,
    // perf 6.4 and later print the offset in the file when they are asked for it.
    dso: dso.replace(/\+0x[0-9a-f]{1,16}$/, ""),
  };
}

/** On processors with 64 bits. What is behind is the beginning of no function, but small numbers below 0. */
const KERNEL_ADDRESSES = { first: 0xffff_8000_0000_0000n, last: 0xffff_ffff_feff_ffffn };

/** The function that a line of a stack is in. A perf without the kernel's symbols names no file. */
export function toFrame({ address, symbol, dso }: SampleFrame): Frame {
  const isKernel = dso === "[unknown]" && address >= KERNEL_ADDRESSES.first &&
    address <= KERNEL_ADDRESSES.last;
  return { symbol, dso: isKernel ? "[kernel]" : dso };
}

/**
 * The place of the parenthesis before the file's name, or -1. Both the function's and the file's
 * name may have spaces and parentheses in them: `f(int) const (/bin/f (deleted))`.
 */
function findDso(text: string): number {
  if (!text.endsWith(")")) return -1;
  let depth = 0;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ")") depth++;
    if (text[at] === "(" && --depth === 0) {
      if (at === 0 || text[at - 1] === " ") return at;
      break;
    }
  }
  const last = text.lastIndexOf(" (");
  // The parentheses at the end are the function's own, as in `f(int)`; or they do not match.
  return depth === 0 || last === -1 ? -1 : last + 1;
}
