import { hasWaiting, TIME_KINDS } from "../formats/time_kind.ts";
import { frameKind } from "../script/frame_kind.ts";
import type { EventProfile, Frame, Stack, StackProfile } from "../script/stack_profile.ts";
import type { TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";

/** What became of threads' time, in seconds of all threads together. */
export interface ThreadTime {
  /** How many threads there were. */
  threads: number;
  /** How many of them were idle: see `ThreadTimes`. */
  idleThreads: number;
  /** How long the thread lived that lived longest, as far as it was recorded. */
  longestSeconds: number;
  /** Not there, as `waitingSeconds`, when only what blocked was recorded. */
  runningSeconds?: number;
  /** With that of idle threads. */
  blockedSeconds: number;
  waitingSeconds?: number;
  /** As `ThreadTimes` has it. */
  parkedSeconds?: number;
  /** What idle threads were blocked for, and `parkedSeconds`. */
  idleSeconds: number;
  /** How it was thinned, in a sentence or more; see `ScriptSummary`. */
  thinned?: string[];
}

/** Finds what became of threads' time; undefined for a profile that has nothing but what ran. */
export function findThreadTime(
  { events, threadTimes, thinned }: StackProfile,
): ThreadTime | undefined {
  if (!hasWaiting(events)) return undefined;
  const isWhole = events.some(({ event }) => !["blocked", undefined].includes(timeKind(event)));
  const seconds = (kind: TimeKind) =>
    events.filter(({ event }) => timeKind(event) === kind)
      .reduce((sum, { weight }) => sum + weight, 0) / 1e9;
  const idle = events.flatMap(({ stacks }) => stacks)
    .reduce((sum, { idleWeight = 0 }) => sum + idleWeight, 0);
  return {
    ...threadTimes ?? { threads: 0, idleThreads: 0, longestSeconds: 0 },
    ...(isWhole && { runningSeconds: seconds("running") }),
    blockedSeconds: seconds("blocked"),
    ...(isWhole && { waitingSeconds: seconds("waiting") }),
    idleSeconds: idle / 1e9,
    ...(thinned && { thinned }),
  };
}

/**
 * What became of the threads of several results together; undefined when not all of them say so.
 */
export function addThreadTimes(times: (ThreadTime | undefined)[]): ThreadTime | undefined {
  const all = times.filter((time) => time !== undefined);
  if (all.length === 0 || all.length < times.length) return undefined;
  const sum = (of: (time: ThreadTime) => number | undefined) =>
    all.reduce((sum: number | undefined, time) => {
      const part = of(time);
      return sum === undefined || part === undefined ? undefined : sum + part;
    }, 0);
  return {
    threads: sum(({ threads }) => threads)!,
    idleThreads: sum(({ idleThreads }) => idleThreads)!,
    longestSeconds: Math.max(...all.map(({ longestSeconds }) => longestSeconds)),
    runningSeconds: sum(({ runningSeconds }) => runningSeconds),
    blockedSeconds: sum(({ blockedSeconds }) => blockedSeconds)!,
    waitingSeconds: sum(({ waitingSeconds }) => waitingSeconds),
    idleSeconds: sum(({ idleSeconds }) => idleSeconds)!,
    ...(all.some(({ parkedSeconds }) => parkedSeconds) && {
      parkedSeconds: sum(({ parkedSeconds = 0 }) => parkedSeconds),
    }),
  };
}

/** A stack of threads' time: what of it is of each kind. */
export interface TimeStack extends Pick<Stack, "frames" | "weight"> {
  kind: TimeKind;
}

/**
 * The stacks of threads' time without that of idle threads, in which what did not run ends with the
 * function that wanted to wait: how the C library, Go's and the kernel do that nobody can change.
 */
export function stacksOfTime({ frames, events }: StackProfile): TimeStack[] {
  const ranks = frames.map(waitRank);
  return TIME_KINDS.flatMap((kind) => ofKind(events, kind).map((stack) => ({ kind, stack })))
    .map(({ kind, stack: { frames, weight, idleWeight = 0 } }) => ({
      kind,
      frames: kind === "running" ? frames : frames.subarray(0, ownDepth(frames, ranks)),
      weight: weight - idleWeight,
    }))
    .filter(({ weight }) => weight > 0);
}

function ofKind(events: EventProfile[], kind: TimeKind): Stack[] {
  return events.filter(({ event }) => timeKind(event) === kind).flatMap(({ stacks }) => stacks);
}

/** The C library, and code of it that is a file of its own. */
const C_LIBRARY = /(^|\/)(libc|libpthread|ld-musl-[^/]*|libc\.musl-[^/]*|libc-[\d.]+)\.so[.\d]*$/;
/** How Go's standard library calls the kernel. */
const GO_SYSTEM_CALL = /^(internal\/runtime|runtime\/internal)\/syscall|^syscall\.(Raw)?Syscall/;

/** How much a function says of why a thread waits: nothing, how it does, or why. */
type WaitRank = 0 | 1 | 2;

/**
 * Ranks how well a function explains why a thread waits. The kernel's and unknown functions explain
 * nothing.
 */
export function waitRank(frame: Frame): WaitRank {
  if (frame.dso === "[unknown]" || frameKind(frame) === "kernel") return 0;
  return C_LIBRARY.test(frame.dso) || GO_SYSTEM_CALL.test(frame.symbol) ? 1 : 2;
}

/**
 * How many functions of a stack there are up to the one that wanted to wait: the last of the
 * highest rank. Where nothing is known of any, as of a kernel's thread, all of them.
 */
export function ownDepth(frames: Uint32Array, ranks: WaitRank[]): number {
  for (const rank of [2, 1]) {
    let depth = frames.length;
    while (depth > 0 && ranks[frames[depth - 1]] < rank) depth--;
    if (depth > 0) return depth;
  }
  return frames.length;
}
