import assert from "node:assert/strict";
import { describeEvent } from "../../cli/progress.ts";

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
