import type { EventProfile, Frame, StackProfile } from "../script/stack_profile.ts";

/** How much of a profile a function has. */
export interface FunctionShare extends Frame {
  /** By itself, 0 to 1 of what the event counted. */
  self: number;
  /** With what it calls. */
  total: number;
}

/** The functions of one profile or several, in memory that grows with their number. */
interface FunctionTally {
  /** Adds a profile's main event. */
  add(profile: StackProfile): void;
  /**
   * Up to so many functions of the event of which there are most samples: those that have a notable
   * part of it by themselves, most first, and behind them those that call most.
   */
  hottest(most: number): FunctionShare[];
}

/** Below this share, what a function has by itself says less than what it calls. */
const NOTABLE_SELF = 0.005;

/** The event of which there are most samples; of a profile without samples there is none. */
export function mainEvent({ events }: StackProfile): EventProfile | undefined {
  return bySamples(events)[0];
}

/** The functions of a profile, as {@linkcode FunctionTally.hottest} has them. */
export function hottestFunctions(profile: StackProfile, most: number): FunctionShare[] {
  const tally = createFunctionTally();
  tally.add(profile);
  return tally.hottest(most);
}

/** Makes a tally of nothing. */
export function createFunctionTally(): FunctionTally {
  /** By event. The shares of functions are weights here. */
  const sums = new Map<
    string,
    { samples: number; weight: number; functions: Map<string, FunctionShare> }
  >();
  return {
    add(profile) {
      const main = mainEvent(profile);
      if (!main) return;
      const sum = sums.get(main.event) ?? { samples: 0, weight: 0, functions: new Map() };
      sums.set(main.event, sum);
      sum.samples += main.samples;
      sum.weight += main.weight;
      for (const one of weighFunctions(profile.frames, main)) {
        const key = `${one.symbol}\n${one.dso}`;
        const before = sum.functions.get(key);
        if (before) {
          before.self += one.self;
          before.total += one.total;
        } else sum.functions.set(key, one);
      }
    },
    hottest(most) {
      const [sum] = bySamples([...sums.values()]);
      if (!sum) return [];
      const share = (part: number) => part / (sum.weight || 1);
      return [...sum.functions.values()]
        .map((one) => ({ ...one, self: share(one.self), total: share(one.total) }))
        .sort(byHeat).slice(0, most);
    },
  };
}

/** What functions have of an event, by themselves and in total; those that have nothing are left out. */
function weighFunctions(frames: Frame[], { stacks }: EventProfile): FunctionShare[] {
  const self = new Float64Array(frames.length);
  const total = new Float64Array(frames.length);
  const seenIn = new Int32Array(frames.length).fill(-1);
  for (const [index, stack] of stacks.entries()) {
    for (const frame of stack.frames) {
      // A function that calls itself is on the stack more than once.
      if (seenIn[frame] !== index) total[frame] += stack.weight;
      seenIn[frame] = index;
    }
    const leaf = stack.frames.at(-1);
    if (leaf !== undefined) self[leaf] += stack.weight;
  }
  return frames.map((frame, id) => ({ ...frame, self: self[id], total: total[id] }))
    .filter(({ total }) => total > 0);
}

function bySamples<T extends { samples: number }>(events: T[]): T[] {
  return events.toSorted((a, b) => b.samples - a.samples);
}

function byHeat(a: FunctionShare, b: FunctionShare): number {
  const [isHot, isOtherHot] = [a, b].map(({ self }) => self >= NOTABLE_SELF);
  if (isHot !== isOtherHot) return isHot ? -1 : 1;
  return isHot ? b.self - a.self || b.total - a.total : b.total - a.total || b.self - a.self;
}
