import { TIME_EVENTS, type TimeKind } from "./time_events.ts";

const KIND_OF = new Map(
  Object.entries(TIME_EVENTS).map(([kind, event]) => [event as string, kind as TimeKind]),
);

/** What a thread did in the time that an event's samples stand for, if that is what they do. */
export function timeKind(event: string): TimeKind | undefined {
  // perf's modifiers make no other kind.
  return KIND_OF.get(event.replace(/:[a-zA-Z]*$/, ""));
}
