import { hasWaiting, TIME_KINDS } from "../formats/time_kind.ts";
import type { EventProfile, Frame, Stack, StackProfile } from "../script/stack_profile.ts";
import type { TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";
import { stacksOfTime, waitRank } from "./thread_time.ts";

/** How much of a profile a function has. */
export interface FunctionShare extends Frame {
  /** By itself, 0 to 1 of what the event counted. */
  self: number;
  /** With what it calls. */
  total: number;
  /**
   * Of threads' time: what they mostly did there, by itself or, if there was nothing, in what it
   * calls.
   */
  kind?: TimeKind;
}

/** The functions of one profile or several, in memory that grows with their number. */
interface FunctionTally {
  /** Adds a profile's main event; of threads' time all kinds, without that of idle threads. */
  add(profile: StackProfile): void;
  /**
   * Up to so many functions of the event of which there are most samples: those that have a notable
   * part of it by themselves, most first, then those that call most.
   */
  hottest(most: number): FunctionShare[];
}

/** Below this share, what a function has by itself says less than what it calls. */
const NOTABLE_SELF = 0.005;

/**
 * The event of which there are most samples, or of threads' time what ran; of a profile without
 * samples there is none.
 */
export function mainEvent({ events }: StackProfile): EventProfile | undefined {
  const running = hasWaiting(events)
    ? events.filter(({ event }) => timeKind(event) === "running")
    : [];
  return bySamples(running.length > 0 ? running : events)[0];
}

/** The functions of a profile, as {@linkcode FunctionTally.hottest} has them. */
export function hottestFunctions(profile: StackProfile, most: number): FunctionShare[] {
  const tally = createFunctionTally();
  tally.add(profile);
  return tally.hottest(most);
}

/** Makes a tally of nothing. */
export function createFunctionTally(): FunctionTally {
  /** By event. */
  const sums = new Map<string, EventSum>();
  return {
    add(profile) {
      const main = hasWaiting(profile.events) ? timeOf(profile) : mainEvent(profile);
      if (!main) return;
      const sum: EventSum = sums.get(main.event) ??
        { samples: 0, weight: 0, functions: new Map() };
      sums.set(main.event, sum);
      sum.samples += main.samples;
      sum.weight += main.weight;
      for (const one of weighFunctions(profile.frames, main.stacks)) {
        const key = `${one.symbol}\n${one.dso}`;
        const before = sum.functions.get(key);
        if (before) {
          before.self = before.self.map((part, kind) => part + one.self[kind]);
          before.total = before.total.map((part, kind) => part + one.total[kind]);
        } else sum.functions.set(key, one);
      }
    },
    hottest(most) {
      const [sum] = bySamples([...sums.values()]);
      if (!sum) return [];
      const share = (parts: number[]) => parts.reduce((a, b) => a + b) / (sum.weight || 1);
      return [...sum.functions.values()].map(({ self, total, ...frame }): FunctionShare => ({
        ...frame,
        self: share(self),
        total: share(total),
        ...(self.length > 1 && { kind: mostOf(share(self) > 0 ? self : total) }),
      })).sort(byHeat).slice(0, most);
    },
  };
}

interface EventSum {
  samples: number;
  weight: number;
  functions: Map<string, FunctionWeight>;
}

/** A function's weight in an event: one number, or one for each kind of time. */
interface FunctionWeight extends Frame {
  self: number[];
  total: number[];
}

/** The name of threads' time, which comes from several events. */
const TIME = "threads' time";

/** All of threads' time as if it were of one event. */
function timeOf(profile: StackProfile) {
  const stacks = stacksOfTime(profile);
  return {
    event: TIME,
    stacks,
    samples: profile.samples,
    weight: stacks.reduce((sum, { weight }) => sum + weight, 0),
  };
}

function mostOf(parts: number[]): TimeKind {
  return TIME_KINDS[parts.indexOf(Math.max(...parts))];
}

/**
 * What functions have of an event, by themselves and in total; those that have nothing are left
 * out.
 */
function weighFunctions(
  frames: Frame[],
  stacks: (Pick<Stack, "frames" | "weight"> & { kind?: TimeKind })[],
): FunctionWeight[] {
  const parts = stacks.some(({ kind }) => kind !== undefined) ? TIME_KINDS.length : 1;
  const self = new Float64Array(parts * frames.length);
  const total = new Float64Array(parts * frames.length);
  const seenIn = new Int32Array(frames.length).fill(-1);
  for (const [index, { frames, weight, kind }] of stacks.entries()) {
    const part = kind === undefined ? 0 : TIME_KINDS.indexOf(kind);
    for (const frame of frames) {
      // A function that calls itself is on the stack more than once.
      if (seenIn[frame] !== index) total[parts * frame + part] += weight;
      seenIn[frame] = index;
    }
    const leaf = frames.at(-1);
    if (leaf !== undefined) self[parts * leaf + part] += weight;
  }
  const of = (column: Float64Array, id: number) => [
    ...column.subarray(parts * id, parts * id + parts),
  ];
  return frames.map((frame, id) => ({ ...frame, self: of(self, id), total: of(total, id) }))
    .filter(({ total }) => total.some((part) => part > 0));
}

function bySamples<T extends { samples: number }>(events: T[]): T[] {
  return events.toSorted((a, b) => b.samples - a.samples);
}

/**
 * Where the C library waits for nobody knows whom, there is nothing that could be done about it.
 */
function isNotable(one: FunctionShare): boolean {
  return one.self >= NOTABLE_SELF &&
    (one.kind === undefined || one.kind === "running" || waitRank(one) === 2);
}

function byHeat(a: FunctionShare, b: FunctionShare): number {
  const [isHot, isOtherHot] = [a, b].map(isNotable);
  if (isHot !== isOtherHot) return isHot ? -1 : 1;
  return isHot ? b.self - a.self || b.total - a.total : b.total - a.total || b.self - a.self;
}
