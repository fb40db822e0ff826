import type { ProcessUsage } from "../process_usage.ts";

/** The usage of a process; undefined when it has gone or cannot be read. */
export type ReadUsage = (pid: number) => Promise<ProcessUsage | undefined>;

/** How long a process may take. */
interface IdleDeadlineOptions {
  /** So long it may do nothing. */
  idleMs: number;
  /** So long it may take in all, however busy it is. */
  maxMs: number;
  /** Without, `idleMs` is the time it may take in all. */
  readUsage?: ReadUsage;
  /** How often is looked. */
  intervalMs?: number;
}

/**
 * Calls back when a process has done nothing for too long, unless what is returned is called
 * before. A process that waits for a processor counts as busy: on a node with too much to do, which
 * is when people profile, perf takes a minute for what is a fraction of a second otherwise.
 */
export function startIdleDeadline(
  pid: number,
  { idleMs, maxMs, readUsage, intervalMs = 1000 }: IdleDeadlineOptions,
  onIdle: () => void,
): () => void {
  if (!readUsage) {
    const timer = setTimeout(onIdle, idleMs);
    return () => clearTimeout(timer);
  }
  let looks = 0;
  /** Looks and not a time, which goes on while the daemon itself gets no processor. */
  let idleLooks = 0;
  let cpuSeconds = -1;
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const usage = await readUsage(pid).catch(() => undefined);
    looking = false;
    looks++;
    const busy = usage !== undefined && (usage.runnable || usage.cpuSeconds !== cpuSeconds);
    idleLooks = busy ? 0 : idleLooks + 1;
    cpuSeconds = usage?.cpuSeconds ?? cpuSeconds;
    if (stopped || (idleLooks * intervalMs < idleMs && looks * intervalMs < maxMs)) return;
    stop();
    onIdle();
  }, intervalMs);
  let stopped = false;
  const stop = () => {
    stopped = true;
    clearInterval(timer);
  };
  return stop;
}
