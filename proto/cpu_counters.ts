/** What the kernel counted of a container's processor time. Missing values are not known. */
export interface CpuCounters {
  /** How long it counted. */
  elapsedSeconds: number;
  /** Processor time that the container used. */
  usedSeconds?: number;
  /** The container's CPU limit. */
  bandwidth?: CpuBandwidth;
  /** The CPU limit of its whole pod. */
  podBandwidth?: CpuBandwidth;
  /** How long at least one thread could have run and did not, be it for the limit or for others. */
  pressureSeconds?: number;
  /** Where that is not known: how long its threads could have run and did not, summed over them. */
  delaySeconds?: number;
}

/** A CPU limit as the kernel has it, and how often it was used up. */
export interface CpuBandwidth {
  /** Processor time that may be used in each period; missing where there is no limit. */
  quotaSeconds?: number;
  /** How long a period is. */
  periodSeconds: number;
  /** Periods in which something ran. */
  periods: number;
  /** Of those, periods in which the quota was used up. */
  throttledPeriods: number;
  /** How long it was stopped for that, summed over processors. */
  throttledSeconds: number;
}
