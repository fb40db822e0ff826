import { shortContainerId } from "../../proto/container_id.ts";
import type { OneSide } from "../../proto/side.ts";
import { formatDuration } from "../../proto/duration.ts";
import { type CpuLimit, describeCpuLimit } from "../analysis/cpu_limit.ts";
import { type CpuUse, formatCpuUse } from "../analysis/cpu_use.ts";
import { addThreadTimes, type ThreadTime } from "../analysis/thread_time.ts";
import { describeThreadTime } from "../analysis/thread_time_text.ts";
import { fileName } from "../formats/frame_name.ts";
import type { DaemonCredentials } from "../client/daemon/daemon_credentials.ts";
import type { Target } from "../client/targets/target.ts";
import type { RecordingEvent, RecordingSummary } from "../client/recording/recording_event.ts";
import type { ConnectionEvent } from "../client/daemon/reconnecting_client.ts";
import type { PendingResult } from "../client/recording/pending_result.ts";
import type { FunctionShare } from "../analysis/hottest.ts";

/** Says what happens in a line for the terminal, or nothing for what is not worth one. */
export function describeEvent(
  event: RecordingEvent,
  { target, durationSeconds }: { target: Target; durationSeconds: number },
): string | undefined {
  switch (event.kind) {
    case "queued":
      return describeQueue(event);
    case "started":
      return `recording ${nameTarget(target)} for ${formatDuration(durationSeconds)} (${
        count(event.processes, "process", "processes")
      }), id ${event.recordingId}`;
    case "stopping":
      return event.sampling
        ? "stopping early; press Ctrl-C again to give up"
        : "sampling is over already; press Ctrl-C again to give up";
    case "profiling":
      return `recording ${nameTarget(target)} for ${formatDuration(durationSeconds)}`;
    case "cannot stop":
      return (event.sampling
        ? "this daemon cannot end a recording early, so it goes on"
        : "sampling is over already") + "; press Ctrl-C again to give up";
    case "converting":
      return "converting what was recorded";
    case "lost":
      return describeLoss(event);
    case "recording again":
      return "the recording was lost with the connection; recording again";
    case "progress":
    case "downloading":
      return undefined;
  }
}

/** Says as whom the daemons are called, where nobody has chosen that; else nothing. */
export function describeAccount(access?: DaemonCredentials): string | undefined {
  const account = access?.foundServiceAccount;
  if (!account) return undefined;
  return `calling the daemons as service account ${account.namespace}/${account.name}; ` +
    "--service-account chooses another";
}

/**
 * Says what a recording that starts leaves out, or does otherwise, though nobody has asked for
 * that; mostly nothing.
 */
export function describeLeftOut(
  event: RecordingEvent,
  { side }: { side?: OneSide },
): string | undefined {
  if (event.kind === "profiling") {
    return "the daemon supports only Profile, the RPC of the first implementation of NecoPerf: it " +
      "samples with its own settings (in that one 99 Hz, --call-graph dwarf and only the " +
      "container's first process), reports nothing until the result arrives, and cannot end a " +
      "recording early";
  }
  return event.kind === "started" && event.side === "user" && side === undefined
    ? "kernel samples are left out: the caller has no right to profiles/kernel here"
    : undefined;
}

/** Says what a recording waits for. */
export function describeQueue(
  { ahead, sameContainer }: { ahead: number; sameContainer: boolean },
): string {
  if (sameContainer) return "waiting: this container is being recorded already";
  return ahead === 0
    ? "waiting: this recording is the next"
    : `waiting: ${count(ahead, "recording")} before this one`;
}

/** Says that a connection was lost, and what is done about it. */
export function describeLoss({ reason, retryTimeoutSeconds }: ConnectionEvent): string {
  return `${reason}; trying again for ${formatDuration(retryTimeoutSeconds)}`;
}

/** Says how to get a result that is left with the daemon: with `command`. */
export function describeLeft({ sure, keptUntil }: PendingResult, command: string): string {
  const until = keptUntil ? ` until ${keptUntil.toTimeString().slice(0, 8)}` : " for a while";
  return `the daemon ${
    sure ? "keeps" : "may keep"
  } the result${until}; this goes on with it:\n  ${command}`;
}

/**
 * For example: `2970 samples in 30s, none lost; about 0.2 CPUs used; CPU limit of 200m used up in
 * 290 of 300 periods; 1.2 MB`.
 */
