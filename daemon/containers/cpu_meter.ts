import type { CpuBandwidth, CpuCounters, CpuFindings } from "../recording.ts";
import { type ContainerCgroups, findCgroups, V2 } from "./cgroup_files.ts";
import type { Container, ContainerLookup, ThreadTimes } from "./container.ts";
import {
  readBandwidthV1,
  readBandwidthV2,
  readPressure,
  readUseV1,
  readUseV2,
} from "./cpu_files.ts";
import type { Procfs } from "./procfs.ts";

/** How often counters are read meanwhile: with a container that ends its cgroup is gone. */
const INTERVAL_MS = 1000;

/** Reading a container's threads takes a file for each. */
const MAX_THREADS = 1000;

/** Counts the processor time of one container. It rejects and throws nothing. */
export interface CpuMeter extends Disposable {
  /** Starts to count. */
  start(): void;
  /** Counts no further. */
  stop(): void;
  /** What was counted between `start` and `stop`. */
  read(): Promise<CpuFindings>;
}

/** Makes a meter for a container, which has to run. */
export type OpenCpuMeter = (container: Container) => Promise<CpuMeter>;

/**
 * Makes meters that read the counters of the container's cgroups below `directory`, where the
 * node's /sys/fs/cgroup is mounted.
 */
export function createCpuMeters(
  { procfs, directory, lookup, intervalMs = INTERVAL_MS }: {
    procfs: Procfs;
    directory: string;
    /** Finds how long threads waited, where the kernel does not count pressure. */
    lookup: Pick<ContainerLookup, "processes" | "threadTimes">;
    intervalMs?: number;
  },
): OpenCpuMeter {
  return async (container) => {
    const cgroups = await findCgroups(procfs, directory, container)
      .catch(() => "not among them" as const);
    if (cgroups === "none are mounted") return blindMeter(nothingMounted(directory));
    return cgroups === "not among them"
      ? blindMeter(NOT_AMONG_THEM)
      : createCpuMeter(cgroups, () => readThreads(lookup, container), intervalMs);
  };
}

/** A meter that says why it counts nothing. */
export function blindMeter(cpuUnknown: string): CpuMeter {
  return {
    start() {},
    stop() {},
    read: () => Promise.resolve({ cpuUnknown }),
    [Symbol.dispose]() {},
  };
}

function nothingMounted(directory: string): string {
  return "the node's daemon sees no cgroups: an administrator has to mount the node's " +
    `/sys/fs/cgroup at ${directory} (--cgroup-dir)`;
}

const NOT_AMONG_THEM = "the container's cgroup is not among those that the node's daemon sees";
const NO_BANDWIDTH = "the kernel has no CPU limit among what it counts for the container's cgroup";

/** What is there at one moment: sums since there is the cgroup. */
interface Reading extends Omit<CpuCounters, "elapsedSeconds" | "delaySeconds"> {
  atSeconds: number;
}

/** The kernel's counters of a container's threads; undefined when they cannot be read. */
type ReadThreads = () => Promise<ThreadTimes[] | undefined>;

