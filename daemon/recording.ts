/**
 * The request for a recording and its outcome: the plain types that the daemon's rooms share.
 *
 * @module
 */
import type { Completeness } from "../proto/completeness.ts";
import type { CpuBandwidth, CpuCounters } from "../proto/cpu_counters.ts";
import type { Side } from "../proto/side.ts";

export type { Completeness, CpuBandwidth, CpuCounters, Side };

/** A side, or what the caller may see of both. */
export type RequestedSide = Side | "allowed";

/** All of threads' time, or that in which they are not running. */
export type ThreadTime = "all" | "off-cpu";

/** How perf samples, with every value checked against the daemon's limits. */
export interface PerfOptions {
  frequencyHz: number;
  /** perf's event names; empty for perf's own choice. */
  events: string[];
  callGraph: "fp" | "dwarf" | "lbr" | "none";
  /** Bytes of stack copied with each sample; of use with `dwarf` only. */
  stackSizeBytes: number;
  side: Side;
  inline: boolean;
  format: "script" | "data";
  /** Threads' time is recorded instead of samples of what runs. */
  threadTime?: ThreadTime;
}

/** The request for one recording. */
export interface RecordingOptions extends PerfOptions {
  durationSeconds: number;
  /** Only the process that the runtime started, not all of the container's. */
  mainProcess: boolean;
}

/** What a caller asks for, checked; which side it is to be depends on what the caller may see. */
export type RequestedOptions = Omit<RecordingOptions, "side"> & { side: RequestedSide };

/** Totals of a perf.data stream. */
export interface PerfDataCounts {
  samples: number;
  lostSamples: number;
  /** Times the kernel took no samples for a while, because they took too long. */
  throttled: number;
}

/** What was found out of a container's use of processors, and why it is not more. */
export interface CpuFindings {
  cpu?: CpuCounters;
  /** Why there are no counters, or no bandwidth among them; for callers. */
  cpuUnknown?: string;
}

/** What came of a recording. */
export interface RecordingSummary extends PerfDataCounts, CpuFindings {
  completeness: Completeness;
  sampledSeconds: number;
  /** Processes that entered the container meanwhile and were not recorded. */
  missedProcesses: number;
}
