import { parseProcessStat, type ProcessStat } from "./process_stat.ts";
import type { ProcessUsage } from "../process_usage.ts";
import { parseProcessUsage } from "./process_usage.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";
import type { ThreadTimes } from "./container.ts";
import { parseThreadTimes } from "./thread_stat.ts";

/** The processes of this node, as a mounted procfs shows them. Rejections are `StatusError`s. */
export interface Procfs {
  /** The ids of all processes, ascending. */
  pids(): Promise<number[]>;

  /**
   * The text of the process's `cgroup` file; undefined when there is no such process (any more).
   */
  cgroup(pid: number): Promise<string | undefined>;

  /** What the process's `stat` file says; undefined when there is no such process (any more). */
  stat(pid: number): Promise<ProcessStat | undefined>;

  /** The process's memory and processor time; undefined when the process does not exist. */
  usage(pid: number): Promise<ProcessUsage | undefined>;

  /**
   * The name that the process's program goes by: its first argument, without directories. A process
   * can set it to anything. Undefined when it has none, as when there is no such process (any
   * more).
   */
  program(pid: number): Promise<string | undefined>;

  /** The ids of the process's threads; undefined when there is no such process (any more). */
  threads(pid: number): Promise<number[] | undefined>;

  /** The text of the daemon's own `mountinfo` file. */
  mountInfo(): Promise<string>;

  /**
   * What the kernel has counted of a thread; undefined when there is no such thread (any more), and
   * with a kernel that does not count.
   */
  threadTimes(pid: number, tid: number): Promise<ThreadTimes | undefined>;

  /** Seconds since the system started (CLOCK_BOOTTIME), to 10 ms. */
  uptime(): Promise<number>;

  /** How far the kernel has come in giving out ids of processes and threads. */
  pidCursor(): Promise<PidCursor>;

  /**
   * Rejects with words for an administrator when this is not the host's procfs, or not readable.
   */
  check(): Promise<void>;
}

/** The kernel gives ids out in ascending order, and begins anew above `maxPid`. */
export interface PidCursor {
  /** The id given out last. */
  lastPid: number;
  maxPid: number;
  /** How many processes and threads have been started since the system was. */
  forks: number;
}

/**
 * Reads the procfs that is mounted at `dir`. A program with narrow permissions cannot use `/proc`
 * itself: Deno refuses it without `--allow-all`.
 */
export function openProcfs(dir: string): Procfs {
  async function read(path: string): Promise<string | undefined> {
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      if (hasEnded(error)) return undefined;
      throw unreadable(path, error);
    }
  }

  /** A process can have megabytes of arguments. */
  async function readBeginning(path: string): Promise<string | undefined> {
    try {
      using file = await Deno.open(path);
      const bytes = new Uint8Array(4096);
      const length = await file.read(bytes) ?? 0;
      return new TextDecoder().decode(bytes.subarray(0, length));
    } catch (error) {
      if (hasEnded(error)) return undefined;
      throw unreadable(path, error);
    }
  }

  async function ids(path: string): Promise<number[] | undefined> {
    const found: number[] = [];
    try {
      for await (const { name } of Deno.readDir(path)) {
        if (/^[1-9]\d*$/.test(name)) found.push(Number(name));
      }
    } catch (error) {
      if (path !== dir && hasEnded(error)) return undefined;
      throw unreadable(path, error);
    }
    return found.sort((a, b) => a - b);
  }

  /** A number in a file that does not belong to a process. */
  async function number(name: string, pattern: RegExp): Promise<number> {
    const [, digits] = pattern.exec(await read(`${dir}/${name}`) ?? "") ?? [];
    if (digits === undefined) throw unreadable(`${dir}/${name}`, new Error("it has another form"));
    return Number(digits);
  }

  const procfs: Procfs = {
    pids: async () => (await ids(dir))!,
    cgroup: (pid) => read(`${dir}/${pid}/cgroup`),
    async stat(pid) {
      const text = await read(`${dir}/${pid}/stat`);
      return text === undefined ? undefined : parseProcessStat(text);
    },
    async usage(pid) {
      const [stat, status] = await Promise.all([
        read(`${dir}/${pid}/stat`),
        read(`${dir}/${pid}/status`),
      ]);
      if (stat === undefined || status === undefined) return undefined;
      return parseProcessUsage(stat, status);
    },
    async program(pid) {
      const text = await readBeginning(`${dir}/${pid}/cmdline`);
      return text?.split("\0")[0].split("/").at(-1) || undefined;
    },
    threads: (pid) => ids(`${dir}/${pid}/task`),
    mountInfo: async () => await read(`${dir}/${Deno.pid}/mountinfo`) ?? "",
    async threadTimes(pid, tid) {
      const [stat, schedstat] = await Promise.all(
        ["stat", "schedstat"].map((file) => read(`${dir}/${pid}/task/${tid}/${file}`)),
      );
      if (stat === undefined || schedstat === undefined) return undefined;
      return parseThreadTimes(pid, tid, stat, schedstat);
    },
    uptime: () => number("uptime", /^(\d+\.\d+) /),
    async pidCursor() {
      const [lastPid, maxPid, forks] = await Promise.all([
        number("loadavg", / (\d+)\n/),
        number("sys/kernel/pid_max", /^(\d+)\n/),
        number("stat", /^processes (\d+)$/m),
      ]);
      return { lastPid, maxPid, forks };
    },
    async check() {
      if ((await procfs.pids()).length === 0) {
        throw new StatusError(
          "UNAVAILABLE",
          `${dir} shows no process: mount the host's /proc there`,
        );
      }
      // In the PID namespace of the mount. perf is given these numbers, so they must be ours.
      const self = await Deno.readLink(`${dir}/self`).catch(() => undefined);
      if (self !== String(Deno.pid)) {
        throw new StatusError(
          "UNAVAILABLE",
          `${dir} counts processes in another PID namespace than the daemon's (${
            self === undefined ? "it does not show the daemon" : `the daemon is ${self} there`
          } and ${Deno.pid} here): set hostPID: true and mount the host's /proc there`,
        );
      }
      if (await procfs.cgroup(1) === undefined) {
        throw new StatusError(
          "UNAVAILABLE",
          `${dir} hides the processes of other users: mount it without the option hidepid`,
        );
      }
    },
  };
  return procfs;
}

/**
 * How many files are read at once: enough to keep Deno's threads busy, few enough to share them.
 */
const CONCURRENT_READS = 16;

/**
 * Reads one thing of each process, some at a time; processes for which there is nothing to read
 * (any more) are left out.
 */
export async function readEach<T>(
  pids: readonly number[],
  read: (pid: number) => Promise<T | undefined>,
): Promise<Map<number, T>> {
  const found = new Map<number, T>();
  let next = 0;
  async function work() {
    while (next < pids.length) {
      const pid = pids[next++];
      const value = await read(pid);
      if (value !== undefined) found.set(pid, value);
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_READS }, work));
  return found;
}

/** Whether the process ended before its file was opened, or (ESRCH) between opening and reading. */
function hasEnded(error: unknown): boolean {
  // Deno has no class for ESRCH, and gives some errors no `code`; the message has the number.
  return error instanceof Deno.errors.NotFound || /\(os error 3\)/.test(String(error));
}

function unreadable(path: string, error: unknown): StatusError {
  return new StatusError(
    "UNAVAILABLE",
    `cannot read ${path}: ${quote((error as Error).message, 200)}; ` +
      "--proc-dir names where the host's /proc is mounted",
    { cause: error },
  );
}
