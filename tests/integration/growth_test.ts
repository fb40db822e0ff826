/**
 * The real daemon when it has grown too large, which it is from the start by what it is told here.
 */
import assert from "node:assert/strict";
import { collect, fetchResult, findChildren } from "../testing/calls.ts";
import { startDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const TOO_SMALL = ["--container-lookup", "pid", "--max-memory", "1Mi"];

Deno.test("--max-memory: a daemon that has outgrown its bound ends in order while nothing is under way", async () => {
  await using daemon = await startDaemon({ args: TOO_SMALL });
  assert.equal((await daemon.status).code, 0);
  const told = daemon.log.filter(({ message }) => message === "shutting down");
  assert.equal(told.length, 1);
  assert.match(String(told[0].reason), /memory is above --max-memory/);
  assert.equal(told[0].maxMemoryBytes, 1 << 20);
  assert.ok(Number(told[0].residentBytes) > 1 << 20);
});

Deno.test("--max-memory: it does not end before all recordings are over, and loses no result", async () => {
  const workDir = await Deno.makeTempDir();
  const binds = { "/var/necoperf": workDir };
  try {
    await using daemon = await startDaemon({
      args: [...TOO_SMALL, "--max-concurrent", "1"],
      binds,
    });
    await using one = run(targets.spin);
    await using two = run(targets.spin);
    // The daemon looks at its memory each 5 s: when one runs and the other waits.
    const recordings = await Promise.all(
      [one, two].map(({ pid }, index) =>
        collect(daemon, {
          containerId: `${pid}`,
          duration: { seconds: index === 0 ? 6 : 1, nanos: 0 },
        })
      ),
    );
    daemon.client.close();
    assert.equal((await daemon.status).code, 0);
    assert.deepEqual(await findChildren(daemon.pid), []);

    await using next = await startDaemon({ args: ["--container-lookup", "pid"], binds });
    for (const events of recordings) {
      const finished = events.at(-1)!.finished!;
      assert.equal(finished.completeness, "COMPLETENESS_FULL");
      const result = await fetchResult(next, events[0].accepted!.recordingId);
      assert.equal(result.length, finished.compressedSize);
    }
  } finally {
    await Deno.remove(workDir, { recursive: true });
  }
});
