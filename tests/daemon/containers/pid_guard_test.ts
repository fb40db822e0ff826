import assert from "node:assert/strict";
import { guardPids } from "../../../daemon/containers/pid_guard.ts";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import { type FakeProcess, type FakeProcfs, fakeProcfs } from "../../testing/fake_procfs.ts";
import { eventually } from "../../testing/process.ts";

const PROCESSES: FakeProcess[] = [
  { pid: 500, startTicks: 40, threadIds: [501, 900] },
  { pid: 700, startTicks: 60 },
];

/**
 * What a guard says that took note of `PROCESSES` before something happened; the cursor was 1000.
 */
async function holdsAfter(
  change: (fake: FakeProcfs) => void,
  inside = [500, 700],
): Promise<boolean> {
  using fake = fakeProcfs(PROCESSES);
  const guard = await guardPids(openProcfs(fake.dir), () => Promise.resolve(inside));
  assert.equal(await guard.note([500, 700]), 4, "threads");
  change(fake);
  return await guard.holds();
}

Deno.test("guardPids: processes that are there still hold, wherever the kernel's cursor is", async () => {
  assert.ok(await holdsAfter(() => {}));
  assert.ok(await holdsAfter((fake) => fake.setCursor(1010, 5010)));
  assert.ok(await holdsAfter((fake) => fake.setCursor(950, 5000 + 32_000)), "nearly once around");
  assert.ok(
    await holdsAfter((fake) => fake.setCursor(1010, 5000 + 40_000)),
    "more than once around",
  );
});

Deno.test("guardPids: what has ended holds as long as its id was not given out again", async () => {
  const end = (fake: FakeProcfs) => fake.remove(700);
  assert.ok(await holdsAfter(end, [500]));
  assert.ok(await holdsAfter((fake) => (end(fake), fake.setCursor(2000, 6000)), [500]));
  assert.ok(await holdsAfter((fake) => (end(fake), fake.setCursor(699, 30_000)), [500]));
  assert.ok(!await holdsAfter((fake) => (end(fake), fake.setCursor(700, 30_000)), [500]));
  assert.ok(!await holdsAfter((fake) => (end(fake), fake.setCursor(1010, 40_000)), [500]));
});

Deno.test("guardPids: a process or thread whose id was given out again does not hold", async () => {
  const passed = (fake: FakeProcfs) => fake.setCursor(950, 30_000);
  const again: FakeProcess = { pid: 700, startTicks: 99 };
  assert.ok(!await holdsAfter((fake) => (fake.put(again), passed(fake))), "in the container");
  assert.ok(!await holdsAfter((fake) => (fake.put(again), passed(fake)), [500]), "elsewhere");
  const endThread = (fake: FakeProcfs, id: number) => Deno.removeSync(`${fake.dir}/500/task/${id}`);
  assert.ok(!await holdsAfter((fake) => (endThread(fake, 900), passed(fake))));
  assert.ok(await holdsAfter((fake) => (endThread(fake, 900), fake.setCursor(899, 30_000))));
});

Deno.test("guardPids: a process that had changed before it was noted does not hold", async () => {
  using fake = fakeProcfs(PROCESSES);
  const guard = await guardPids(openProcfs(fake.dir), () => Promise.resolve([500]));
  fake.put({ pid: 700, startTicks: 99 });
  fake.setCursor(950, 30_000);
  await guard.note([500, 700]);
  assert.ok(!await guard.holds());
});

Deno.test("guardPids: a thread that started before it was noted, and has ended since, holds", async () => {
  using fake = fakeProcfs(PROCESSES);
  const guard = await guardPids(openProcfs(fake.dir), () => Promise.resolve([500, 700]));
  fake.put({ pid: 500, startTicks: 40, threadIds: [501, 900, 1005] });
  fake.setCursor(1006, 5006);
  assert.equal(await guard.note([500, 700]), 5, "threads");
  Deno.removeSync(`${fake.dir}/500/task/1005`);
  fake.setCursor(1010, 5010);
  assert.ok(await guard.holds());
  fake.setCursor(1007, 5006 + 32_769);
  assert.ok(!await guard.holds(), "once around");
});

Deno.test("guardPids: an id that this kernel gives out again is found out", async () => {
  const procfs = openProcfs("/proc");
  const spawn = () => new Deno.Command("sleep", { args: ["60"] }).spawn();
  // The kernel is told what it gave out last; others on this machine start processes, too.
  await eventually(async () => {
    const first = spawn();
    const guard = await guardPids(procfs, () => Promise.resolve([]));
    await guard.note([first.pid]);
    assert.ok(await guard.holds());
    first.kill("SIGKILL");
    await first.status;
    await Deno.writeTextFile("/proc/sys/kernel/ns_last_pid", `${first.pid - 1}`);
    const second = spawn();
    try {
      assert.equal(second.pid, first.pid);
      assert.ok(!await guard.holds());
    } finally {
      second.kill("SIGKILL");
      await second.status;
    }
  });
});
