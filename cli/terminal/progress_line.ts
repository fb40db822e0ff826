import { formatDuration } from "../../proto/duration.ts";
import { describeQueue, formatSize } from "./messages.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";

/** The progress of one recording, in one line. */
export interface ProgressLine {
  onEvent(event: RecordingEvent): void;
  /** The line as it is now; it has no more than so many columns if these are enough for a word. */
  render(columns: number): string;
}

const MOST_BAR_COLUMNS = 30;
const LEAST_BAR_COLUMNS = 8;
/** The text after a bar mostly fits into it, so that the bar's end stays where it is. */
const USUAL_TEXT_COLUMNS = 26;

/** Makes the line of a recording, or of a download when that is all there is. */
export function createProgressLine(
  durationSeconds = 0,
  nowMs: () => number = () => performance.now(),
): ProgressLine {
  let phase: "starting" | "queued" | "recording" | "profiling" | "converting" | "downloading" =
    "starting";
  let words = "";
  let samples = "";
  let stopping = false;
  /** When sampling started, by what the daemon has said last. */
  let startMs = 0;
  let received = 0;
  let toReceive: number | undefined;
  /** From which the rate is counted. */
  let downloadStart: { ms: number; bytes: number } | undefined;
  let lostUntilMs: number | undefined;

  function recording(columns: number): string {
    const seconds = Math.min((nowMs() - startMs) / 1000, durationSeconds);
    const left = Math.ceil(durationSeconds - seconds);
    const time = stopping ? "stopping" : left === 0 ? "ending" : `${formatDuration(left)} left`;
    return withBar("recording", seconds / durationSeconds, ` ${time}${samples}`, columns);
  }

  function downloading(columns: number): string {
    const { ms, bytes } = downloadStart ?? { ms: nowMs(), bytes: received };
    const seconds = (nowMs() - ms) / 1000;
    const rate = seconds > 0.5 ? `, ${formatSize(Math.round((received - bytes) / seconds))}/s` : "";
    if (received === 0) return phase;
    if (!toReceive) return `${phase}, ${formatSize(received)} so far${rate}`;
    const after = ` ${formatSize(received)} of ${formatSize(toReceive)}${rate}`;
    return withBar("downloading", received / toReceive, after, columns);
  }

  return {
    onEvent(event) {
      if (event.kind !== "lost") lostUntilMs = undefined;
      switch (event.kind) {
        case "queued":
          phase = "queued";
          words = describeQueue(event);
          break;
        case "started":
          phase = "recording";
          startMs = nowMs();
          break;
        case "profiling":
          phase = "profiling";
          startMs = nowMs();
          break;
        case "progress":
          startMs = nowMs() - event.elapsedSeconds * 1000;
          samples = `, ${event.samples} samples` +
            (event.lostSamples > 0 ? `, ${event.lostSamples} lost` : "");
          break;
        case "stopping":
          stopping = true;
          break;
        case "converting":
          phase = "converting";
          break;
        case "downloading":
          // While sampling goes on it is not the download that one waits for.
          received = event.receivedBytes;
          toReceive = event.totalBytes;
          if (phase === "starting" || phase === "profiling" || toReceive !== undefined) {
            phase = "downloading";
          }
          if (phase !== "recording") downloadStart ??= { ms: nowMs(), bytes: received };
          break;
        case "lost":
          lostUntilMs = nowMs() + event.retryTimeoutSeconds * 1000;
          downloadStart = undefined;
          break;
        case "recording again":
          phase = "starting";
          samples = "";
          stopping = false;
          received = 0;
          toReceive = undefined;
          break;
      }
    },
    render(columns) {
      if (lostUntilMs !== undefined) {
        const left = Math.max(0, Math.ceil((lostUntilMs - nowMs()) / 1000));
        return `connection lost, trying again for ${formatDuration(left)}`;
      }
      switch (phase) {
        case "starting":
          return "asking the daemon";
        case "queued":
          return words;
        case "recording":
          return recording(columns);
        case "profiling":
          // Whether it waits, samples or converts is not said.
          return `recording for ${formatDuration(durationSeconds)}, ` +
            `${Math.floor((nowMs() - startMs) / 1000)}s so far`;
        case "converting":
        case "downloading":
          return downloading(columns);
      }
    },
  };
}

/** `before [====>    ] after`, without the bar where there is no room for one. */
function withBar(before: string, share: number, after: string, columns: number): string {
  const room = columns - before.length - after.length - " []".length;
  if (room < LEAST_BAR_COLUMNS) return `${before},${after}`;
  const usualRoom = columns - before.length - USUAL_TEXT_COLUMNS - " []".length;
  const width = Math.min(room, MOST_BAR_COLUMNS, Math.max(usualRoom, LEAST_BAR_COLUMNS));
  const done = Math.floor(Math.min(Math.max(share, 0), 1) * width);
  const bar = "=".repeat(done) + (done < width ? ">" : "");
  return `${before} [${bar.padEnd(width)}]${after}`;
}
