import type { ThreadTimes } from "./container.ts";

/**
 * What `/proc/<pid>/task/<tid>/stat` and `schedstat` say of a thread (proc_pid_stat(5),
 * Documentation/scheduler/sched-stats.rst); undefined when they are not of that form.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * const stat = "8 (a) b) S 1 7 7 0 -1 0 0 0 0 0 4 3 0 0 20 0 1 0 123 0 0\n";
 * const { comm, startTicks, runNs, delayNs, turns } = parseThreadTimes(7, 8, stat, "5 6 7\n")!;
 * assert.deepEqual([comm, startTicks, runNs, delayNs, turns], ["a) b", 123, 5, 6, 7]);
 * ```
 */
export function parseThreadTimes(
  pid: number,
  tid: number,
  stat: string,
  schedstat: string,
): ThreadTimes | undefined {
  // A name may hold any character; what comes after it can hold no parenthesis.
  const [nameStart, nameEnd] = [stat.indexOf("("), stat.lastIndexOf(") ")];
  if (nameStart < 0 || nameEnd < nameStart) return undefined;
  const fields = stat.slice(nameEnd + 2).trimEnd().split(" ");
  const startTicks = Number(fields[22 - 3]);
  const [, run, delay, turns] = /^(\d+) (\d+) (\d+)\n?$/.exec(schedstat) ?? [];
  if (turns === undefined || !Number.isSafeInteger(startTicks)) return undefined;
  return {
    ...{ pid, tid, startTicks, comm: stat.slice(nameStart + 1, nameEnd) },
    ...{ runNs: Number(run), delayNs: Number(delay), turns: Number(turns) },
  };
}
