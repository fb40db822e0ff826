import assert from "node:assert/strict";
import {
  eventUnit,
  hasOwnDurations,
  isCpuTime,
  parseEventName,
  weightUnit,
} from "../../../cli/formats/event_unit.ts";

Deno.test("parseEventName: takes the processor's unit and the modifiers off", () => {
  const names: [event: string, pmu: string | undefined, name: string, modifiers: string][] = [
    ["cycles", undefined, "cycles", ""],
    ["cycles:Pu", undefined, "cycles", "Pu"],
    ["cpu_core/cycles/Pu", "cpu_core", "cycles", "Pu"],
    ["cpu/cycles,period=100/", "cpu", "cycles", ""],
    ["cpu/event=0x3c,umask=0,name=stalls/u", "cpu", "stalls", "u"],
    ["cpu/event=0x3c,umask=0/", "cpu", "event=0x3c,umask=0", ""],
    ["sched:sched_switch", undefined, "sched:sched_switch", ""],
    ["sched:sched_stat_sleep:k", undefined, "sched:sched_stat_sleep", "k"],
    ["r1a8:u", undefined, "r1a8", "u"],
    ["", undefined, "", ""],
  ];
  for (const [event, pmu, name, modifiers] of names) {
    const { pmu: ofPmu, ...rest } = parseEventName(event);
    assert.deepEqual([ofPmu, rest], [pmu, { name, modifiers }], event);
  }
});

Deno.test("eventUnit: is time for clocks, bytes for what counts bytes, or a count", () => {
  const units = {
    nanoseconds: [
      ...["cpu-clock", "cpu-clock:ppp", "task-clock:u", "offcpu-time", "duration_time"],
      ...["sched:sched_stat_iowait", "sched:sched_stat_runtime:k", "run-delay"],
    ],
    bytes: ["intel_cqm/llc_occupancy/", "intel_cqm/total_bytes/", "local-bytes"],
    count: ["cycles", "cpu_core/cycles/", "page-faults", "sched:sched_switch", "", "cpu-clocks"],
  };
  for (const [unit, events] of Object.entries(units)) {
    for (const event of events) assert.equal(eventUnit(event), unit, event);
  }
  assert.deepEqual(["cpu-clock:u", "offcpu-time", "cycles"].map(isCpuTime), [true, false, false]);
  assert.deepEqual(
    ["cpu-clock", "offcpu-time", "run-delay", "sched:sched_stat_sleep", "cycles"].map(
      hasOwnDurations,
    ),
    [false, true, true, true, false],
  );
});

Deno.test("weightUnit: weights of a text without periods count samples", () => {
  const unit = (samples: number, weight: number) =>
    weightUnit({ event: "cpu-clock", samples, weight });
  assert.equal(unit(5, 50_000_000), "nanoseconds");
  assert.equal(unit(5, 5), "count");
});
