import type { ThreadTimes } from "./stack_profile.ts";
import type { TimeKind } from "./time_events.ts";
import type { Thread } from "./header.ts";
import type { ReadSample } from "./reader.ts";

/** Finds the threads of a text of threads' time, and those of them that are idle. */
export interface ThreadTimeCounter {
  /**
   * Adds a sample of a thread: `nanoseconds` of a kind until a time, on the stack with a number.
   */
  add(sample: ThreadSample, kind: TimeKind, nanoseconds: number, stack: number): void;
  /** Says that something was sampled at a time. */
  addTime(seconds: number, part: number): void;
  /**
   * What was added; undefined when no thread waited. `addIdle` is told what of the time is idle
   * threads'.
   */
  finish(addIdle?: (stack: number, nanoseconds: number) => void): ThreadTimes | undefined;
}

type ThreadSample = Pick<ReadSample, "thread" | "part" | "timeSeconds">;

/**
 * A thread is idle when it was there for at least this part of the time that the longest-lived
 * thread was: a thread for each request, which waits once for something and ends, is not idle.
 */
const IDLE_LIFE = 0.5;
/** ... and was blocked for at least this part of its life: one that serves runs in between. */
const IDLE_BLOCKED = 0.999;
/** ... and for at least this part of its life on one and the same stack. */
const IDLE_ON_ONE_STACK = 0.95;
/**
 * ... and was woken no more often than this: one that waits for a database is by each answer,
 * however little it does with it.
 */
const IDLE_WAKE_NS = 10e9;

interface OneThread {
  part: number;
  /** Nanoseconds of all kinds. */
  life: number;
  blocked: number;
  /** How often it blocked, as far as that is known. */
  waits: number;
  /** By stack: how long it was blocked there. */
  stacks: Map<number, number>;
}

export function createThreadTimeCounter(): ThreadTimeCounter {
  const threads = new Map<string, OneThread>();
  /**
   * The reader hands out the same object again and again, which is faster to look up than a text.
   */
  let known = new Map<Thread, OneThread>();
  let knownPart = 0;
  let waits = false;
  /** Whether there is more than what blocked, so that a thread's time adds up to its life. */
  let isWhole = false;
  /** By part: when the first and the last sample were. */
  const starts: number[] = [];
  const ends: number[] = [];
  const addTime = (start: number, end: number, part: number) => {
    if (isNaN(end)) return;
    if (!(starts[part] <= start)) starts[part] = start;
    if (!(ends[part] >= end)) ends[part] = end;
  };
  /** In nanoseconds. */
  const lifeOf = ({ part, life }: OneThread) =>
    isWhole ? life : Math.max(life, (ends[part] - starts[part]) * 1e9 || 0);
  return {
    addTime: (seconds, part) => addTime(seconds, seconds, part),
    add({ thread, part, timeSeconds }, kind, nanoseconds, stack) {
      addTime(timeSeconds - nanoseconds / 1e9, timeSeconds, part);
      if (part !== knownPart || known.size > MAX_KNOWN) {
        known = new Map();
        knownPart = part;
      }
      let one = known.get(thread);
      if (!one) {
        const { pid, tid } = thread;
        if (tid === undefined) return;
        const key = `${part} ${pid} ${tid}`;
        one = threads.get(key) ?? { part, life: 0, blocked: 0, waits: 0, stacks: new Map() };
        threads.set(key, one);
        known.set(thread, one);
      }
      one.life += nanoseconds;
      if (kind !== "blocked") isWhole = true;
      if (kind === "running") return;
      waits = true;
      if (kind !== "blocked") return;
      one.blocked += nanoseconds;
      // A sample without a time is a sum of many.
      if (!isNaN(timeSeconds)) one.waits++;
      one.stacks.set(stack, (one.stacks.get(stack) ?? 0) + nanoseconds);
    },
    finish(addIdle) {
      if (!waits) return undefined;
      let longest = 0;
      for (const one of threads.values()) longest = Math.max(longest, lifeOf(one));
      const idle = addIdle
        ? [...threads.values()].filter((one) => isIdle(one, lifeOf(one), longest))
        : [];
      // Where nobody does anything else, that is what there is to see.
      if (idle.length === threads.size) idle.length = 0;
      for (const { stacks } of idle) {
        for (const [stack, nanoseconds] of stacks) addIdle!(stack, nanoseconds);
      }
      return {
        threads: threads.size,
        idleThreads: idle.length,
        longestSeconds: longest / 1e9,
      };
    },
  };
}

/** More objects than these are of threads whose names change. */
const MAX_KNOWN = 10_000;

function isIdle({ blocked, waits, stacks }: OneThread, life: number, longest: number): boolean {
  return life >= IDLE_LIFE * longest && blocked >= IDLE_BLOCKED * life &&
    waits - 1 <= life / IDLE_WAKE_NS &&
    [...stacks.values()].some((nanoseconds) => nanoseconds >= IDLE_ON_ONE_STACK * life);
}
