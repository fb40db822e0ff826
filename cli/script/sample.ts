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
  /** How many of the event the sample stands for; rounded above 2^53. */
  period?: number;
  /** As perf prints it, modifiers included: `cycles:u`, `sched:sched_switch`; or empty. */
  event: string;
  /** The leaf first. */
  frames: SampleFrame[];
}

/** One line of a sample's stack. */
export interface SampleFrame {
  /** Of the instruction, or of the one after the call. */
  address: bigint;
  /** `[unknown]` when perf found no name. */
  symbol: string;
  /** Where in the function the address is, in bytes. */
  offset?: number;
  /** The file; `inlined` for a function inlined into its caller; empty when the text has none. */
  dso: string;
}
