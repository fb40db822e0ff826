/** The real daemon when it has grown too large, which it is from the start by what it is told here. */
import assert from "node:assert/strict";
import { assertNothingLeft, collect, deleteResult } from "../testing/calls.ts";
import { startDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const TOO_SMALL = ["--container-lookup", "pid", "--max-memory", "1Mi"];

Deno.test("a daemon that has outgrown its bound ends in order while nothing is under way", async () => {
  await using daemon = await startDaemon({ args: TOO_SMALL });
  assert.equal((await daemon.status).code, 0);
  const told = daemon.log.filter(({ message }) => message === "shutting down");
  assert.equal(told.length, 1);
  assert.match(String(told[0].reason), /outgrown --max-memory/);
  assert.equal(told[0].maxMemoryBytes, 1 << 20);
  assert.ok(Number(told[0].residentBytes) > 1 << 20);
});

Deno.test("it does not end before a recording is over, nor while another waits", async () => {
  await using daemon = await startDaemon({ args: [...TOO_SMALL, "--max-concurrent", "1"] });
  await using one = run(targets.spin);
  await using two = run(targets.spin);
  // Longer than it takes the daemon to look at its memory.
  const duration = { seconds: 7, nanos: 0 };
  const finished = await Promise.all([one, two].map(async ({ pid }) => {
    const events = await collect(daemon, { containerId: `${pid}`, duration });
    await deleteResult(daemon, events[0].accepted!.recordingId);
    return events.at(-1)!.finished;
  }));
  assert.deepEqual(finished.map((each) => each?.completeness), [
    "COMPLETENESS_FULL",
    "COMPLETENESS_FULL",
  ]);
  daemon.client.close();
  assert.equal((await daemon.status).code, 0);
  await assertNothingLeft(daemon);
});
