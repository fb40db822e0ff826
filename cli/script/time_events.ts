/**
 * The events of a text of threads' time (`grammar.md`, "time text"): what a thread did in the
 * nanoseconds that a sample's period gives.
 */
export const TIME_EVENTS = {
  /** On a processor. */
  running: "cpu-clock",
  /** Off it, on the stack of the sample, until something woke it up. perf's own name for it. */
  blocked: "offcpu-time",
  /** Able to run, but without a processor. schedstat's word for it. */
  waiting: "run-delay",
} as const;

/** The kinds of a thread's time. */
export type TimeKind = keyof typeof TIME_EVENTS;

/** The start of a line that says how a whole time text was made. */
export const TIME_NOTE = "# necoperf: ";

/** The start of a note whose rest explains to people how the periods were scaled. */
export const THINNED = "thinned: ";

/**
 * The function that stands for the stack of a thread that blocked before the recording began, and
 * so was not seen to.
 */
export const UNSEEN_STACK = "[blocked before the recording began]";
