import assert from "node:assert/strict";
import { findCpuUse, formatCpuUse } from "../../../cli/analysis/cpu_use.ts";
import type { RecordOptions } from "../../../cli/client/recording/record_options.ts";
import type { StackProfile } from "../../../cli/script/stack_profile.ts";
import { SUMMARY } from "../summary.ts";

function find(event: string, weight: number, asked: RecordOptions | undefined = {}) {
  const stacks: StackProfile = {
    ...{ frames: [], samples: 1000, skippedLines: 0, truncated: false, leftOut: [] },
    events: [{ event, stacks: [], samples: 1000, weight }],
  };
  return findCpuUse(SUMMARY, { stacks, asked });
}

Deno.test("findCpuUse: a clock's periods are the time it ran", () => {
  assert.deepEqual(find("cpu-clock", 14e9), { cpus: 1.4, side: undefined });
  assert.deepEqual(find("task-clock:u", 14e9), { cpus: 1.4, side: "user" });
  assert.deepEqual(find("cpu-clock:ppk", 14e9), { cpus: 1.4, side: "kernel" });
});

Deno.test("findCpuUse: of cycles the samples are counted, by the frequency that was asked for", () => {
  for (const event of ["cycles", "cycles:P", "cpu-cycles", "cpu_core/cycles/"]) {
    assert.deepEqual(
      find(event, 1e12, { frequencyHz: 50 }),
      { cpus: 2, side: undefined },
      event,
    );
  }
  assert.equal(find("cycles", 1e12)!.cpus, 1000 / 99 / 10);
});

Deno.test("findCpuUse: counts cycles by the frequency that the daemon used", () => {
  const stacks: StackProfile = {
    ...{ frames: [], samples: 490, skippedLines: 0, truncated: false, leftOut: [] },
    events: [{ event: "cycles", stacks: [], samples: 490, weight: 1e12 }],
  };
  // A daemon with --max-frequency 49, which was asked for nothing.
  const summary = { ...SUMMARY, samples: 490, sampledSeconds: 10, frequencyHz: 49 };
  assert.equal(findCpuUse(summary, { stacks, asked: {} })?.cpus, 1);
});

Deno.test("findCpuUse: other events say nothing of time", () => {
  for (const event of ["cache-misses", "bus-cycles", "stalled-cycles-frontend", "cycles-ct"]) {
    assert.equal(find(event, 1e12), undefined, event);
  }
});

Deno.test("findCpuUse: without the text, the requested options decide", () => {
  assert.deepEqual(
    findCpuUse(SUMMARY, { asked: { frequencyHz: 50, side: "user" } }),
    { cpus: 2, side: "user" },
  );
  assert.equal(findCpuUse(SUMMARY, { asked: { events: ["cache-misses"] } }), undefined);
  assert.equal(findCpuUse(SUMMARY, {}), undefined);
});

Deno.test("formatCpuUse: has as many digits as tell something", () => {
  assert.deepEqual(
    [0.004, 0.04, 0.34, 1.44, 63.7].map((cpus) => formatCpuUse({ cpus })),
    ["0.00 CPUs", "0.04 CPUs", "0.3 CPUs", "1.4 CPUs", "64 CPUs"],
  );
  assert.equal(formatCpuUse({ cpus: 1, side: "user" }), "1.0 CPUs in user space");
});
