import assert from "node:assert/strict";
import {
  describeLeft,
  describeLeftOut,
  describeSummary,
  describeTogether,
} from "../../../cli/terminal/messages.ts";
import type { CpuLimit } from "../../../cli/analysis/cpu_limit.ts";
import { SUMMARY } from "../summary.ts";

function leftOut(started?: "user" | "kernel" | "both", asked?: "user" | "kernel") {
  return describeLeftOut(
    { kind: "started", recordingId: "recording-1", processes: 2, side: started },
    { side: asked },
  );
}

Deno.test("describeLeft: says that kernel samples are left out, when nobody asked for that", () => {
  assert.match(leftOut("user")!, /^kernel samples are left out: .* profiles\/kernel/);
});

Deno.test("describeLeftOut: says nothing of it when it was asked for, or is not so, or is not known", () => {
  assert.equal(leftOut("user", "user"), undefined);
  assert.equal(leftOut("kernel", "kernel"), undefined);
  assert.equal(leftOut("both"), undefined);
  assert.equal(leftOut(), undefined);
  assert.equal(describeLeftOut({ kind: "converting" }, {}), undefined);
});

Deno.test("describeTogether: says of several results what they are together", () => {
  const summary = { ...SUMMARY, samples: 100 };
  const together = (...cpus: (number | undefined)[]) =>
    describeTogether(cpus.map((cpus) => ({ summary, cpuUse: cpus ? { cpus } : undefined })));
  assert.equal(together(1, 0.5), "all 2 together: 200 samples, none lost; about 1.5 CPUs used");
  // What one does not tell is not known of all.
  assert.equal(together(1, undefined), "all 2 together: 200 samples, none lost");
  assert.match(
    describeTogether([{ summary }, { summary: { ...summary, lostSamples: 7 } }]),
    /200 samples, 7 lost$/,
  );
});

Deno.test("describeLeft: says of a result that is left only what is known", () => {
  const recordingId = "recording-1";
  const keptUntil = new Date(2026, 0, 1, 12, 34, 56);
  assert.equal(
    describeLeft({ recordingId, sure: true, keptUntil }, "COMMAND"),
    "the daemon keeps the result until 12:34:56; this goes on with it:\n  COMMAND",
  );
  assert.match(describeLeft({ recordingId, sure: true }, ""), /^the daemon keeps .* for a while;/);
  assert.match(describeLeft({ recordingId, sure: false }, ""), /^the daemon may keep the result/);
});

Deno.test("describeSummary: says in a few words what the CPU limit did", () => {
  const start = "1000 samples in 10s, none lost";
  const of = (cpuLimit?: CpuLimit) => describeSummary(SUMMARY, { cpuLimit });
  const counted = { limitCpus: 0.2, periods: 300, throttledPeriods: 290 };
  assert.equal(of(), `${start}; 1 B`);
  assert.equal(
    of({ heldBackBy: "limit", ...counted }),
    `${start}; CPU limit of 200m used up in 290 of 300 periods; 1 B`,
  );
  assert.equal(
    of({ heldBackBy: "pod limit", isOfPod: true, ...counted }),
    `${start}; pod's CPU limit of 200m used up in 290 of 300 periods; 1 B`,
  );
  assert.equal(
    of({ heldBackBy: "nothing", limitCpus: 2, periods: 9, throttledPeriods: 0 }),
    `${start}; CPU limit of 2 not used up; 1 B`,
  );
  assert.equal(
    of({ heldBackBy: "nothing", limitCpus: 2, periods: 1, throttledPeriods: 1 }),
    `${start}; CPU limit of 2 used up in 1 of 1 period; 1 B`,
  );
  assert.equal(of({ heldBackBy: "node" }), `${start}; no CPU limit; 1 B`);
  assert.equal(
    of({ heldBackBy: "unknown", limitCpus: 0.2, unknown: "it is not mounted" }),
    `${start}; not known whether the CPU limit of 200m was used up; 1 B`,
  );
  // Nobody waited for a processor, so that no limit can have been used up.
  assert.equal(
    of({ heldBackBy: "nothing", limitCpus: 0.2 }),
    `${start}; CPU limit of 200m not used up; 1 B`,
  );
  assert.equal(of({ heldBackBy: "unknown", unknown: "it is not mounted" }), `${start}; 1 B`);
});
