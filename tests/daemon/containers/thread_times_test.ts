import assert from "node:assert/strict";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import { parseThreadTimes } from "../../../daemon/containers/thread_stat.ts";
import { readThreadTimes } from "../../../daemon/containers/thread_times.ts";
import { eventually, run } from "../../testing/process.ts";
import { buildTargets } from "../../testing/targets.ts";

const targets = await buildTargets();
const procfs = openProcfs("/proc");

Deno.test("readThreadTimes: what this kernel counts of a program's threads, up to a number", async () => {
  await using target = run(targets.threads, "3");
  let tids: number[] = [];
  while (tids.length < 3) tids = (await procfs.threads(target.pid))!;
  // A thread that has not run yet has no turns.
  const times = await eventually(async () => {
    const times = await readThreadTimes(procfs, [target.pid], 100);
    for (const { turns, runNs } of times) {
      assert.ok(turns > 0 && runNs > 0, `${turns} turns, ${runNs} ns`);
    }
    return times;
  });
  const name = (await Deno.readTextFile(`/proc/${target.pid}/comm`)).trim();
  assert.deepEqual(times.map(({ tid }) => tid).sort((a, b) => a - b), tids);
  for (const { pid, comm } of times) assert.deepEqual([pid, comm], [target.pid, name]);
  const stat = (await procfs.stat(target.pid))!;
  assert.equal(times.find(({ tid }) => tid === target.pid)!.startTicks, stat.startTicks);
  assert.equal((await readThreadTimes(procfs, [target.pid], 2)).length, 2);
  assert.deepEqual(await readThreadTimes(procfs, [2 ** 22 + 1], 100), []);
});

Deno.test("parseThreadTimes: text of another form says nothing", () => {
  const stat = "8 (a) S 1 7 7 0 -1 0 0 0 0 0 4 3 0 0 20 0 1 0 123 0 0\n";
  assert.ok(parseThreadTimes(7, 8, stat, "5 6 7\n"));
  for (const schedstat of ["", "5 6\n", "5 6 7 8\n", "5 6 -7\n"]) {
    assert.equal(parseThreadTimes(7, 8, stat, schedstat), undefined, schedstat);
  }
  for (const other of ["", "8 a S 1", "8 (a) S 1 2\n"]) {
    assert.equal(parseThreadTimes(7, 8, other, "5 6 7\n"), undefined, other);
  }
});
