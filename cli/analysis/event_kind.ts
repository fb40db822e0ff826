import { eventUnit, isCpuTime, parseEventName } from "../formats/event_unit.ts";

/**
 * The kind of thing that an event counts, whatever a release of perf calls the event. Events of the
 * same kind can be compared.
 */
interface EventKind {
  /** What is counted, for people: `cycles`, `CPU time`, `sched:sched_switch`. */
  counter: string;
  /** Where it is counted, when not everywhere: `user space`, `the kernel`. */
  side?: string;
}

/** Other names of the same counters, perf-list(1). */
const ALIASES: Record<string, string> = {
  "cpu-cycles": "cycles",
  "branch-instructions": "branches",
  "page-faults": "faults",
  "context-switches": "cs",
  "cpu-migrations": "migrations",
  "stalled-cycles-frontend": "idle-cycles-frontend",
  "stalled-cycles-backend": "idle-cycles-backend",
};

/** Processors' own counters, of which a machine with two kinds of processors has two. */
const CPU_PMU = /^(cpu(_\w+)?|arm(v\d|_cortex|_neoverse)\w*|apple_\w+|cpum_cf|riscv_pmu)$/;

const SIDES = [
  ["u", "user space"],
  ["k", "the kernel"],
  ["h", "the hypervisor"],
  ["G", "guests"],
];

/** Finds what an event counts. How precise its samples are (`:P`, `:ppp`) makes no other kind. */
export function eventKind(event: string): EventKind {
  const { pmu, name, modifiers } = parseEventName(event);
  const isGeneric = pmu === undefined || CPU_PMU.test(pmu);
  const counter = isCpuTime(event)
    ? "CPU time"
    : isGeneric && !name.includes("=")
    ? ALIASES[name] ?? name
    : `${pmu}/${name}/`;
  const sides = SIDES.filter(([letter]) => modifiers.includes(letter)).map(([, side]) => side);
  const isEverywhere = sides.length === 0 || modifiers.includes("u") && modifiers.includes("k");
  return { counter, side: isEverywhere ? undefined : sides.join(" and ") };
}

/** Says whether two events count the same, so that their profiles can be compared. */
export function isSameKind(one: string, other: string): boolean {
  const [a, b] = [eventKind(one), eventKind(other)];
  return a.counter === b.counter && a.side === b.side && eventUnit(one) === eventUnit(other);
}

/** For example `cycles in user space (cycles:u)`. */
export function describeEventKind(event: string): string {
  const { counter, side } = eventKind(event);
  const where = side ? ` in ${side}` : "";
  return counter === event ? `${counter}${where}` : `${counter}${where} (${event})`;
}
