/**
 * The files of a cgroup that say how much processor time it may have and has had: of cgroup v1
 * (Documentation/scheduler/sched-bwc.rst of the kernel, admin-guide/cgroup-v1/cpuacct.rst) and v2
 * (admin-guide/cgroup-v2.rst, accounting/psi.rst).
 *
 * @module
 */
import type { CpuBandwidth } from "../recording.ts";

/** Reads a file of the cgroup by its name; undefined when there is none. */
export type ReadCgroupFile = (name: string) => Promise<string | undefined>;

/** The limit of a cgroup of v1, and how often it was used up since there is the cgroup. */
export async function readBandwidthV1(read: ReadCgroupFile): Promise<CpuBandwidth | undefined> {
  const [stat, quotaText, periodText] = await Promise.all(
    ["cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"].map(read),
  );
  // -1: no limit.
  const quotaMicros = quotaText?.trim() === "-1" ? null : wholeNumber(quotaText);
  return toBandwidth(stat, quotaMicros, wholeNumber(periodText), ["throttled_time", 1e9]);
}

/** The same of v2, whose files are there when the cgroup has the controller `cpu`. */
export async function readBandwidthV2(read: ReadCgroupFile): Promise<CpuBandwidth | undefined> {
  const [stat, max] = await Promise.all(["cpu.stat", "cpu.max"].map(read));
  const [quotaText, periodText] = max?.trim().split(" ") ?? [];
  const quotaMicros = quotaText === "max" ? null : wholeNumber(quotaText);
  return toBandwidth(stat, quotaMicros, wholeNumber(periodText), ["throttled_usec", 1e6]);
}

function toBandwidth(
  stat: string | undefined,
  /** `null`: none. */
  quotaMicros: number | null | undefined,
  periodMicros: number | undefined,
  [throttled, unitsPerSecond]: [name: string, unitsPerSecond: number],
): CpuBandwidth | undefined {
  const counted = ["nr_periods", "nr_throttled", throttled].map((name) => field(stat, name));
  const [periods, throttledPeriods, throttledTime] = counted;
  const isKnown = counted.every((number) => number !== undefined);
  if (!isKnown || quotaMicros === undefined || !periodMicros) return undefined;
  return {
    ...quotaMicros === null ? {} : { quotaSeconds: quotaMicros / 1e6 },
    periodSeconds: periodMicros / 1e6,
    periods: periods!,
    throttledPeriods: throttledPeriods!,
    throttledSeconds: throttledTime! / unitsPerSecond,
  };
}

/** Processor time, in seconds, of a cgroup of v1 with the controller `cpuacct`. */
export async function readUseV1(read: ReadCgroupFile): Promise<number | undefined> {
  return toSeconds(wholeNumber(await read("cpuacct.usage")), 1e9);
}

/** The same of v2, which counts it without any controller. */
export async function readUseV2(read: ReadCgroupFile): Promise<number | undefined> {
  return toSeconds(field(await read("cpu.stat"), "usage_usec"), 1e6);
}

/** How long, in seconds, at least one thread of a cgroup of v2 could have run and did not. */
export async function readPressure(read: ReadCgroupFile): Promise<number | undefined> {
  const [, total] = /^some .*\btotal=(\d+)$/m.exec(await read("cpu.pressure") ?? "") ?? [];
  return toSeconds(wholeNumber(total), 1e6);
}

/** The number after a name, in a file with a name and a number on each line. */
function field(text: string | undefined, name: string): number | undefined {
  return wholeNumber(new RegExp(`^${name} (\\d+)$`, "m").exec(text ?? "")?.[1]);
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,18}\n?$/.test(text) ? Number(text) : undefined;
}

function toSeconds(time: number | undefined, unitsPerSecond: number): number | undefined {
  return time === undefined ? undefined : time / unitsPerSecond;
}
