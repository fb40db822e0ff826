import assert from "node:assert/strict";
import { recordInGroups } from "../../../daemon/recordings/record_in_groups.ts";

/** Yields groups, each when the test says so. */
function source() {
  const groups: number[][] = [];
  let [ended, onChange] = [false, () => {}];
  return {
    async yield(...group: number[]) {
      groups.push(group);
      onChange();
      await new Promise((resolve) => setTimeout(resolve));
    },
    async end() {
      ended = true;
      onChange();
      await new Promise((resolve) => setTimeout(resolve));
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (groups.length > 0) yield groups.shift()!;
        if (ended) return;
        await new Promise<void>((resolve) => onChange = resolve);
      }
    },
  };
}

/** What is recorded, and how each group's recording is ended. */
function recorder() {
  const groups: number[][] = [];
  const ends: (() => void)[] = [];
  const record = (pids: number[]) => {
    groups.push(pids);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  return { groups, ends, record };
}

Deno.test("recordInGroups: those that come while there is no place are one group when there is one", async () => {
  const [entered, { groups, ends, record }] = [source(), recorder()];
  const missed = recordInGroups(entered, record);
  for (const pid of [1, 2, 3, 4, 5]) await entered.yield(pid);
  await entered.yield(6, 7);
  assert.deepEqual(groups, [[1], [2], [3]]);
  ends[1]();
  await entered.yield(8);
  assert.deepEqual(groups.slice(3), [[4, 5, 6, 7]]);
  await entered.end();
  ends.forEach((end) => end());
  assert.equal(await missed, 1);
  assert.equal(groups.length, 4, "nothing begins after the end");
});

Deno.test("recordInGroups: so many as never fit wait in no memory", async () => {
  const [entered, { groups, ends, record }] = [source(), recorder()];
  const missed = recordInGroups(entered, record);
  for (const pid of [1, 2, 3]) await entered.yield(pid);
  for (let start = 0; start < 100_000; start += 500) {
    await entered.yield(...Array.from({ length: 500 }, (_, index) => start + index));
  }
  ends[0]();
  await entered.yield();
  assert.equal(groups[3].length, 1024);
  await entered.end();
  ends.forEach((end) => end());
  assert.equal(await missed, 100_000 - 1024);
});

Deno.test("recordInGroups: fails when nobody can be looked for, after those that are recorded", async () => {
  const { ends, record } = recorder();
  async function* failing() {
    yield [1];
    throw new Error("no procfs");
  }
  let failed = false;
  const recorded = recordInGroups(failing(), record).catch(() => failed = true);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(!failed);
  ends[0]();
  await recorded;
  assert.ok(failed);
});
