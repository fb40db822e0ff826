import { type Completeness, completenessOf } from "../../../proto/completeness.ts";
import type { CpuBandwidth, CpuCounters } from "../../../proto/cpu_counters.ts";
import type { ConnectionEvent } from "../daemon/reconnecting_client.ts";
import { fromDuration } from "../../../proto/duration.ts";
import type { CpuBandwidth__Output as CpuBandwidthMessage } from "../../../proto/gen/necoperf/CpuBandwidth.ts";
import type { CpuCounters__Output as CpuCountersMessage } from "../../../proto/gen/necoperf/CpuCounters.ts";
import type {
  _necoperf_RecordingEvent_Finished__Output as Finished,
  RecordingEvent__Output as EventMessage,
} from "../../../proto/gen/necoperf/RecordingEvent.ts";
import { type Side, sideOf } from "../../../proto/side.ts";

/** A daemon may say anything. */
const MAX_REASON_LENGTH = 300;

/** What happens while a recording runs. */
export type RecordingEvent =
  /** How many recordings go first; `sameContainer`: it waits for another of its own container. */
  | { kind: "queued"; ahead: number; sameContainer: boolean }
  /** `side` and `frequencyHz` are what is used, if the daemon says it. */
  | {
    kind: "started";
    recordingId: string;
    processes: number;
    side?: Side;
    frequencyHz?: number;
  }
  | { kind: "progress"; elapsedSeconds: number; samples: number; lostSamples: number }
  /** The daemon knows `Profile` alone: it says nothing until the result arrives. */
  | { kind: "profiling" }
  /** `stopSignal` was heard, and this daemon cannot end a recording early. */
  | { kind: "cannot stop"; sampling: boolean }
  /** `stopSignal` was heard. When sampling was over by then there is nothing to stop. */
  | { kind: "stopping"; sampling: boolean }
  /** Sampling is over; perf script is at the rest. */
  | { kind: "converting" }
  | DownloadEvent
  /** The daemon has nothing of the recording any more: another is asked for. */
  | { kind: "recording again" };

/** What happens to a download. */
export type DownloadEvent =
  | ConnectionEvent
  /**
   * So much of the result's gzip stream is here, out of so much. How much it will be is not known
   * while the daemon makes it, nor to who asks for no more than the result.
   */
  | { kind: "downloading"; receivedBytes: number; totalBytes?: number };

/** How a recording ended that has a result. */
export interface RecordingSummary {
  /**
   * Whether all of the duration was sampled; if not, who ended it. `unknown` where the daemon knows
   * `Profile` alone, which does not say it.
   */
  completeness: Completeness | "unknown";
  /** Samples in the result. */
  samples: number;
  /** Samples that perf could not keep up with. Not there when the daemon does not say it. */
  lostSamples?: number;
  /** Times the kernel took no samples for a while, because they took too long. Likewise. */
  throttled?: number;
  /**
   * Processes that entered the container meanwhile, as by `kubectl exec`, and were not recorded.
   * Likewise.
   */
  missedProcesses?: number;
  /** How long sampling took in fact. */
  sampledSeconds: number;
  /** Size of the result, not compressed. */
  sizeBytes: number;
  /** Samples per second and processor. Not known of a result that is fetched later. */
  frequencyHz?: number;
  /**
   * What the kernel counted of the container's processor time meanwhile, if the daemon can read it.
   */
  cpu?: CpuCounters;
  /**
   * Why there is no `cpu`, or no `bandwidth` in it; a daemon of an older release does not say it.
   */
  cpuUnknown?: string;
}

/** Takes from a message what callers need to know. */
export function toEvent(message: EventMessage, recordingId: string): RecordingEvent | undefined {
  switch (message.event) {
    case "queued": {
      const { ahead, sameContainer } = message.queued!;
      return { kind: "queued", ahead, sameContainer };
    }
    case "started": {
      const { processes, side, frequency } = message.started!;
      const frequencyHz = frequency || undefined;
      return { kind: "started", recordingId, processes, side: sideOf(side), frequencyHz };
    }
    case "progress": {
      const { elapsed, samples, lostSamples } = message.progress!;
      return { kind: "progress", elapsedSeconds: fromDuration(elapsed), samples, lostSamples };
    }
    case "converting":
      return { kind: "converting" };
  }
}

/** Takes from the last message what the result is. */
export function toSummary(finished: Finished): RecordingSummary {
  return {
    completeness: completenessOf(finished.completeness),
    samples: finished.samples,
    lostSamples: finished.lostSamples,
    throttled: finished.throttled,
    missedProcesses: finished.missedProcesses,
    sampledSeconds: fromDuration(finished.sampled),
    sizeBytes: finished.size,
    ...finished.cpu && { cpu: toCounters(finished.cpu) },
    ...finished.cpuUnknown && { cpuUnknown: finished.cpuUnknown.slice(0, MAX_REASON_LENGTH) },
  };
}

function toCounters(message: CpuCountersMessage): CpuCounters {
  const { elapsed, used, bandwidth, podBandwidth, pressure, delay } = message;
  return {
    elapsedSeconds: fromDuration(elapsed),
    ...used && { usedSeconds: fromDuration(used) },
    ...bandwidth && { bandwidth: toBandwidth(bandwidth) },
    ...podBandwidth && { podBandwidth: toBandwidth(podBandwidth) },
    ...pressure && { pressureSeconds: fromDuration(pressure) },
    ...delay && { delaySeconds: fromDuration(delay) },
  };
}

function toBandwidth(message: CpuBandwidthMessage): CpuBandwidth {
  const { quota, period, periods, throttledPeriods, throttled } = message;
  return {
    ...quota && { quotaSeconds: fromDuration(quota) },
    periodSeconds: fromDuration(period),
    periods,
    throttledPeriods,
    throttledSeconds: fromDuration(throttled),
  };
}
