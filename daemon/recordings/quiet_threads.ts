import type { ThreadTimes } from "../containers/container.ts";
import { sameThreadIn } from "./same_thread.ts";

/** The part of a budget that quiet threads may take together: with the rest it fills up again. */
export const QUIET_SHARE = 0.5;

/** What was seen of threads over a time. */
interface WatchedThreads {
  /** What the kernel had counted before and after. */
  before: readonly ThreadTimes[];
  after: readonly ThreadTimes[];
  /** How long it was. */
  seconds: number;
  /** What all of them cost in that time. */
  bytes: number;
}

/**
 * Chooses the threads that switch least, as many as cost no more together than their share of
 * `bytesPerSecond`: they can be watched while the others are not. A thread that was not there
 * before is not chosen: it may be gone soon.
 */
export function quietThreads(
  { before, after, seconds, bytes }: WatchedThreads,
  bytesPerSecond: number,
): ThreadTimes[] {
  const startOf = sameThreadIn(before);
  const threads = after.flatMap((thread) => {
    const start = startOf(thread);
    return start ? { thread, turns: thread.turns - start.turns } : [];
  });
  const turns = threads.reduce((sum, { turns }) => sum + turns, 0);
  let left = bytesPerSecond * QUIET_SHARE * seconds * turns / bytes;
  return threads.sort((a, b) => a.turns - b.turns)
    .filter(({ turns }) => (left -= turns) >= 0)
    .map(({ thread }) => thread);
}
