import { formatDuration } from "../proto/duration.ts";
import type { RecordingEvent, RecordingSummary } from "./daemon_client.ts";
import type { Target } from "./profile.ts";

/**
 * Says what happens in lines for the terminal, or nothing for what is not worth one. `side` is what
 * was asked for.
 */
export function describeEvent(
  event: RecordingEvent,
  { target, durationSeconds, side }: {
    target: Target;
    durationSeconds: number;
    side?: "user" | "kernel";
  },
): string | undefined {
  switch (event.kind) {
    case "queued":
      return event.ahead === 0
        ? "waiting: this recording is the next"
        : `waiting: ${count(event.ahead, "recording")} before this one`;
    case "started":
      return `recording ${nameTarget(target)} for ${formatDuration(durationSeconds)} (${
        count(event.processes, "process", "processes")
      })${event.side === "user" && side === undefined ? `\n${NO_KERNEL_SAMPLES}` : ""}`;
    case "stopping":
      return "stopping early; press Ctrl-C again to give up";
    case "converting":
      return "converting what was recorded";
    case "progress":
      return undefined;
  }
}

const NO_KERNEL_SAMPLES =
  "kernel samples are left out: the caller has no right to profiles/kernel here";

/** For example: `2970 samples in 30s, none lost; 1.2 MB`. */
export function describeSummary(summary: RecordingSummary): string {
  const lost = summary.lostSamples === 0 ? "none" : summary.lostSamples;
  return `${count(summary.samples, "sample")} in ${
    formatDuration(summary.sampledSeconds)
  }, ${lost} lost; ${formatSize(summary.sizeBytes)}`;
}

/** Says why a result is partial; nothing when it is not. */
export function describePartial(
  { completeness, sampledSeconds }: RecordingSummary,
  durationSeconds: number,
): string | undefined {
  const sampled = `${formatDuration(sampledSeconds)} of ${formatDuration(durationSeconds)}`;
  switch (completeness) {
    case "full":
      return undefined;
    case "stopped":
      return `the result is partial: stopped early, after ${sampled}`;
    case "target ended":
      return `the result is partial: the container's processes ended after ${sampled}`;
    case "daemon shut down":
      return `the result is partial: the daemon was shut down after ${sampled}`;
  }
}

function nameTarget({ pod, containerId, daemonAddress }: Target): string {
  return pod
    ? `${pod.namespace}/${pod.name} container ${pod.container} on ${pod.nodeName}`
    : `container ${containerId.slice(0, 12)} by ${daemonAddress}`;
}

function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}

function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
