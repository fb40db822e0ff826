import { FREQUENCY_HZ } from "../../proto/defaults.ts";
import type { OneSide } from "../../proto/side.ts";
import { isCpuTime, parseEventName, weightUnit } from "../formats/event_unit.ts";
import { eventKind, isSameKind } from "./event_kind.ts";
import type { RecordingSummary } from "../client/recording/recording_event.ts";
import type { RecordOptions } from "../client/recording/record_options.ts";
import { mainEvent } from "./hottest.ts";
import type { StackProfile } from "../script/stack_profile.ts";

/** How much of the CPUs' time a target used. */
export interface CpuUse {
  /** How many CPUs it kept busy, on average. */
  cpus: number;
  /** There when only this side was sampled. */
  side?: OneSide;
}

/**
 * Finds how much the target used. Undefined when the samples do not show it: they are of an event
 * that does not go with time. `asked` is not known when somebody else's result is fetched.
 */
export function findCpuUse(
  { samples, sampledSeconds, frequencyHz }: RecordingSummary,
  { stacks, asked }: { stacks?: StackProfile; asked?: RecordOptions },
): CpuUse | undefined {
  if (sampledSeconds <= 0) return undefined;
  const event = stacks && mainEvent(stacks);
  const side = event ? sideOf(event.event) : asked?.side;
  // A clock's periods are nanoseconds.
  if (event && isCpuTime(event.event) && weightUnit(event) === "nanoseconds") {
    return { cpus: event.weight / 1e9 / sampledSeconds, side };
  }
  // perf's default event is cycles or a clock, of which the kernel takes samples at the frequency.
  const ticks = event
    ? eventKind(event.event).counter === "cycles"
    : asked && asked.events === undefined;
  if (!ticks || !asked) return undefined;
  // A daemon of an older release does not say what it samples with.
  const usedHz = frequencyHz ?? asked.frequencyHz ?? FREQUENCY_HZ;
  // Where there are two kinds of processors, each has its own event.
  const counted = event && stacks.events.filter((other) => isSameKind(other.event, event.event))
    .reduce((sum, { samples }) => sum + samples, 0);
  return { cpus: (counted ?? samples) / usedHz / sampledSeconds, side };
}

/** The side that an event's modifiers keep to, as in `cycles:u` or `cpu-clock:ppk`. */
function sideOf(event: string): OneSide | undefined {
  const { modifiers } = parseEventName(event);
  const [user, kernel] = [modifiers.includes("u"), modifiers.includes("k")];
  return user === kernel ? undefined : user ? "user" : "kernel";
}

/** For example `1.4 CPUs`. */
export function formatCpuUse({ cpus, side }: CpuUse): string {
  const digits = cpus >= 9.95 ? 0 : cpus >= 0.095 ? 1 : 2;
  const where = { user: " in user space", kernel: " in the kernel" };
  return `${cpus.toFixed(digits)} CPUs${side ? where[side] : ""}`;
}
