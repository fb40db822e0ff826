import assert from "node:assert/strict";
import { describeEventKind, isSameKind } from "../../../cli/analysis/event_kind.ts";

Deno.test("isSameKind: the names of releases and processors are one event", () => {
  const kinds = [
    [
      ...["cycles", "cycles:P", "cycles:ppp", "cycles:H", "cpu-cycles", "cpu/cycles/"],
      ...["cpu_core/cycles/", "cpu_core/cycles/P", "cpu_atom/cycles/P", "cpu/cpu-cycles/"],
      ...["armv8_pmuv3_0/cycles/", "cycles:uk", "cycles:Pku"],
    ],
    ["cycles:u", "cycles:Pu", "cycles:uppp", "cpu_core/cycles/Pu", "cpu_atom/cycles/u"],
    ["cycles:k"],
    ["cpu-clock", "cpu-clock:ppp", "task-clock", "task-clock:P"],
    ["cpu-clock:u", "task-clock:uP"],
    ["offcpu-time"],
    ["page-faults", "faults"],
    ["instructions:P", "cpu_core/instructions/"],
    ["sched:sched_switch"],
    ["uncore_cha_0/cycles/"],
    ["r3c"],
  ];
  for (const [index, kind] of kinds.entries()) {
    for (const one of kind) {
      for (const [otherIndex, others] of kinds.entries()) {
        for (const other of others) {
          assert.equal(isSameKind(one, other), index === otherIndex, `${one} and ${other}`);
        }
      }
    }
  }
});

Deno.test("describeEventKind: says what is counted, where, and perf's name for it", () => {
  assert.equal(describeEventKind("cycles"), "cycles");
  assert.equal(describeEventKind("cycles:P"), "cycles (cycles:P)");
  assert.equal(
    describeEventKind("cpu_core/cycles/Pu"),
    "cycles in user space (cpu_core/cycles/Pu)",
  );
  assert.equal(describeEventKind("task-clock"), "CPU time (task-clock)");
});
