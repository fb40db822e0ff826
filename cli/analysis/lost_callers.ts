import type { CallGraph } from "../client/recording/record_options.ts";
import type { StackProfile } from "../script/stack_profile.ts";
import { stacksOfTime, waitRank } from "./thread_time.ts";

/**
 * From when on it is worth a warning, of the time in which threads that are not idle are blocked.
 */
const LOST_SHARE = 0.5;

/**
 * Says that nobody knows who waits, when most of what blocked is in the C library without callers:
 * that has no frame pointers in most distributions. Undefined when there is nothing to say, or to
 * do.
 */
export function describeLostCallers(
  profile: StackProfile,
  { method }: CallGraph = { method: "fp" },
): string | undefined {
  if (method !== "fp" || !profile.threadTimes) return undefined;
  const ranks = profile.frames.map(waitRank);
  let blocked = 0;
  let lost = 0;
  for (const { kind, frames, weight } of stacksOfTime(profile)) {
    if (kind !== "blocked") continue;
    blocked += weight;
    if (Math.max(...Array.from(frames, (frame) => ranks[frame])) === 1) lost += weight;
  }
  const share = lost / (blocked || 1);
  if (share < LOST_SHARE) return undefined;
  return `${Math.round(share * 100)}% of the time in which threads were blocked is without their ` +
    "callers: they waited in the C library, which was compiled without frame pointers. " +
    "Try --call-graph dwarf";
}
