import type { ThreadTimes } from "./container.ts";
import { type Procfs, readEach } from "./procfs.ts";

/** Reads what the kernel has counted of up to `maxThreads` threads of some processes. */
export async function readThreadTimes(
  procfs: Procfs,
  pids: readonly number[],
  maxThreads: number,
): Promise<ThreadTimes[]> {
  const threads = await readEach(pids, (pid) => procfs.threads(pid));
  const owners = new Map(
    [...threads].flatMap(([pid, tids]) => tids.map((tid) => [tid, pid] as const))
      .slice(0, maxThreads),
  );
  const found = await readEach(
    [...owners.keys()],
    (tid) => procfs.threadTimes(owners.get(tid)!, tid),
  );
  return [...found.values()];
}
