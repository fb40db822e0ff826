import type { PidGuard } from "./container.ts";
import { type PidCursor, type Procfs, readEach } from "./procfs.ts";

interface Noted {
  startTicks: number;
  threads: number[];
  /** From when on another could have had a thread's id. */
  threadsSince: PidCursor;
}

/**
 * Guards ids of processes that `processes` lists, from now on.
 *
 * A process that is there afterwards, started when it was and in the list, is the one that was
 * noted. Of what has gone, an id that the kernel has come by meanwhile may have been another's for
 * a while: without the cursor no short-lived process could be told from that.
 */
export async function guardPids(
  procfs: Procfs,
  processes: () => Promise<number[]>,
): Promise<PidGuard> {
  const before = await procfs.pidCursor();
  const noted = new Map<number, Noted>();
  return {
    async note(pids) {
      let threadCount = 0;
      // Threads are listed now; the processes were listed since `before`.
      const threadsSince = await procfs.pidCursor();
      const found = await readEach(pids, async (pid) => {
        const [stat, threads] = await Promise.all([procfs.stat(pid), procfs.threads(pid)]);
        return { startTicks: stat?.startTicks ?? NaN, threads: threads ?? [], threadsSince };
      });
      for (const [pid, note] of found) {
        noted.set(pid, note);
        threadCount += note.threads.length;
      }
      return threadCount;
    },

    async holds() {
      const after = await procfs.pidCursor();
      const inside = new Set(await processes());
      const held = await readEach([...noted.keys()], async (pid) => {
        const { startTicks, threads, threadsSince } = noted.get(pid)!;
        const passed = threads.filter((id) => hasComeBy(id, threadsSince, after));
        if (hasComeBy(pid, before, after)) passed.push(pid);
        const stat = inside.has(pid) ? await procfs.stat(pid) : undefined;
        if (stat?.startTicks !== startTicks) return passed.length === 0;
        if (passed.length === 0) return true;
        const left = new Set(await procfs.threads(pid));
        return passed.every((id) => left.has(id));
      });
      return held.values().every((each) => each);
    },
  };
}

/** Whether the kernel may have given an id out between two moments. */
function hasComeBy(id: number, before: PidCursor, after: PidCursor): boolean {
  const distance = (to: number) => (to - before.lastPid + before.maxPid) % before.maxPid;
  // More than once around.
  if (after.forks - before.forks > distance(after.lastPid)) return true;
  return id !== before.lastPid && distance(id) <= distance(after.lastPid);
}
