import { FREQUENCY_HZ, STACK_SIZE_BYTES } from "../../proto/defaults.ts";
import type { Duration__Output } from "../../proto/gen/google/protobuf/Duration.ts";
import type { RecordOptions__Output } from "../../proto/gen/necoperf/RecordOptions.ts";
import { COMMON_EVENTS } from "../../proto/common_events.ts";
import { formatDuration, fromDuration } from "../../proto/duration.ts";
import { type Side, SIDES } from "../../proto/side.ts";
import { quote } from "../quote.ts";
import type {
  RecordingOptions,
  RequestedOptions,
  RequestedSide,
  ThreadTime,
} from "../recording.ts";
import { StatusError } from "../status_error.ts";

/** The bounds that the daemon's administrator sets on what may be asked. */
export interface Limits {
  maxDurationSeconds: number;
  maxFrequencyHz: number;
  maxStackSizeBytes: number;
  /** Threads that perf may be attached to at once, for one recording. */
  maxThreads: number;
  /** perf.data a second of a recording of threads' time; 0 allows none. */
  threadTimeBytesPerSecond: number;
  /** Names that a request may ask for, compared letter by letter. */
  allowedEvents: readonly string[];
}

/** The limits of a daemon whose administrator sets none. */
export const DEFAULT_LIMITS: Limits = {
  maxDurationSeconds: 600,
  maxFrequencyHz: 1000,
  // The most that the kernel copies: the size of a sample's part is an unsigned 16-bit number, and
  // `perf record` itself refuses more than this.
  maxStackSizeBytes: 65528,
  maxThreads: 2048,
  threadTimeBytesPerSecond: 384 * 2 ** 10,
  allowedEvents: COMMON_EVENTS,
};

const MAX_EVENTS = 8;

const CALL_GRAPHS: Record<string, RecordingOptions["callGraph"]> = {
  CALL_GRAPH_UNSPECIFIED: "fp",
  CALL_GRAPH_FP: "fp",
  CALL_GRAPH_DWARF: "dwarf",
  CALL_GRAPH_LBR: "lbr",
  CALL_GRAPH_NONE: "none",
};
const REQUESTED_SIDES: Record<string, RequestedSide> = {
  SIDE_UNSPECIFIED: "allowed",
  ...Object.fromEntries(Object.entries(SIDES).map(([side, message]) => [message, side as Side])),
};
const FORMATS: Record<string, RecordingOptions["format"]> = {
  FORMAT_UNSPECIFIED: "script",
  FORMAT_SCRIPT: "script",
  FORMAT_DATA: "data",
};
const THREAD_TIMES: Record<string, ThreadTime | "none"> = {
  THREAD_TIME_UNSPECIFIED: "none",
  THREAD_TIME_ALL: "all",
  THREAD_TIME_OFF_CPU: "off-cpu",
};

/** A duration out of a request, by the name its field has there. */
export type DurationField =
  | { field: "interval"; seconds: number }
  | { field: "timeout" | "duration"; message: Duration__Output | null };

/**
 * Checks what a request asks for and fills in the defaults.
 *
 * Throws a `StatusError` with `INVALID_ARGUMENT` that names the first field that is out of bounds,
 * its value and the bound.
 */
export function checkRecordingOptions(
  duration: DurationField,
  options: RecordOptions__Output | null,
  limits: Limits,
): RequestedOptions {
  const callGraph = choose("call_graph", CALL_GRAPHS, options?.callGraph);
  const threadTime = checkThreadTime(options, callGraph, limits);
  return {
    durationSeconds: checkDuration(duration, limits),
    frequencyHz: checkFrequency(options?.frequency ?? 0, limits),
    events: checkEvents(options?.events ?? [], limits),
    callGraph,
    stackSizeBytes: checkStackSize(options?.stackSize ?? 0, callGraph, limits),
    side: choose("side", REQUESTED_SIDES, options?.side),
    inline: options?.inline ?? false,
    format: choose("format", FORMATS, options?.format),
    mainProcess: options?.mainProcess ?? false,
    ...(threadTime === "none" ? {} : { threadTime }),
  };
}

