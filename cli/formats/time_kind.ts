import type { EventProfile } from "../script/stack_profile.ts";
import type { TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";

/** The names of the kinds of a thread's time, in the order in which they are shown. */
export const TIME_KIND_NAMES: Readonly<Record<TimeKind, string>> = {
  running: "running",
  blocked: "blocked",
  waiting: "waiting for a processor",
};

/** The kinds of a thread's time, in the order in which they are shown. */
export const TIME_KINDS = Object.keys(TIME_KIND_NAMES) as TimeKind[];

/**
 * Returns whether a profile with such events also has threads' time off the processors: then the
 * weights of its clock are parts of the threads' time, and not samples of a processor's.
 */
export function hasWaiting(events: readonly Pick<EventProfile, "event">[]): boolean {
  return events.some(({ event }) => {
    const kind = timeKind(event);
    return kind !== undefined && kind !== "running";
  });
}

/**
 * The function that stands on top of a stack for what its thread did there, in formats that have
 * nothing else to say so; running threads need none.
 */
export function timeKindFrame(kind: Exclude<TimeKind, "running">): string {
  return `[${TIME_KIND_NAMES[kind]}]`;
}
