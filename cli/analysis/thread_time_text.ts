import { formatDuration } from "../../proto/duration.ts";
import { TIME_KIND_NAMES, TIME_KINDS } from "../formats/time_kind.ts";
import { THINNED } from "../script/time_events.ts";
import type { ThreadTime } from "./thread_time.ts";

/**
 * What became of threads' time: `of 30s × 12 threads: 4% running, 95% blocked, 1% waiting for a
 * processor`. Where threads lived for a part of the time, it is the sum of their lives. Where only
 * what blocked was recorded: `12 threads were blocked for 340s in all`.
 */
export function describeThreadTime(time: ThreadTime): string {
  const { runningSeconds, blockedSeconds, waitingSeconds } = time;
  const isWhole = runningSeconds !== undefined && waitingSeconds !== undefined;
  const parts = isWhole ? [runningSeconds, blockedSeconds, waitingSeconds] : [blockedSeconds];
  const sum = parts.reduce((a, b) => a + b);
  const { threads, idleThreads, longestSeconds, idleSeconds } = time;
  const lived = countOf(threads, "thread");
  const all = threads === 0
    ? `${formatSeconds(sum)} of threads' time`
    : sum >= WHOLE_LIVES * threads * longestSeconds
    ? `${formatSeconds(longestSeconds)} × ${lived}`
    : `${formatSeconds(sum)} that ${lived} lived`;
  const shares = parts.map((part, index) =>
    `${formatShare(part / (sum || 1))} ${TIME_KIND_NAMES[TIME_KINDS[index]]}`
  );
  const idle = [
    ...idleThreads > 0 ? [countOf(idleThreads, "idle thread")] : [],
    ...time.parkedSeconds ? ["Go's threads without a goroutine to run"] : [],
  ].join(" and ");
  const leftOut = idle === ""
    ? ""
    : `; ${idle} (${formatShare(idleSeconds / (sum || 1))}) ${
      idleThreads === 1 && !time.parkedSeconds ? "is" : "are"
    } left out below`;
  if (isWhole) return `of ${all}: ${shares.join(", ")}${leftOut}`;
  const were = threads === 0 ? "threads were" : `${lived} ${threads === 1 ? "was" : "were"}`;
  return `${were} blocked for ${formatSeconds(sum)} in all${leftOut}`;
}

/** How threads' time was thinned, a line for each machine that says something else. */
export function describeThinned(thinned: string[] = []): string[] {
  return thinned.map((sentence) => `${THINNED}${sentence}`);
}

/**
 * When threads' lives are at least this part of what they could be, all have lived the whole time.
 */
const WHOLE_LIVES = 0.99;

function formatSeconds(seconds: number): string {
  return formatDuration(seconds < 10 ? Number(seconds.toPrecision(2)) : Math.round(seconds));
}

/** For example `95%`; of what there is little, a digit more. */
function formatShare(share: number): string {
  return share > 0 && share < 0.01 ? `${(share * 100).toFixed(1)}%` : `${Math.round(share * 100)}%`;
}

function countOf(number: number, singular: string): string {
  return `${number} ${singular}${number === 1 ? "" : "s"}`;
}
