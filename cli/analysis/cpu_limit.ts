import { formatCpuQuantity } from "../client/cluster/cpu_quantity.ts";
import type { CpuBandwidth } from "../../proto/cpu_counters.ts";
import type { RecordingSummary } from "../client/recording/recording_event.ts";
import type { CpuResources } from "../client/targets/pick_container.ts";

/** What a container's CPU limit did to it while it was recorded. */
export interface CpuLimit {
  /**
   * What kept it from a processor when it could have run: its CPU limit or its pod's, the node,
   * whose processors were busy, or nothing to speak of.
   */
  heldBackBy: "limit" | "pod limit" | "node" | "nothing" | "unknown";
  /**
   * The limit, in CPUs: the pod's if that held it back, or is the only one. Missing: there is none.
   */
  limitCpus?: number;
  /** Whether `limitCpus`, and what follows of it, is the pod's. */
  isOfPod?: boolean;
  /** What Kubernetes keeps for the container, in CPUs. */
  requestCpus?: number;
  /** What the container used, in CPUs, as the kernel counted it. */
  usedCpus?: number;
  /** How long the kernel's counters were watched. What follows is of that time. */
  elapsedSeconds?: number;
  /** Periods in which something ran; missing where there is no limit. */
  periods?: number;
  /** Of those, periods in which the limit was used up. */
  throttledPeriods?: number;
  /** How long it was stopped for that, summed over processors. */
  throttledSeconds?: number;
  /** How long some thread could have run and did not, for the limit or for others. */
  waitedSeconds?: number;
  /** Where that is not known: the same, summed over threads. */
  delaySeconds?: number;
  /**
   * An estimate of the limit, in CPUs, that would hardly have stopped it; when this one did mostly.
   */
  enoughCpus?: number;
  /** Why more is not known; for people. */
  unknown?: string;
}

/** From when on something held a container back: rather not than for what hardly matters. */
const THRESHOLDS = {
  /** Of the periods in which it ran. */
  throttledShare: 0.05,
  /** With fewer, chance decides. */
  throttledPeriods: 3,
  /** Of the time: that a thread waits for others of its own for a moment is usual. */
  waitedShare: 0.1,
};

const OLD_DAEMON = "the daemon does not say it: its release is older than this client's";

/**
 * Finds what the CPU limit of a container did to it. `resources` are those of the container in the
 * cluster, when it was found there. Undefined when nobody has said anything of a limit.
 */
export function findCpuLimit(
  { cpu, cpuUnknown }: RecordingSummary,
  resources?: CpuResources,
): CpuLimit | undefined {
  const wanted = resources?.limitCpus ?? resources?.podLimitCpus;
  if (!cpu || cpu.elapsedSeconds <= 0) {
    if (cpuUnknown === undefined && wanted === undefined) return undefined;
    return {
      heldBackBy: "unknown",
      ...limitOf(resources),
      unknown: cpuUnknown ?? OLD_DAEMON,
    };
  }
  const { elapsedSeconds, usedSeconds, pressureSeconds, delaySeconds } = cpu;
  const { bandwidth, podBandwidth } = cpu;
  const isOfPod = podBandwidth?.quotaSeconds !== undefined &&
    (bandwidth?.quotaSeconds === undefined || !isUsedUp(bandwidth) && isUsedUp(podBandwidth));
  const counted = isOfPod ? podBandwidth : bandwidth;
  const found = {
    ...counted ? quotaOf(counted, isOfPod) : limitOf(resources),
    ...resources?.requestCpus === undefined ? {} : { requestCpus: resources.requestCpus },
    ...usedSeconds === undefined ? {} : { usedCpus: usedSeconds / elapsedSeconds },
    elapsedSeconds,
    ...pressureSeconds === undefined ? {} : { waitedSeconds: pressureSeconds },
    ...delaySeconds === undefined ? {} : { delaySeconds },
  };
  const stopped = stoppedSeconds(counted);
  const forOthers = (pressureSeconds ?? 0) - stopped;
  // On a node that is short of processors a container may also use up its limit now and then.
  const isMostlyForOthers = forOthers > stopped &&
    forOthers >= THRESHOLDS.waitedShare * elapsedSeconds;
  if (counted && isUsedUp(counted) && !isMostlyForOthers) {
    return {
      heldBackBy: isOfPod ? "pod limit" : "limit",
      ...found,
      enoughCpus: estimateEnough(counted),
    };
  }
  // Of several threads each waits: they are held against what they got.
  const waited = pressureSeconds ?? delaySeconds;
  const all = pressureSeconds === undefined
    ? Math.max(elapsedSeconds, (usedSeconds ?? 0) + (delaySeconds ?? 0))
    : elapsedSeconds;
  if (waited === undefined) {
    const unknown = cpuUnknown ?? "the kernel of the node does not say who waits for a processor";
    return { heldBackBy: "unknown", ...found, unknown };
  }
  if (waited - stopped < THRESHOLDS.waitedShare * all) {
    return { heldBackBy: "nothing", ...found };
  }
  // It waited. Only where it is sure that no limit stopped it was it for the node.
  const hasNoLimit = resources !== undefined && wanted === undefined;
  return counted || hasNoLimit
    ? { heldBackBy: "node", ...found }
    : { heldBackBy: "unknown", ...found, unknown: cpuUnknown };
}

