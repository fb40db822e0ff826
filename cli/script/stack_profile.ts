/** A function that was on a stack, without the address in it. */
export interface Frame {
  /** As perf prints it: `[unknown]` when perf found no name. */
  readonly symbol: string;
  /**
   * The file it is in, as perf prints it; `inlined` for a function inlined into its caller,
   * `[kernel]` where perf knew of no file and the address is the kernel's.
   */
  readonly dso: string;
  /** There when the function is at an address of the kernel, which its file does not show. */
  readonly kernel?: true;
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
  /** The same sum, where it is too large for `weight` to have all of its digits. */
  exactWeight?: bigint;
  /**
   * What of `weight` is of idle threads, in a text of threads' time; see {@linkcode ThreadTimes}.
   */
  idleWeight?: number;
}

/**
 * The threads of a text of threads' time (`offcpu-time`, `run-delay`). A thread is idle that was
 * blocked for at least 99.9% of its life, for at least 95% of it on one and the same stack, was
 * woken no more often than every ten seconds, and lived at least half as long as the one that lived
 * longest. Where all are, none counts as idle. Of what blocked alone, as with `--off-cpu`, a life
 * is as long as the text.
 */
export interface ThreadTimes {
  /** How many threads there are. */
  threads: number;
  /** How many of them are idle. */
  idleThreads: number;
  /**
   * How long others of Go's threads were blocked without a goroutine that they could run, if they
   * were: it is idle as well.
   */
  parkedSeconds?: number;
  /** How long the thread lived that lived longest, as far as it was recorded. */
  longestSeconds: number;
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
  /** The same sum, where it is too large for `weight` to have all of its digits. */
  exactWeight?: bigint;
}

/** What is said of a perf script besides its samples. */
export interface ScriptSummary {
  /** How many samples the text has. */
  samples: number;
  /**
   * Lines that are neither of a sample, nor empty, nor a comment: other records of perf, what perf
   * prints besides a stack, and what is in `leftOut`.
   */
  skippedLines: number;
  /** Whether the text ended within a sample, which was left out. */
  truncated: boolean;
  /** What was not understood, by kind, in the order in which it came first; usually nothing. */
  leftOut: LeftOut[];
  /**
   * How threads' time was thinned where they switched more often than could be looked at, so that
   * its periods are scaled: a sentence, or one for each machine.
   */
  thinned?: string[];
}

/** Lines that were left out because they are not what perf prints. */
export interface LeftOut {
  /**
   * `unknown line`: nothing that perf prints. `stack without a sample`: of a stack whose first line
   * was not understood. `too long`: longer than 64 KiB.
   */
  kind: "unknown line" | "stack without a sample" | "too long";
  /** How many. */
  lines: number;
  /** The number of the first of them in the text, from 1. */
  firstLine: number;
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
  /**
   * How long was sampled: the sum over the machines whose texts were put together, since their
   * clocks have nothing to do with each other. Missing where the times do not show it.
   */
  durationSeconds?: number;
  /** There when threads' time off the processors is in the text. */
  threadTimes?: ThreadTimes;
}
