import type { ProcessUsage } from "../process_usage.ts";
import { parseProcessStat } from "./process_stat.ts";

/** The unit of times in `/proc/<pid>/stat`, USER_HZ, which is the same on all Linux. */
const TICKS_PER_SECOND = 100;

/**
 * Reads the files `stat` and `status` of a process (proc_pid_stat(5), proc_pid_status(5)), which
 * everybody may read; undefined when they are not of that form, or of a process that has ended.
 */
export function parseProcessUsage(stat: string, status: string): ProcessUsage | undefined {
  // What is in a tmpfs cannot be taken back.
  const [anonymous, shared] = ["RssAnon", "RssShmem"].map((name) =>
    new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]
  );
  const parsed = parseProcessStat(stat);
  if (anonymous === undefined || shared === undefined || !parsed) return undefined;
  return {
    memoryBytes: (Number(anonymous) + Number(shared)) * 1024,
    cpuSeconds: parsed.cpuTicks / TICKS_PER_SECOND,
    runnable: parsed.runnable,
  };
}
