import assert from "node:assert/strict";
import { PerfWatch } from "../../../daemon/perf/perf_watch.ts";
import type { ProcessUsage } from "../../../daemon/process_usage.ts";
import type { StatusError } from "../../../daemon/status_error.ts";

const MIB = 2 ** 20;
/** After so many looks one that does nothing is ended. */
const IDLE_LOOKS = 50;

/** Stand-ins for perf scripts: what they take, and when, is what this is about. */
function watchOf(usages: Map<number, ProcessUsage>, maxMemoryBytes = 100 * MIB) {
  let looks = 0;
  const waiting = new Map<number, () => void>();
  const watch = new PerfWatch({
    maxMemoryBytes,
    intervalMs: 1,
    maxIdleSeconds: IDLE_LOOKS / 1000,
    readUsage(pid) {
      waiting.get(++looks)?.();
      return Promise.resolve(usages.get(pid));
    },
  });
  return {
    watch,
    /** Resolves when so many more looks have been taken. */
    look: (times: number) =>
      new Promise<void>((resolve) => waiting.set(looks + times, () => resolve())),
  };
}

interface StandIn extends Disposable {
  failure: Promise<StatusError>;
  ended(): boolean;
}

function addTo(watch: PerfWatch, pid: number, progress: () => number | undefined): StandIn {
  const { promise: failure, resolve } = Promise.withResolvers<StatusError>();
  let ended = false;
  const remove = watch.add({
    pid,
    progress,
    end(reason) {
      ended = true;
      resolve(reason);
    },
  });
  return { failure, ended: () => ended, [Symbol.dispose]: remove };
}

const SLEEPING: ProcessUsage = { memoryBytes: 10 * MIB, cpuSeconds: 1, runnable: false };

Deno.test("PerfWatch: ends the largest when all together take more than they may", async () => {
  const usages = new Map([[1, { ...SLEEPING }], [2, { ...SLEEPING, memoryBytes: 80 * MIB }]]);
  const { watch, look } = watchOf(usages);
  using small = addTo(watch, 1, () => undefined);
  using large = addTo(watch, 2, () => undefined);
  await look(10);
  assert.deepEqual([small.ended(), large.ended()], [false, false]);
  usages.set(1, { ...SLEEPING, memoryBytes: 21 * MIB });
  const failure = await large.failure;
  assert.equal(failure.status, "FAILED_PRECONDITION");
  assert.match(failure.message, /took 80Mi of the 100Mi .*--max-perf-memory.*perf-PID\.map/);
  // What is being killed does not count any more.
  await look(10);
  assert.equal(small.ended(), false);
});

Deno.test("PerfWatch: ends one that waits for a file, and not for the daemon", async () => {
  const usages = new Map([[1, SLEEPING], [2, SLEEPING]]);
  const { watch, look } = watchOf(usages);
  using waits = addTo(watch, 1, () => 7);
  using free = addTo(watch, 2, () => undefined);
  assert.match((await waits.failure).message, /waited for a file for 0.05 s.*named pipe/);
  await look(10);
  assert.equal(free.ended(), false);
});

Deno.test("PerfWatch: leaves one alone that runs, is given a processor late, or goes on", async () => {
  const usages = new Map([[1, SLEEPING], [2, { ...SLEEPING, runnable: true }], [3, SLEEPING]]);
  const { watch, look } = watchOf(usages);
  let pieces = 0;
  using slow = addTo(watch, 1, () => 7);
  using starved = addTo(watch, 2, () => 7);
  using working = addTo(watch, 3, () => pieces);
  for (let tick = 0; tick < 10; tick++) {
    await look(IDLE_LOOKS / 2);
    usages.set(1, { ...SLEEPING, cpuSeconds: 1 + tick / 100 });
    pieces++;
  }
  assert.deepEqual([slow, starved, working].map((each) => each.ended()), [false, false, false]);
});

// No file is known that keeps a real perf busy for so long within its memory.
Deno.test("PerfWatch: ends one that works on one file for too long", async () => {
  const usages = new Map([[1, { ...SLEEPING, runnable: true }]]);
  const { watch, look } = watchOf(usages);
  let pieces = 0;
  using busy = addTo(watch, 1, () => pieces);
  usages.set(1, { ...SLEEPING, cpuSeconds: 29, runnable: true });
  await look(10);
  pieces++;
  await look(10);
  usages.set(1, { ...SLEEPING, cpuSeconds: 58, runnable: true });
  await look(10);
  assert.equal(busy.ended(), false);
  usages.set(1, { ...SLEEPING, cpuSeconds: 60, runnable: true });
  assert.match((await busy.failure).message, /busy with one file for 30 s of processor time/);
});