export function describeSummary(
  summary: RecordingSummary,
  { cpuUse, cpuLimit }: { cpuUse?: CpuUse; cpuLimit?: CpuLimit } = {},
): string {
  const { samples, lostSamples, throttled, sampledSeconds, sizeBytes } = summary;
  return [
    `${count(samples, "sample")} in ${formatDuration(sampledSeconds)}, ${
      describeLost(lostSamples)
    }`,
    ...throttled ? [`throttled ${count(throttled, "time")}`] : [],
    ...cpuUse ? [`about ${formatCpuUse(cpuUse)} used`] : [],
    ...cpuLimit ? [describeCpuLimit(cpuLimit) ?? []].flat() : [],
    formatSize(sizeBytes),
  ].join("; ");
}

/** Sums up several results: `all 3 together: 891 samples, none lost; ...`. */
export function describeTogether(
  results: { summary: RecordingSummary; cpuUse?: CpuUse; threadTime?: ThreadTime }[],
): string {
  const sum = (part: (summary: RecordingSummary) => number) =>
    results.reduce((sum, { summary }) => sum + part(summary), 0);
  const isLostKnown = results.every(({ summary }) => summary.lostSamples !== undefined);
  const uses = results.map(({ cpuUse }) => cpuUse).filter((use) => use !== undefined);
  const cpus = uses.reduce((sum, { cpus }) => sum + cpus, 0);
  const threadTime = addThreadTimes(results.map(({ threadTime }) => threadTime));
  return [
    `all ${results.length} together: ${count(sum(({ samples }) => samples), "sample")}, ${
      describeLost(isLostKnown ? sum(({ lostSamples }) => lostSamples!) : undefined)
    }`,
    ...uses.length === results.length ? [`about ${formatCpuUse({ ...uses[0], cpus })} used`] : [],
    ...threadTime ? [describeThreadTime(threadTime)] : [],
  ].join("; ");
}

function describeLost(lostSamples?: number): string {
  return lostSamples === undefined ? "how many lost is not known" : `${lostSamples || "none"} lost`;
}

/** A table of functions with their shares, as kubectl prints tables; nothing when there is none. */
export function describeHottest(functions: FunctionShare[], columns = Infinity): string[] {
  if (functions.length === 0) return [];
  const percent = (share: number) => `${(share * 100).toFixed(1)}%`.padStart(6);
  const hasKinds = functions.some(({ kind }) => kind !== undefined);
  const kindOf = ({ kind }: FunctionShare) => hasKinds ? `${kind ?? ""}`.padEnd(9) : "";
  const titles = `  SELF   TOTAL  ${hasKinds ? "MOSTLY   " : ""}FUNCTION`;
  return [titles].concat(functions.map((one) => {
    const file = one.dso === "" ? "" : ` (${fileName(one.dso)})`;
    const start = `${percent(one.self)}  ${percent(one.total)}  ${kindOf(one)}`;
    // Names of templates fill many lines.
    const room = Math.max(columns - start.length - file.length, 20);
    const name = one.symbol.length > room ? `${one.symbol.slice(0, room - 3)}...` : one.symbol;
    return start + name + file;
  }));
}

/** Says why a result is partial; nothing when it is not. */
export function describePartial(
  { completeness, sampledSeconds }: RecordingSummary,
  durationSeconds?: number,
): string | undefined {
  const sampled = formatDuration(sampledSeconds) +
    (durationSeconds === undefined ? "" : ` of ${formatDuration(durationSeconds)}`);
  switch (completeness) {
    case "full":
    case "unknown":
      return undefined;
    case "stopped":
      return `the result is partial: stopped early, after ${sampled}`;
    case "target-ended":
      return `the result is partial: the container's processes ended after ${sampled}`;
    case "shutdown":
      return `the result is partial: the daemon was shut down after ${sampled}`;
    case "perf-failed":
      return `the result is partial: perf was killed or failed on the node after ${sampled}`;
  }
}

function nameTarget({ pod, containerId, endpoint }: Target): string {
  return pod
    ? `${pod.namespace}/${pod.name} container ${pod.container} on ${pod.nodeName}`
    : `container ${shortContainerId(containerId)} by ${endpoint.address}`;
}

function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}

/** For example `1.2 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
