import { CliError, ExitStatus } from "../errors.ts";
import { frameName } from "../formats/frame_name.ts";
import { describeEventKind, eventKind, isSameKind } from "./event_kind.ts";
import type { EventProfile, Frame, StackProfile } from "../script/stack_profile.ts";

/** Two profiles of the same kind of event, side by side. */
export interface Comparison {
  /** What is compared: empty when neither profile names it, or the kind of several events. */
  event: string;
  before: Side;
  after: Side;
  /** Each function that is in one of them, those first that changed most themselves. */
  functions: FunctionChange[];
  /** Each function once; those with the same name are one. */
  frames: Frame[];
  /** Each stack that is in one of them. */
  stacks: StackChange[];
}

/** What is compared of one profile. */
export interface Side {
  /** The events as perf prints them; an empty name for stacks without one. */
  events: string[];
  samples: number;
  weight: number;
}

/** How much of its profile a function has, 0 to 1, by itself and with what it calls. */
export interface FunctionChange {
  name: string;
  self: Change;
  total: Change;
}

interface Change {
  before: number;
  after: number;
}

/** What a stack counts for in each profile. */
interface StackChange {
  command: string;
  /** Indices into the functions, the root of the stack first. */
  frames: Uint32Array;
  before: { samples: number; weight: number };
  after: { samples: number; weight: number };
}

/**
 * Compares two profiles by the names of functions: their files may be others in another image.
 *
 * Throws a `CliError` (exit status 2) when no event of one counts what an event of the other counts.
 */
export function compareProfiles(before: StackProfile, after: StackProfile): Comparison {
  const [eventsBefore, eventsAfter] = findCommonEvents(before, after);
  const frames: Frame[] = [];
  const ids = new Map<string, number>();
  const stacks = new Map<string, StackChange>();
  const add = (profile: StackProfile, events: EventProfile[], name: "before" | "after"): Side => {
    const sum = (of: (event: EventProfile) => number) =>
      events.reduce((sum, event) => sum + of(event), 0);
    const idOfFrame = profile.frames.map((frame) => {
      const name = comparedName(frame);
      if (!ids.has(name)) ids.set(name, frames.push({ ...frame, symbol: name }) - 1);
      return ids.get(name)!;
    });
    for (const { command, frames, samples, weight } of events.flatMap(({ stacks }) => stacks)) {
      const common = frames.map((frame) => idOfFrame[frame]);
      const key = `${common.join()} ${command}`;
      let stack = stacks.get(key);
      if (!stack) {
        const nothing = { samples: 0, weight: 0 };
        stack = { command, frames: common, before: { ...nothing }, after: { ...nothing } };
        stacks.set(key, stack);
      }
      stack[name].samples += samples;
      stack[name].weight += weight;
    }
    return {
      events: events.map(({ event }) => event),
      samples: sum(({ samples }) => samples),
      weight: sum(({ weight }) => weight),
    };
  };
  const sideBefore = add(before, eventsBefore, "before");
  const sideAfter = add(after, eventsAfter, "after");
  const changes = [...stacks.values()];
  return {
    event: nameOfAll([...sideBefore.events, ...sideAfter.events]),
    before: sideBefore,
    after: sideAfter,
    functions: compareFunctions(changes, frames, sideBefore.weight, sideAfter.weight),
    frames,
    stacks: changes,
  };
}

/** What events of one kind are called together. */
function nameOfAll(events: string[]): string {
  const names = new Set(events.filter((event) => event !== ""));
  const [first = ""] = names;
  return names.size <= 1 ? first : eventKind(first).counter;
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

/** Of what both profiles count, the kind of event of which there are most samples before. */
function findCommonEvents(
  before: StackProfile,
  after: StackProfile,
): [before: EventProfile[], after: EventProfile[]] {
  // Folded stacks do not name their event.
  const isNamed = ({ events }: StackProfile) => events.some(({ event }) => event !== "");
  if (!isNamed(before) || !isNamed(after)) {
    return [[bySamples(before.events)[0]], [bySamples(after.events)[0]]];
  }
  for (const { event } of bySamples(before.events)) {
    // What has the same name is the same, even where others are of its kind.
    const hasName = ({ events }: StackProfile) => events.some((each) => each.event === event);
    const isWanted = hasName(after)
      ? (each: EventProfile) => each.event === event
      : (each: EventProfile) => isSameKind(each.event, event);
    const [ofBefore, ofAfter] = [before, after].map(({ events }) => events.filter(isWanted));
    if (ofAfter.length > 0) return [ofBefore, ofAfter];
  }
  throw new CliError(ExitStatus.USAGE, describeDifference(before, after));
}

/** Why two profiles cannot be compared, and what to do about it. */
function describeDifference(before: StackProfile, after: StackProfile): string {
  const [a, b] = [before, after].map(({ events }) =>
    events.map(({ event }) => describeEventKind(event)).join(", ")
  );
  const kinds = [before, after].map(({ events }) => events.map(({ event }) => eventKind(event)));
  const isOfOtherSide = kinds[0].some(({ counter }) =>
    kinds[1].some((other) => counter === other.counter)
  );
  const advice = isOfOtherSide
    ? "record both with the same of --all-user, --all-kernel or neither"
    : "record both with the same --event (cpu-clock is on every node; without hardware counters a " +
      "node has no cycles)";
  return `the profiles have no event in common: ${a} before, ${b} after; ${advice}`;
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
