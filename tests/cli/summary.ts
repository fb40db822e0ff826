import type { RecordingSummary } from "../../cli/client/recording/recording_event.ts";

/** What a recording without a flaw has to say of itself. */
export const SUMMARY: RecordingSummary = {
  completeness: "full",
  samples: 1000,
  lostSamples: 0,
  throttled: 0,
  missedProcesses: 0,
  sampledSeconds: 10,
  sizeBytes: 1,
};
