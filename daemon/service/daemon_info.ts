import { toDuration } from "../../proto/duration.ts";
import type { GetDaemonInfoResponse } from "../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import type { ProfilingRights } from "../access/admission.ts";
import { VERSION } from "../../version.ts";
import type { PerfAndKernel } from "../perf/perf_version.ts";
import type { Readiness } from "../operations/readiness.ts";
import type { Limits } from "../recordings/recording_options.ts";

/** What of a daemon changes, or is known only once it runs. */
interface DaemonState {
  versions: PerfAndKernel;
  readiness: Readiness;
  queue: { running: number; waiting: number };
  /** The caller's rights in the namespace of the request. */
  rights?: ProfilingRights;
}

/** The options of a daemon that callers may know. */
interface DescribedOptions {
  nodeName?: string;
  limits: Limits;
  maxConcurrent: number;
  maxQueue: number;
  resultRetentionSeconds: number;
  maxRecordResponseBytes: number;
}

/** What a daemon reports about itself to any caller: nothing of what it does for others. */
export function describeDaemon(
  options: DescribedOptions,
  { versions, readiness, queue, rights }: DaemonState,
): GetDaemonInfoResponse {
  const { limits } = options;
  return {
    version: VERSION,
    nodeName: options.nodeName,
    perfVersion: versions.perf,
    kernelRelease: versions.kernel,
    versionSkew: versions.skew,
    ready: readiness.ready,
    readiness: readiness.report,
    runningRecordings: queue.running,
    waitingRecordings: queue.waiting,
    rights: rights && { profiles: rights.user, profilesKernel: rights.kernel },
    limits: {
      maxDuration: toDuration(limits.maxDurationSeconds),
      maxFrequency: limits.maxFrequencyHz,
      maxStackSize: limits.maxStackSizeBytes,
      allowedEvents: [...limits.allowedEvents],
      maxConcurrent: options.maxConcurrent,
      maxQueue: options.maxQueue,
      resultRetention: toDuration(options.resultRetentionSeconds),
      maxRecordResponse: options.maxRecordResponseBytes,
      threadTimeBytesPerSecond: limits.threadTimeBytesPerSecond,
    },
  };
}
