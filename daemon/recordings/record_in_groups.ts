/** How many groups are recorded at a time, each by a perf record and a perf script. */
const MAX_GROUPS = 3;
/** Processes that wait for a place: more than anybody starts in a container by hand. */
const MAX_WAITING = 1024;

/**
 * Records processes in the groups in which they come, a few groups at a time. Those that come while
 * there is no place wait, and are one group when there is one.
 *
 * Resolves, when `entered` has ended and nothing is recorded any more, with how many processes
 * waited in vain. `record` may not reject.
 */
export async function recordInGroups(
  entered: AsyncIterable<readonly number[]>,
  record: (pids: number[]) => Promise<void>,
): Promise<number> {
  const recorded = new Set<Promise<void>>();
  let waiting: number[] = [];
  let [missed, ended] = [0, false];
  function recordNext(): void {
    if (ended || waiting.length === 0 || recorded.size === MAX_GROUPS) return;
    const group = waiting;
    waiting = [];
    const one = record(group).then(() => {
      recorded.delete(one);
      recordNext();
    });
    recorded.add(one);
  }
  try {
    for await (const pids of entered) {
      const room = MAX_WAITING - waiting.length;
      waiting.push(...pids.slice(0, room));
      missed += pids.slice(room).length;
      recordNext();
    }
  } finally {
    ended = true;
    await Promise.all(recorded);
  }
  return missed + waiting.length;
}
