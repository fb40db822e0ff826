import { CliError, ExitStatus } from "../errors.ts";
import { FREQUENCY_HZ } from "../../proto/defaults.ts";
import { frameName } from "../formats/frame_name.ts";
import type { EventProfile, Frame, StackProfile } from "../script/stack_profile.ts";
import type { TimeKind } from "../script/time_events.ts";
import { describeEventKind, eventKind, isSameKind } from "./event_kind.ts";
import type { ComparedSide, Side } from "./compared_side.ts";
import { findCommonTime } from "./time_comparison.ts";

/** Two profiles of the same kind of event, or of threads' time, side by side. */
export interface Comparison {
  /** What is compared: empty when neither profile names it, or the kind of several events. */
  event: string;
  /** Which threads' time is compared, if any. */
  kinds?: TimeKind[];
  /** Says what of the profiles is not compared, when they are not of the same kinds. */
  note?: string;
  before: Side;
  after: Side;
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
  /** Of threads' time: what the thread did in it. A function is there once for each kind. */
  kind?: TimeKind;
}

interface Change {
  before: number;
  after: number;
}

/** A stack's weight in each profile. */
interface StackChange {
  command: string;
  /** Indices into the functions, the root of the stack first. */
  frames: Uint32Array;
  kind?: TimeKind;
  depth: number;
  before: { samples: number; weight: number };
  after: { samples: number; weight: number };
}

/**
 * Compares two profiles by the names of functions: their files may be others in another image.
 *
 * Of threads' time, what both have is compared, without that of idle threads, as if it were one
 * event.
 *
 * Throws a `CliError` (exit status 2) when no event of one counts what an event of the other
 * counts.
 */
export function compareProfiles(before: StackProfile, after: StackProfile): Comparison {
  const time = findCommonTime(before, after);
  const [ofBefore, ofAfter] = time.sides ??
    findCommonEvents(before, after, time.advice).map(sideOf);
  const frames: Frame[] = [];
  const ids = new Map<string, number>();
  const stacks = new Map<string, StackChange>();
  const add = (
    profile: StackProfile,
    { stacks: ofSide, ...side }: ComparedSide,
    name: "before" | "after",
  ): Side => {
    const idOfFrame = profile.frames.map((frame) => {
      const name = comparedName(frame);
      if (!ids.has(name)) ids.set(name, frames.push({ ...frame, symbol: name }) - 1);
      return ids.get(name)!;
    });
    for (const { command, frames, samples, weight, kind, depth = frames.length } of ofSide) {
      const common = frames.map((frame) => idOfFrame[frame]);
      const key = `${common.join()} ${kind ?? ""} ${command}`;
      let stack = stacks.get(key);
      if (!stack) {
        const nothing = { samples: 0, weight: 0 };
        const sides = { before: { ...nothing }, after: { ...nothing } };
        stack = { command, frames: common, kind, depth, ...sides };
        stacks.set(key, stack);
      }
      stack[name].samples += samples;
      stack[name].weight += weight;
    }
    return side;
  };
  const sideBefore = add(before, ofBefore, "before");
  const sideAfter = add(after, ofAfter, "after");
  const changes = [...stacks.values()];
  return {
    event: time.kinds ? "threads' time" : nameOfAll([...sideBefore.events, ...sideAfter.events]),
    kinds: time.kinds,
    note: time.note,
    before: sideBefore,
    after: sideAfter,
    functions: compareFunctions(changes, frames, sideBefore.weight, sideAfter.weight),
    frames,
    stacks: changes,
  };
}

function sideOf(events: EventProfile[]): ComparedSide {
  const sum = (of: (event: EventProfile) => number) =>
    events.reduce((sum, event) => sum + of(event), 0);
  return {
    events: events.map(({ event }) => event),
    samples: sum(({ samples }) => samples),
    weight: sum(({ weight }) => weight),
    stacks: events.flatMap(({ stacks }) => stacks),
  };
}

