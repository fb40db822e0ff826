import assert from "node:assert/strict";
import { startIdleDeadline } from "../../../daemon/perf/idle_deadline.ts";
import type { ProcessUsage } from "../../../daemon/process_usage.ts";

/** Looks at usages, of which the last stays; how many looks it took until the deadline. */
async function looksUntilIdle(
  usages: (Partial<ProcessUsage> | undefined)[],
  { idleMs = 3, maxMs = 1000 } = {},
): Promise<number> {
  let looks = 0;
  const idle = Promise.withResolvers<void>();
  startIdleDeadline(1, {
    ...{ idleMs, maxMs, intervalMs: 1 },
    readUsage() {
      const usage = usages[Math.min(looks++, usages.length - 1)];
      return Promise.resolve(usage && { memoryBytes: 0, cpuSeconds: 0, runnable: false, ...usage });
    },
  }, idle.resolve);
  await idle.promise;
  return looks;
}

Deno.test("startIdleDeadline: comes when a process has done nothing for so long", async () => {
  assert.equal(await looksUntilIdle([{ cpuSeconds: 1 }]), 4);
  assert.equal(await looksUntilIdle([undefined]), 3);
});

Deno.test("startIdleDeadline: waits for a process that works, or waits for a processor", async () => {
  const works = Array.from({ length: 20 }, (_, at) => ({ cpuSeconds: at }));
  assert.equal(await looksUntilIdle(works), 23);
  const waits = Array(20).fill({ runnable: true, cpuSeconds: 1 });
  assert.equal(await looksUntilIdle([...waits, { cpuSeconds: 1 }]), 23);
});

Deno.test("startIdleDeadline: waits for no process without an end", async () => {
  assert.equal(await looksUntilIdle([{ runnable: true }], { maxMs: 10 }), 10);
});

Deno.test("startIdleDeadline: where nobody can tell it is a time", async () => {
  await new Promise<void>((resolve) => startIdleDeadline(1, { idleMs: 1, maxMs: 5 }, resolve));
});

Deno.test("startIdleDeadline: does not come once it is stopped", async () => {
  for (const readUsage of [undefined, () => Promise.resolve(undefined)]) {
    let called = false;
    const options = { idleMs: 2, maxMs: 2, intervalMs: 1, readUsage };
    startIdleDeadline(1, options, () => called = true)();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(called, false);
  }
});
