import type { Completeness as Message } from "./gen/necoperf/Completeness.ts";

/** How a recording that has a result ended, by the names that people, logs and files see. */
export type Completeness = "full" | "stopped" | "target-ended" | "shutdown" | "perf-failed";

/** The value in messages for each name. */
export const COMPLETENESS: Readonly<Record<Completeness, Message>> = {
  full: "COMPLETENESS_FULL",
  stopped: "COMPLETENESS_STOPPED",
  "target-ended": "COMPLETENESS_TARGET_ENDED",
  shutdown: "COMPLETENESS_SHUTDOWN",
  "perf-failed": "COMPLETENESS_PERF_FAILED",
};

/** Whether a text is one of the names. */
export function isCompleteness(text: string): text is Completeness {
  return Object.hasOwn(COMPLETENESS, text);
}

/** The name of a message's completeness; a message that does not say it means `full`. */
export function completenessOf(message: Message): Completeness {
  const names = Object.keys(COMPLETENESS) as Completeness[];
  return names.find((name) => COMPLETENESS[name] === message) ?? "full";
}
