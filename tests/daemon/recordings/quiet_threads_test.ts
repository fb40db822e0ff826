import assert from "node:assert/strict";
import type { ThreadTimes } from "../../../daemon/containers/container.ts";
import { quietThreads } from "../../../daemon/recordings/quiet_threads.ts";

function thread(tid: number, turns: number, startTicks = 100): ThreadTimes {
  return { pid: 7, tid, startTicks, comm: "web", runNs: 0, delayNs: 0, turns };
}

function tidsOf(threads: ThreadTimes[]): number[] {
  return threads.map(({ tid }) => tid);
}

// In half a second there were 1,005 turns of 200 bytes each. Half of the budget are 25 of them.
const BEFORE = [thread(7, 5), thread(8, 50), thread(9, 10), thread(10, 0)];
const AFTER = [thread(7, 25), thread(8, 1013), thread(9, 15), thread(10, 17)];
const WATCHED = { seconds: 0.5, bytes: 1005 * 200 };
const BUDGET = 20_000;

Deno.test("quietThreads: those that switch least, as many as half of the budget is enough for", () => {
  const watched = { ...WATCHED, before: BEFORE, after: AFTER };
  assert.deepEqual(tidsOf(quietThreads(watched, BUDGET)), [9, 10]);
  assert.deepEqual(tidsOf(quietThreads(watched, 2 * BUDGET)), [9, 10, 7]);
  assert.deepEqual(tidsOf(quietThreads(watched, BUDGET / 10)), []);
});

Deno.test("quietThreads: a thread that was not there before is none, nor another of its number", () => {
  const after = [thread(7, 25, 200), ...AFTER.slice(1), thread(11, 1)];
  const quiet = quietThreads({ ...WATCHED, before: BEFORE.slice(0, 3), after }, BUDGET);
  assert.deepEqual(tidsOf(quiet), [9]);
});

Deno.test("quietThreads: where nothing is known of threads none is quiet", () => {
  assert.deepEqual(quietThreads({ ...WATCHED, before: [], after: [] }, BUDGET), []);
  assert.deepEqual(quietThreads({ ...WATCHED, before: BEFORE, after: [] }, BUDGET), []);
});
