import { CliError, ExitStatus } from "../errors.ts";
import { frameName } from "../formats/frame_name.ts";
import type { EventProfile, Frame, StackProfile } from "../script/stack_profile.ts";

/** Two profiles of the same event, side by side. */
export interface Comparison {
  /** Empty when neither profile names it. */
  event: string;
  before: { samples: number; weight: number };
  after: { samples: number; weight: number };
  /** Each function that is in one of them, those first that changed most themselves. */
  functions: FunctionChange[];
  /** Each function once; those with the same name are one. */
  frames: Frame[];
  /** Each stack that is in one of them. */
  stacks: StackChange[];
}

/** How much of its profile a function has, 0 to 1, by itself and with what it calls. */
export interface FunctionChange {
  name: string;
  self: Change;
  total: Change;
}

export interface Change {
  before: number;
  after: number;
}

/** What a stack counts for in each profile. */
export interface StackChange {
  command: string;
  /** Indices into the functions, the root of the stack first. */
  frames: Uint32Array;
  before: { samples: number; weight: number };
  after: { samples: number; weight: number };
}

/**
 * Compares two profiles by the names of functions: their files may be others in another image.
 *
 * Throws a `CliError` (exit status 2) when they have no event in common.
 */
export function compareProfiles(before: StackProfile, after: StackProfile): Comparison {
  const [eventBefore, eventAfter] = findCommonEvent(before, after);
  const frames: Frame[] = [];
  const ids = new Map<string, number>();
  const stacks = new Map<string, StackChange>();
  const add = (profile: StackProfile, event: EventProfile, side: "before" | "after") => {
    const idOfFrame = profile.frames.map((frame) => {
      const name = comparedName(frame);
      if (!ids.has(name)) ids.set(name, frames.push({ symbol: name, dso: frame.dso }) - 1);
      return ids.get(name)!;
    });
    for (const { command, frames, samples, weight } of event.stacks) {
      const common = frames.map((frame) => idOfFrame[frame]);
      const key = `${common.join()} ${command}`;
      let stack = stacks.get(key);
      if (!stack) {
        const nothing = { samples: 0, weight: 0 };
        stack = { command, frames: common, before: { ...nothing }, after: { ...nothing } };
        stacks.set(key, stack);
      }
      stack[side].samples += samples;
      stack[side].weight += weight;
    }
  };
  add(before, eventBefore, "before");
  add(after, eventAfter, "after");
  const changes = [...stacks.values()];
  return {
    event: eventBefore.event || eventAfter.event,
    before: { samples: eventBefore.samples, weight: eventBefore.weight },
    after: { samples: eventAfter.samples, weight: eventAfter.weight },
    functions: compareFunctions(changes, frames, eventBefore.weight, eventAfter.weight),
    frames,
    stacks: changes,
  };
}

/** How much more of its profile there is of something after than before: -1 to 1. */
export function growth({ before, after }: Change): number {
  return after - before;
}

/**
 * Whether two samplings of the same program would hardly differ as much: by more than two standard
 * errors of the difference of two shares, which chance does once in 20 times.
 */
export function isBeyondChance(
  change: Change,
  { before, after }: Pick<Comparison, "before" | "after">,
): boolean {
  const [shareBefore, shareAfter] = [change.before, change.after];
  const samples = before.samples + after.samples;
  const share = (shareBefore * before.samples + shareAfter * after.samples) / samples;
  const variance = share * (1 - share) * (1 / before.samples + 1 / after.samples);
  // Rounding makes a variance of nothing negative.
  return Math.abs(growth(change)) > 2 * Math.sqrt(Math.max(0, variance));
}

function findCommonEvent(
  before: StackProfile,
  after: StackProfile,
): [before: EventProfile, after: EventProfile] {
  // Folded stacks do not tell of which event they are.
  const isNamed = ({ events }: StackProfile) => events.some(({ event }) => event !== "");
  const matchesAll = !isNamed(before) || !isNamed(after);
  for (const one of bySamples(before.events)) {
    const other = bySamples(after.events).find(({ event }) => matchesAll || event === one.event);
    if (other) return [one, other];
  }
  const [a, b] = [before, after].map(({ events }) => events.map(({ event }) => event).join(", "));
  throw new CliError(
    ExitStatus.USAGE,
    `the profiles have no event in common: ${a} before, ${b} after; record both with the same --event`,
  );
}

function bySamples(events: EventProfile[]): EventProfile[] {
  return events.toSorted((a, b) => b.samples - a.samples);
}

/** A process's id in the name of its perf map would make its functions others each time. */
function comparedName(frame: Frame): string {
  return frameName(frame).replace(/^\[perf-\d+\.map\]$/, "[JIT]");
}

function compareFunctions(
  stacks: StackChange[],
  frames: Frame[],
  before: number,
  after: number,
): FunctionChange[] {
  const functions = frames.map(({ symbol: name }): FunctionChange => ({
    name,
    self: { before: 0, after: 0 },
    total: { before: 0, after: 0 },
  }));
  for (const stack of stacks) {
    const shareBefore = stack.before.weight / (before || 1);
    const shareAfter = stack.after.weight / (after || 1);
    const add = (change: Change) => {
      change.before += shareBefore;
      change.after += shareAfter;
    };
    const leaf = stack.frames.at(-1);
    if (leaf !== undefined) add(functions[leaf].self);
    // A function that calls itself is on the stack more than once.
    for (const frame of new Set(stack.frames)) add(functions[frame].total);
  }
  const size = (change: Change) => Math.abs(growth(change));
  return functions.sort((a, b) => size(b.self) - size(a.self) || size(b.total) - size(a.total));
}
