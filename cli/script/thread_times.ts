import type { ThreadTimes } from "./stack_profile.ts";
import type { TimeKind } from "./time_events.ts";
import type { Thread } from "./header.ts";

/** Finds the threads of a text of threads' time, and those of them that are idle. */
export interface ThreadTimeCounter {
  /** Adds a sample of a thread: `nanoseconds` of a kind, on the stack with a number. */
  add(
    thread: Thread,
    part: number,
    kind: TimeKind,
    nanoseconds: number,
    stack: number,
  ): void;
  /** What was added; not there when no thread waited, or threads have no numbers. */
  finish(addIdle: (stack: number, nanoseconds: number) => void): ThreadTimes | undefined;
}

/**
 * A thread is idle when it was there for at least this part of the time that the longest-lived thread
 * was: a thread for each request, which waits once for something and ends, is no idle one.
 */
const IDLE_LIFE = 0.5;
/** ... and was blocked for at least this part of its life: one that serves runs in between. */
const IDLE_BLOCKED = 0.999;
/** ... and for at least this part of its life on one and the same stack. */
const IDLE_ON_ONE_STACK = 0.95;

interface OneThread {
  life: number;
  blocked: number;
  /** By stack: how long it was blocked there. */
  stacks: Map<number, number>;
}

export function createThreadTimeCounter(): ThreadTimeCounter {
  const threads = new Map<string, OneThread>();
  /** The reader hands out the same object again and again, which is faster to look up than a text. */
  let known = new Map<Thread, OneThread>();
  let knownPart = 0;
  let waits = false;
  return {
    add(thread, part, kind, nanoseconds, stack) {
      if (part !== knownPart || known.size > MAX_KNOWN) {
        known = new Map();
        knownPart = part;
      }
      let one = known.get(thread);
      if (!one) {
        const { pid, tid } = thread;
        if (tid === undefined) return;
        const key = `${part} ${pid} ${tid}`;
        one = threads.get(key) ?? { life: 0, blocked: 0, stacks: new Map() };
        threads.set(key, one);
        known.set(thread, one);
      }
      one.life += nanoseconds;
      if (kind === "running") return;
      waits = true;
      if (kind !== "blocked") return;
      one.blocked += nanoseconds;
      one.stacks.set(stack, (one.stacks.get(stack) ?? 0) + nanoseconds);
    },
    finish(addIdle) {
      if (!waits) return undefined;
      let longest = 0;
      for (const { life } of threads.values()) longest = Math.max(longest, life);
      const idle = [...threads.values()].filter((one) => isIdle(one, longest));
      // Where nobody does anything else, that is what there is to see.
      if (idle.length === threads.size) idle.length = 0;
      for (const { stacks } of idle) {
        for (const [stack, nanoseconds] of stacks) addIdle(stack, nanoseconds);
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

function isIdle({ life, blocked, stacks }: OneThread, longest: number): boolean {
  return life >= IDLE_LIFE * longest && blocked >= IDLE_BLOCKED * life &&
    [...stacks.values()].some((nanoseconds) => nanoseconds >= IDLE_ON_ONE_STACK * life);
}
