import type { ThreadTimes } from "../containers/container.ts";

/**
 * Gives what an earlier look saw of a thread; undefined when it did not see it: its id may have
 * become another's in between.
 */
export function sameThreadIn(
  earlier: readonly ThreadTimes[],
): (thread: ThreadTimes) => ThreadTimes | undefined {
  const byTid = new Map(earlier.map((thread) => [thread.tid, thread]));
  return ({ pid, tid, startTicks }) => {
    const other = byTid.get(tid);
    return other?.startTicks === startTicks && other.pid === pid ? other : undefined;
  };
}