async function readThreads(
  lookup: Pick<ContainerLookup, "processes" | "threadTimes">,
  container: Container,
): Promise<ThreadTimes[] | undefined> {
  try {
    const threads = await lookup.threadTimes(await lookup.processes(container), MAX_THREADS);
    return threads.length > 0 ? threads : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How long threads could have run and did not between two looks, as far as they are in the second.
 */
function delayBetween(after: ThreadTimes[], before: ThreadTimes[]): number {
  const earlier = new Map(before.map((one) => [`${one.tid} ${one.startTicks}`, one.delayNs]));
  const delays = after.map((one) =>
    one.delayNs - (earlier.get(`${one.tid} ${one.startTicks}`) ?? 0)
  );
  return delays.reduce((sum, delay) => sum + Math.max(0, delay), 0) / 1e9;
}

function createCpuMeter(
  cgroups: ContainerCgroups,
  readThreads: ReadThreads,
  intervalMs: number,
): CpuMeter {
  let threads: Promise<[before?: ThreadTimes[], after?: ThreadTimes[]]> = Promise.resolve([]);
  let first: Promise<Reading | undefined> | undefined;
  let last: Promise<Reading | undefined> | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  const readNext = () => {
    const before = last;
    last = readCounters(cgroups).then(async (reading) =>
      reading && hasAllOf(await first, reading) ? reading : await before
    );
  };
  const meter: CpuMeter = {
    start() {
      first = last = readCounters(cgroups);
      threads = first.then(async (first) =>
        first && first.pressureSeconds === undefined ? [await readThreads()] : []
      );
      timer = setInterval(readNext, intervalMs);
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      readNext();
      threads = threads.then(async ([before]) => before ? [before, await readThreads()] : []);
    },
    async read() {
      meter.stop();
      const [before, after] = [await first, await last];
      if (!before || !after || after.atSeconds <= before.atSeconds) {
        return { cpuUnknown: "the container ended before its cgroup could be read" };
      }
      const [threadsBefore, threadsAfter] = await threads;
      const cpu: CpuCounters = {
        ...subtract(after, before),
        ...threadsBefore && threadsAfter &&
          { delaySeconds: delayBetween(threadsAfter, threadsBefore) },
      };
      return cpu.bandwidth ? { cpu } : { cpu, cpuUnknown: NO_BANDWIDTH };
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
  return meter;
}

/** Reads all counters; undefined when the cgroup is gone. */
async function readCounters(cgroups: ContainerCgroups): Promise<Reading | undefined> {
  const v2 = cgroups.reader(V2);
  const [cpu, cpuacct] = ["cpu", "cpuacct"].map((controller) => cgroups.reader(controller));
  const [podV2, podCpu] = [cgroups.podReader(V2), cgroups.podReader("cpu")];
  const [bandwidth, podBandwidth, usedV2, usedV1, pressureSeconds] = await Promise.all([
    // A controller is in one hierarchy: v1's, if that has it.
    cpu ? readBandwidthV1(cpu) : v2 && readBandwidthV2(v2),
    podCpu ? readBandwidthV1(podCpu) : podV2 && readBandwidthV2(podV2),
    v2 && readUseV2(v2),
    cpuacct && readUseV1(cpuacct),
    v2 && readPressure(v2),
  ]);
  const usedSeconds = usedV2 ?? usedV1;
  if (!bandwidth && usedSeconds === undefined && pressureSeconds === undefined) return undefined;
  return {
    atSeconds: performance.now() / 1000,
    usedSeconds,
    bandwidth,
    podBandwidth,
    pressureSeconds,
  };
}

/** Whether nothing is missing: a container's cgroups go one after the other when it ends. */
function hasAllOf(first: Reading | undefined, reading: Reading): boolean {
  const names = Object.keys(first ?? {}) as (keyof Reading)[];
  return names.every((name) => first![name] === undefined || reading[name] !== undefined);
}

function subtract(after: Reading, before: Reading): CpuCounters {
  return {
    elapsedSeconds: after.atSeconds - before.atSeconds,
    usedSeconds: difference(after.usedSeconds, before.usedSeconds),
    bandwidth: bandwidthBetween(after.bandwidth, before.bandwidth),
    podBandwidth: bandwidthBetween(after.podBandwidth, before.podBandwidth),
    pressureSeconds: difference(after.pressureSeconds, before.pressureSeconds),
  };
}

/** The limit is the one at the end. */
function bandwidthBetween(after?: CpuBandwidth, before?: CpuBandwidth): CpuBandwidth | undefined {
  if (!after || !before) return undefined;
  return {
    ...after,
    periods: difference(after.periods, before.periods)!,
    throttledPeriods: difference(after.throttledPeriods, before.throttledPeriods)!,
    throttledSeconds: difference(after.throttledSeconds, before.throttledSeconds)!,
  };
}

/** Counters of the kernel do not go back; undefined when one is not known. */
function difference(after?: number, before?: number): number | undefined {
  return after === undefined || before === undefined ? undefined : Math.max(0, after - before);
}