/** The common name of events of one kind. */
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
 * errors of the difference of two shares, which chance does once in 20 times. Threads' time is
 * taken as if it had been sampled as often as processors usually are.
 */
export function isBeyondChance(
  change: Change,
  { before, after, kinds }: Pick<Comparison, "before" | "after" | "kinds">,
): boolean {
  const samplesOf = ({ samples, weight }: Side) =>
    kinds ? Math.max(1, weight / 1e9 * FREQUENCY_HZ) : samples;
  const [ofBefore, ofAfter] = [samplesOf(before), samplesOf(after)];
  const share = (change.before * ofBefore + change.after * ofAfter) / (ofBefore + ofAfter);
  const variance = share * (1 - share) * (1 / ofBefore + 1 / ofAfter);
  // Rounding makes a variance of nothing negative.
  return Math.abs(growth(change)) > 2 * Math.sqrt(Math.max(0, variance));
}

/** Of what both profiles count, the kind of event of which there are most samples before. */
function findCommonEvents(
  before: StackProfile,
  after: StackProfile,
  advice?: string,
): [before: EventProfile[], after: EventProfile[]] {
  // Folded stacks do not name their event.
  const isNamed = ({ events }: StackProfile) => events.some(({ event }) => event !== "");
  if (!isNamed(before) || !isNamed(after)) {
    return [[bySamples(before.events)[0]], [bySamples(after.events)[0]]];
  }
  for (const { event } of bySamples(before.events)) {
    // Events of the same name are the same, even where others are of their kind.
    const hasName = ({ events }: StackProfile) => events.some((each) => each.event === event);
    const isWanted = hasName(after)
      ? (each: EventProfile) => each.event === event
      : (each: EventProfile) => isSameKind(each.event, event);
    const [ofBefore, ofAfter] = [before, after].map(({ events }) => events.filter(isWanted));
    if (ofAfter.length > 0) return [ofBefore, ofAfter];
  }
  throw new CliError(ExitStatus.USAGE, describeDifference(before, after, advice));
}

/** Why two profiles cannot be compared, and what to do about it. */
function describeDifference(
  before: StackProfile,
  after: StackProfile,
  adviceForTime?: string,
): string {
  const [a, b] = [before, after].map(({ events }) =>
    events.map(({ event }) => describeEventKind(event)).join(", ")
  );
  const kinds = [before, after].map(({ events }) => events.map(({ event }) => eventKind(event)));
  const isOfOtherSide = kinds[0].some(({ counter }) =>
    kinds[1].some((other) => counter === other.counter)
  );
  const advice = adviceForTime ??
    (isOfOtherSide
      ? "record both with the same of --all-user, --all-kernel or neither"
      : "record both with the same --event (cpu-clock is on every node; without hardware counters a " +
        "node has no cycles)");
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
  const functions = new Map<string, FunctionChange>();
  const functionOf = (frame: number, kind: TimeKind | undefined) => {
    const key = `${frame} ${kind ?? ""}`;
    let one = functions.get(key);
    if (!one) {
      const nothing = { before: 0, after: 0 };
      one = { name: frames[frame].symbol, kind, self: { ...nothing }, total: { ...nothing } };
      functions.set(key, one);
    }
    return one;
  };
  for (const { kind, depth, ...stack } of stacks) {
    const shareBefore = stack.before.weight / (before || 1);
    const shareAfter = stack.after.weight / (after || 1);
    const add = (change: Change) => {
      change.before += shareBefore;
      change.after += shareAfter;
    };
    const own = stack.frames.subarray(0, depth);
    const leaf = own.at(-1);
    if (leaf !== undefined) add(functionOf(leaf, kind).self);
    // A function that calls itself is on the stack more than once.
    for (const frame of new Set(own)) add(functionOf(frame, kind).total);
  }
  const size = (change: Change) => Math.abs(growth(change));
  return [...functions.values()]
    .sort((a, b) => size(b.self) - size(a.self) || size(b.total) - size(a.total));
}
