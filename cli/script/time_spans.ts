import type { StackProfile } from "./stack_profile.ts";

/** Finds how long was sampled, by the times of samples in any order. */
interface TimeSpans {
  /** `part` is which of the texts that were put together the sample is of. */
  add(seconds: number, part: number): void;
  summary(): Pick<StackProfile, "startSeconds" | "endSeconds" | "durationSeconds">;
}

/** From one sample to the next of a program that works now and then. */
const USUAL_GAP_SECONDS = 60;
/** More spans than these are of no recording. */
const MAX_SPANS = 10_000;

interface Span {
  start: number;
  end: number;
}

export function createTimeSpans(): TimeSpans {
  let startSeconds = Infinity;
  let endSeconds = -Infinity;
  let durationSeconds: number | undefined = 0;
  let currentPart = 0;
  let spans: Span[] = [];
  let start = Infinity;
  let end = -Infinity;

  function endSpan(): void {
    if (start > end) return;
    spans.push({ start, end });
    if (start < startSeconds) startSeconds = start;
    if (end > endSeconds) endSeconds = end;
    if (spans.length < MAX_SPANS) return;
    durationSeconds = undefined;
    spans = [];
  }

  function endPart(): void {
    endSpan();
    const duration = durationOf(spans);
    durationSeconds = durationSeconds === undefined || duration === undefined
      ? undefined
      : durationSeconds + duration;
    spans = [];
    start = Infinity;
    end = -Infinity;
  }

  return {
    add(seconds, part) {
      if (part !== currentPart) {
        endPart();
        currentPart = part;
      }
      if (seconds >= start && seconds <= end + USUAL_GAP_SECONDS) {
        if (seconds > end) end = seconds;
      } else if (!isNaN(seconds)) {
        endSpan();
        start = end = seconds;
      }
    },
    summary() {
      endPart();
      return {
        ...(startSeconds <= endSeconds && { startSeconds, endSeconds }),
        ...(startSeconds <= endSeconds && durationSeconds !== undefined && { durationSeconds }),
      };
    },
  };
}

/**
 * How long the spans of one text are together. Undefined when there is a gap between two of them
 * that may be a pause, or the step from one machine's clock to another's.
 */
function durationOf(spans: Span[]): number | undefined {
  let duration = 0;
  let open: Span | undefined;
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    const gap = open ? start - open.end : Infinity;
    if (!open || gap > Math.max(USUAL_GAP_SECONDS, open.end - open.start)) {
      if (open) return undefined;
      open = { start, end };
    } else if (end > open.end) open.end = end;
    duration = open.end - open.start;
  }
  return duration;
}
