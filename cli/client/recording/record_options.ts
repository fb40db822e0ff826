import { type OneSide, SIDES } from "../../../proto/side.ts";
import type { RecordOptions as RecordOptionsMessage } from "../../../proto/gen/necoperf/RecordOptions.ts";

/** How perf finds the callers of a sampled function. */
export type CallGraph =
  /** By frame pointers. */
  | { method: "fp" }
  /** By DWARF tables and a copy of the stack; the daemon has a default for the copy's size. */
  | { method: "dwarf"; stackSizeBytes?: number }
  /** By the processor's last branch record. */
  | { method: "lbr" }
  /** Not at all. */
  | { method: "none" };

/** How perf samples. The daemon chooses what is left out. */
export interface RecordOptions {
  /** Samples per second and processor. */
  frequencyHz?: number;
  /** perf's names of the events to sample. */
  events?: string[];
  /** How the callers of a sampled function are found. */
  callGraph?: CallGraph;
  /** Samples this side only. */
  side?: OneSide;
  /** Also names functions that the compiler inlined. Slow for large programs. */
  inline?: boolean;
  /** perf script's text (the default), or perf.data itself. */
  format?: "script" | "data";
  /** Only the process that the runtime started, not all of the container's. */
  mainProcess?: boolean;
  /**
   * What threads do with their time, in the place of samples of what runs: with all of it, or with
   * what they do not spend on a processor because they are blocked. It has events of its own, is
   * text, and goes with call graphs by `fp` and `dwarf`.
   */
  threadTime?: "all" | "off-cpu";
}

const CALL_GRAPHS = {
  fp: "CALL_GRAPH_FP",
  dwarf: "CALL_GRAPH_DWARF",
  lbr: "CALL_GRAPH_LBR",
  none: "CALL_GRAPH_NONE",
} as const;
/** The methods of `CallGraph`. */
export const CALL_GRAPH_METHODS = Object.keys(CALL_GRAPHS);
const THREAD_TIMES = { all: "THREAD_TIME_ALL", "off-cpu": "THREAD_TIME_OFF_CPU" } as const;
const FORMATS = { script: "FORMAT_SCRIPT", data: "FORMAT_DATA" } as const;

/** Writes the options as the protocol's message. */
export function toMessage(options: RecordOptions): RecordOptionsMessage {
  const { callGraph, side, format, threadTime } = options;
  return {
    frequency: options.frequencyHz,
    events: options.events,
    callGraph: callGraph && CALL_GRAPHS[callGraph.method],
    stackSize: callGraph?.method === "dwarf" ? callGraph.stackSizeBytes : undefined,
    side: side && SIDES[side],
    inline: options.inline,
    format: format && FORMATS[format],
    mainProcess: options.mainProcess,
    threadTime: threadTime && THREAD_TIMES[threadTime],
  };
}
