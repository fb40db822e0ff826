import type { EventProfile } from "../script/stack_profile.ts";

/** What the periods of an event count. */
export type EventUnit = "nanoseconds" | "bytes" | "count";

/** An event's name in its parts: `cpu_core/cycles/Pu` is `cycles` of `cpu_core` with `Pu`. */
interface EventName {
  /** The unit of the hardware that counts, when the name has it. */
  pmu?: string;
  name: string;
  /** perf-list(1), "EVENT MODIFIERS". */
  modifiers: string;
}

/** Takes the name of an event apart, as perf prints it. */
export function parseEventName(event: string): EventName {
  const ofPmu = /^([\w.-]+)\/(.*)\/([a-zA-Z]*)$/.exec(event);
  if (ofPmu) {
    const [, pmu, terms, modifiers] = ofPmu;
    const named = /(?:^|,)name=([^,]+)/.exec(terms)?.[1];
    // How often is sampled makes no other event.
    const name = named ??
      terms.replace(/,?(period|freq|call-graph|stack-size|percore)=?[^,]*/g, "");
    return { pmu, name, modifiers };
  }
  const [, name, modifiers = ""] = /^(.+?)(?::([ukhGHpPSDIeWbRX]+))?$/s.exec(event) ?? [, event];
  return { name: name ?? "", modifiers };
}

/** Events that count the time of processors. */
const CPU_TIME = ["cpu-clock", "task-clock"];
/** Others that count time: off the processor, without one, and of what perf stat measures. */
const TIME = ["offcpu-time", "run-delay", "duration_time", "user_time", "system_time"];

/** Says whether an event's periods are nanoseconds of a CPU's time. */
export function isCpuTime(event: string): boolean {
  return CPU_TIME.includes(parseEventName(event).name);
}

/** Says what an event's periods count. */
export function eventUnit(event: string): EventUnit {
  const { name } = parseEventName(event);
  // The kernel's scheduler counts in these tracepoints how long a thread ran, slept or waited.
  if (CPU_TIME.includes(name) || TIME.includes(name) || /^sched:sched_stat_\w+$/.test(name)) {
    return "nanoseconds";
  }
  return /(^|[_-])bytes$|^llc_occupancy$/.test(name) ? "bytes" : "count";
}

/**
 * Says what the weights of an event's samples count. Nobody samples each nanosecond: such weights
 * are those of a text without periods, and count samples.
 */
export function weightUnit({ event, samples, weight }: Weighed): EventUnit {
  return samples === weight ? "count" : eventUnit(event);
}

/** The parts of an {@linkcode EventProfile} that determine its unit. */
type Weighed = Pick<EventProfile, "event" | "samples" | "weight">;

/**
 * Says whether the samples of an event stand for times as different as they are, and not for one at
 * a tick of a clock each: then it is the times that count, and not how many samples there are.
 */
export function hasOwnDurations(event: string): boolean {
  return eventUnit(event) === "nanoseconds" && !isCpuTime(event);
}
