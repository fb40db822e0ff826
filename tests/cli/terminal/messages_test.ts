import assert from "node:assert/strict";
import { describeLeft, describeLeftOut, describeTogether } from "../../../cli/terminal/messages.ts";
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
