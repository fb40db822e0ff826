/** A function that was on a stack, without the address in it. */
export interface Frame {
  /** As perf prints it: `[unknown]` when perf found no name. */
  readonly symbol: string;
  /**
   * The file it is in, as perf prints it; `inlined` for a function inlined into its caller, `[kernel]`
   * where perf knew of no file and the address is the kernel's.
   */
  readonly dso: string;
}

/** All samples of one event that a command was caught in with the same functions on its stack. */
export interface Stack {
  /** The thread's name. */
  readonly command: string;
  /** Indices into {@linkcode StackProfile.frames}, the root of the stack first. */
  readonly frames: Uint32Array;
  /** How many samples. */
  samples: number;
  /** The sum of the samples' periods; a sample without a period counts 1. */
  weight: number;
}

/** What was sampled of one event. */
export interface EventProfile {
  /** As perf prints it, modifiers included: `cycles:u`, `sched:sched_switch`. */
  readonly event: string;
  /** Each stack once. */
  readonly stacks: Stack[];
  /** How many samples of this event. */
  samples: number;
  /** The sum of their periods. */
  weight: number;
}

/** What is said of a perf script besides its samples. */
export interface ScriptSummary {
  /** How many samples the text has. */
  samples: number;
  /** Lines that are neither of a sample, nor empty, nor a comment. Frames of such lines count. */
  skippedLines: number;
  /** Whether the text ended within a sample, which was left out. */
  truncated: boolean;
}

/** The stacks of a perf script, each once. */
export interface StackProfile extends ScriptSummary {
  /** Each function once. */
  readonly frames: Frame[];
  /** In the order in which they came first. */
  readonly events: EventProfile[];
  /** The time of the earliest sample, in seconds of perf's clock. */
  startSeconds?: number;
  /** The time of the latest sample. */
  endSeconds?: number;
}

/** Where a function runs. `unknown`: perf knew neither a file nor a function at its address. */
export type FrameKind = "kernel" | "library" | "jit" | "user" | "inlined" | "unknown";

/** Tells by a function's file where it runs. */
export function frameKind({ symbol, dso }: Frame): FrameKind {
  if (dso === "inlined") return "inlined";
  if (/^\[(vdso|vsyscall|vectors)\]/.test(dso)) return "library";
  if (/\/perf-\d+\.map$|\/jitted-\d+-\d+\.so$|^\[anon:|^\/\/anon/.test(dso)) return "jit";
  if (dso === "" || dso === "[unknown]") {
    return symbol === "" || symbol === "[unknown]" ? "unknown" : "user";
  }
  // The kernel and its modules are in brackets, unless perf found their files.
  if (/^\[(?!heap\]|stack)|\.ko(\.(gz|xz|zst))?$|\/vmlinux[^/]*$/.test(dso)) return "kernel";
  return /\.so(\.[^/]*)?( \(deleted\))?$/.test(dso) ? "library" : "user";
}