function invalid(field: string, problem: string): StatusError {
  return new StatusError("INVALID_ARGUMENT", `${field}: ${problem}`);
}

function checkDuration(duration: DurationField, limits: Limits): number {
  const seconds = duration.field === "interval" ? duration.seconds : fromDuration(duration.message);
  if (!(seconds > 0)) {
    throw invalid(duration.field, `${formatDuration(seconds)} is not above zero`);
  }
  if (seconds > limits.maxDurationSeconds) {
    const limit = formatDuration(limits.maxDurationSeconds);
    throw invalid(
      duration.field,
      `${formatDuration(seconds)} is above this node's limit of ${limit} (--max-duration)`,
    );
  }
  return seconds;
}

function checkFrequency(hertz: number, limits: Limits): number {
  if (hertz === 0) return Math.min(FREQUENCY_HZ, limits.maxFrequencyHz);
  if (hertz > limits.maxFrequencyHz) {
    throw invalid(
      "frequency",
      `${hertz} Hz is above this node's limit of ${limits.maxFrequencyHz} Hz (--max-frequency)`,
    );
  }
  return hertz;
}

function checkEvents(events: string[], limits: Limits): string[] {
  if (events.length > MAX_EVENTS) {
    throw invalid("events", `${events.length} events are above the limit of ${MAX_EVENTS}`);
  }
  for (const event of events) {
    if (!limits.allowedEvents.includes(event)) {
      throw invalid(
        "events",
        `${quote(event)} is not among this node's allowed events (--allowed-events): ${
          limits.allowedEvents.join(", ")
        }`,
      );
    }
  }
  return [...new Set(events)];
}

function checkStackSize(
  bytes: number,
  callGraph: RecordingOptions["callGraph"],
  limits: Limits,
): number {
  if (bytes === 0) return Math.min(STACK_SIZE_BYTES, limits.maxStackSizeBytes);
  if (callGraph !== "dwarf") {
    throw invalid("stack_size", `${bytes} goes with call_graph CALL_GRAPH_DWARF only`);
  }
  if (bytes % 8 !== 0) throw invalid("stack_size", `${bytes} is not a multiple of 8`);
  if (bytes > limits.maxStackSizeBytes) {
    throw invalid(
      "stack_size",
      `${bytes} bytes are above this node's limit of ${limits.maxStackSizeBytes} (--max-stack-size)`,
    );
  }
  return bytes;
}

function checkThreadTime(
  options: RecordOptions__Output | null,
  callGraph: RecordingOptions["callGraph"],
  { threadTimeBytesPerSecond }: Limits,
): ThreadTime | "none" {
  const threadTime = choose("thread_time", THREAD_TIMES, options?.threadTime);
  if (threadTime === "none") return threadTime;
  if (threadTimeBytesPerSecond === 0) {
    throw invalid(
      "thread_time",
      "this node does not record threads' time (--thread-time-budget=0)",
    );
  }
  if (options!.events.length > 0) {
    throw invalid("thread_time", "it uses events of its own: leave out 'events'");
  }
  if (options!.format === "FORMAT_DATA") {
    throw invalid(
      "thread_time",
      "it needs FORMAT_SCRIPT: perf.data cannot hold the pauses and the kernel's counters",
    );
  }
  if (callGraph !== "fp" && callGraph !== "dwarf") {
    throw invalid(
      "thread_time",
      "it needs CALL_GRAPH_FP or CALL_GRAPH_DWARF: the stack shows why a thread is blocked",
    );
  }
  if (options!.side === "SIDE_KERNEL") {
    throw invalid("thread_time", "it covers the time on both sides: leave out SIDE_KERNEL");
  }
  return threadTime;
}

/** Looks an enum's name up. A number the protocol does not have arrives as that number. */
function choose<T>(field: string, choices: Record<string, T>, name: string | undefined): T {
  const choice = name === undefined ? Object.values(choices)[0] : choices[name];
  if (choice === undefined || !(name === undefined || Object.hasOwn(choices, name))) {
    throw invalid(
      field,
      `${quote(String(name))} is not one of ${Object.keys(choices).join(", ")}`,
    );
  }
  return choice;
}