/** What a CPU limit did, in a few words; nothing when it is not even known whether there is one. */
export function describeCpuLimit(limit: CpuLimit): string | undefined {
  const { limitCpus, periods, throttledPeriods, isOfPod, unknown } = limit;
  if (limitCpus === undefined) return unknown === undefined ? "no CPU limit" : undefined;
  const name = `${isOfPod ? "pod's CPU limit" : "CPU limit"} of ${formatCpuQuantity(limitCpus)}`;
  if (throttledPeriods === undefined) {
    return limit.heldBackBy === "nothing"
      ? `${name} not used up`
      : `not known whether the ${name} was used up`;
  }
  return throttledPeriods === 0
    ? `${name} not used up`
    : `${name} used up in ${throttledPeriods} of ${periods} ${
      periods === 1 ? "period" : "periods"
    }`;
}

/** The limit that Kubernetes knows of; the pod's where the container has none. */
function limitOf(
  { limitCpus, podLimitCpus }: CpuResources = {},
): Pick<CpuLimit, "limitCpus" | "isOfPod"> {
  if (limitCpus !== undefined) return { limitCpus };
  return podLimitCpus === undefined ? {} : { limitCpus: podLimitCpus, isOfPod: true };
}

/** The limit as the kernel enforces it, and what it counted. */
function quotaOf(bandwidth: CpuBandwidth, isOfPod: boolean) {
  const { quotaSeconds, periodSeconds, periods, throttledPeriods, throttledSeconds } = bandwidth;
  if (quotaSeconds === undefined) return {};
  return {
    // Both are whole microseconds.
    limitCpus: Math.round(quotaSeconds * 1e6 / periodSeconds) / 1e6,
    ...isOfPod && { isOfPod },
    periods,
    throttledPeriods,
    throttledSeconds,
  };
}

function isUsedUp({ quotaSeconds, periods, throttledPeriods }: CpuBandwidth): boolean {
  return quotaSeconds !== undefined && throttledPeriods >= THRESHOLDS.throttledPeriods &&
    throttledPeriods >= THRESHOLDS.throttledShare * periods;
}

/** How long a limit stopped all of a container at most: it is stopped within a period. */
function stoppedSeconds(bandwidth: CpuBandwidth | undefined): number {
  if (!bandwidth) return 0;
  const { periodSeconds, throttledPeriods, throttledSeconds } = bandwidth;
  return Math.min(throttledSeconds, throttledPeriods * periodSeconds);
}

/**
 * Estimates the limit that would hardly have stopped it, in CPUs. In a period in which it was
 * stopped it used its quota up, and had work for each processor on which it was stopped for as long
 * as that took: so many processors would it have kept busy, on average of these periods.
 *
 * Work that piled up while it was stopped makes that larger than what is needed; threads that
 * shared a processor make it smaller. So does a time with more work than the one that was recorded.
 */
function estimateEnough(bandwidth: CpuBandwidth): number {
  const { quotaSeconds, periodSeconds, throttledPeriods, throttledSeconds } = bandwidth;
  const stoppedCpus = throttledSeconds / (throttledPeriods * periodSeconds);
  return roundUp(quotaSeconds! / periodSeconds + stoppedCpus);
}

/** Rounds up to two digits: the number is an estimate. */
function roundUp(cpus: number): number {
  const milliCpus = Math.round(cpus * 1000);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(milliCpus)) - 1);
  return Math.ceil(milliCpus / unit) * unit / 1000;
}
