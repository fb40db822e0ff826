import type { TimeKind } from "../script/time_events.ts";

/** What is compared of one profile. */
export interface Side {
  /** The events as perf prints them; an empty name for stacks without one. */
  events: string[];
  samples: number;
  weight: number;
}

/** What is compared of one profile, with its stacks. */
export interface ComparedSide extends Side {
  stacks: ComparedStack[];
}

/** A stack of one profile, and what it counts for. */
export interface ComparedStack {
  command: string;
  /** Indices into the profile's functions, the root first. */
  frames: Uint32Array;
  samples: number;
  weight: number;
  kind?: TimeKind;
  /** How many of `frames` are compared as functions. Default: all. */
  depth?: number;
}
