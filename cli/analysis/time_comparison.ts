import { isCpuTime } from "../formats/event_unit.ts";
import { hasWaiting, TIME_KIND_NAMES, TIME_KINDS } from "../formats/time_kind.ts";
import type { EventProfile, StackProfile } from "../script/stack_profile.ts";
import type { TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";
import type { ComparedSide } from "./compared_side.ts";
import { ownDepth, waitRank } from "./thread_time.ts";

/** The threads' time that two profiles have in common, and notes about the rest. */
interface CommonTime {
  /** The kinds that both have; not there when what is compared is an event like others. */
  kinds?: TimeKind[];
  /** Before and after; not there when their events are to be compared as others are. */
  sides?: [ComparedSide, ComparedSide];
  /** What is not compared. */
  note?: string;
  /** Advice when nothing can be compared. */
  advice?: string;
}

const LIST = new Intl.ListFormat("en");
const list = (words: string[]) => LIST.format(words);

/** Finds what can be compared of profiles of which one or both have threads' time. */
export function findCommonTime(before: StackProfile, after: StackProfile): CommonTime {
  const ofTime = [before, after].map(({ events }) => hasWaiting(events));
  if (!ofTime[0] && !ofTime[1]) return {};
  if (!ofTime[0] || !ofTime[1]) return findCpuTime(before, after, ofTime[1]);
  const [kindsBefore, kindsAfter] = [kindsOf(before), kindsOf(after)];
  const kinds = kindsBefore.filter((kind) => kindsAfter.includes(kind));
  if (kinds.length === 0) return { advice: ADVICE };
  // Folded stacks say neither which thread is idle nor what is the kernel's.
  const isKnown = !!before.threadTimes && !!after.threadTimes;
  return {
    kinds,
    sides: [timeOf(before, kinds, isKnown), timeOf(after, kinds, isKnown)],
    note: [
      describeLess(kinds, "before", kindsBefore) ?? describeLess(kinds, "after", kindsAfter),
      describeOthers(before, after),
    ].filter((part) => part).join("; ") || undefined,
  };
}

const ADVICE = "record both with --wall, both with --off-cpu, or both with neither";

/** One is of threads' time and the other is none: then what ran may be in both. */
function findCpuTime(before: StackProfile, after: StackProfile, isAfter: boolean): CommonTime {
  const [time, other] = isAfter ? [after, before] : [before, after];
  const names = { time: isAfter ? "after" : "before", other: isAfter ? "before" : "after" };
  if (other.events.every(({ event }) => event === "")) {
    const [kind] = kindsOf(time);
    const side = timeOf(time, [kind], false);
    const stacks = side.stacks.map((stack) => ({ ...stack, kind: undefined }));
    const [ofTime, ofOther] = [{ ...side, stacks }, unnamed(other)];
    return {
      sides: isAfter ? [ofOther, ofTime] : [ofTime, ofOther],
      note: `${names.other} does not say what it counts: what was ${TIME_KIND_NAMES[kind]} is ` +
        `compared with it, of threads' time ${names.time}`,
    };
  }
  const what = `${names.other} is a CPU profile and ${names.time} is of threads' time`;
  const [ofTime, ofOther] = [time, other].map(({ events }) =>
    events.some(({ event }) => isCpuTime(event))
  );
  return ofTime && ofOther
    ? { note: `${what}: only what was running is compared` }
    : { advice: `${what}: ${ADVICE}` };
}

function unnamed({ events }: StackProfile): ComparedSide {
  const [{ event, ...all }] = events;
  return { events: [event], ...all };
}

function kindsOf({ events }: StackProfile): TimeKind[] {
  return TIME_KINDS.filter((kind) => events.some(({ event }) => timeKind(event) === kind));
}

function describeLess(kinds: TimeKind[], name: string, ofSide: TimeKind[]): string | undefined {
  const missing = ofSide.filter((kind) => !kinds.includes(kind)).map((kind) =>
    TIME_KIND_NAMES[kind]
  );
  if (missing.length === 0) return undefined;
  const common = kinds.map((kind) => TIME_KIND_NAMES[kind]);
  return `only what was ${list(common)} is compared: ` +
    `what was ${list(missing)} is known ${name} alone`;
}

/** Says which events both have besides. */
function describeOthers(before: StackProfile, after: StackProfile): string | undefined {
  const others = ({ events }: StackProfile) =>
    events.map(({ event }) => event).filter((event) => timeKind(event) === undefined);
  const common = others(before).filter((event) => others(after).includes(event));
  return common.length > 0 ? `${list(common)} is not compared` : undefined;
}

/** The time of some kinds without that of idle threads, if these are known. */
function timeOf(
  { events, frames }: StackProfile,
  kinds: TimeKind[],
  isKnown: boolean,
): ComparedSide {
  const ranks = frames.map((frame) => isKnown ? waitRank(frame) : 2);
  const ofKinds = kinds.flatMap((kind) =>
    events.filter(({ event }) => timeKind(event) === kind).map((event) => ({ kind, event }))
  );
  const stacks = ofKinds.flatMap(({ kind, event }) =>
    event.stacks.map((stack) => {
      const idle = isKnown ? stack.idleWeight ?? 0 : 0;
      const left = stack.weight - idle;
      return {
        command: stack.command,
        frames: stack.frames,
        weight: left,
        samples: Math.round(stack.samples * left / (stack.weight || 1)),
        kind,
        depth: kind === "running" ? stack.frames.length : ownDepth(stack.frames, ranks),
      };
    }).filter(({ weight }) => weight > 0)
  );
  const sum = (of: (stack: typeof stacks[number]) => number) =>
    stacks.reduce((sum, stack) => sum + of(stack), 0);
  return {
    events: ofKinds.map(({ event }: { event: EventProfile }) => event.event),
    samples: sum(({ samples }) => samples),
    weight: sum(({ weight }) => weight),
    stacks,
  };
}
