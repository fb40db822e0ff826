import assert from "node:assert/strict";
import { describeEvent, describeLeft } from "../../cli/progress.ts";

const TARGET = { containerId: "c0ffee", daemonAddress: "node1:6543" };

function describeStart(started?: "user" | "kernel" | "both", asked?: "user" | "kernel") {
  return describeEvent(
    { kind: "started", recordingId: "recording-1", processes: 2, side: started },
    { target: TARGET, durationSeconds: 30, side: asked },
  );
}

Deno.test("says that kernel samples are left out, when nobody asked for that", () => {
  assert.match(describeStart("user")!, /\nkernel samples are left out: .* profiles\/kernel/);
});

Deno.test("says nothing of it when it was asked for, or is not so, or is not known", () => {
  for (
    const [started, asked] of [
      ["user", "user"],
      ["kernel", "kernel"],
      ["both", undefined],
      [undefined, undefined],
    ] as const
  ) {
    assert.doesNotMatch(describeStart(started, asked)!, /kernel samples/);
  }
});

Deno.test("says of a result that is left only what is known", () => {
  const recordingId = "recording-1";
  const keptUntil = new Date(2026, 0, 1, 12, 34, 56);
  assert.equal(
    describeLeft({ recordingId, sure: true, keptUntil }, "COMMAND"),
    "the daemon keeps the result until 12:34:56; this goes on with it:\n  COMMAND",
  );
  assert.match(describeLeft({ recordingId, sure: true }, ""), /^the daemon keeps .* for a while;/);
  assert.match(describeLeft({ recordingId, sure: false }, ""), /^the daemon may keep the result/);
});
