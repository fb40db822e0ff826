import assert from "node:assert/strict";
import { parseProcessStat } from "../../../daemon/containers/process_stat.ts";
import { statText } from "../../testing/fake_procfs.ts";

Deno.test("parseProcessStat: reads past any name", () => {
  for (const name of ["sh", "a b", "a) R 1 (b", "((", ") ", "x\ny) Z 9 9", ""]) {
    const text = statText({ pid: 7, name, parentPid: 3, startTicks: 815 });
    const parsed = { parentPid: 3, startTicks: 815, cpuTicks: 3, runnable: false, ended: false };
    assert.deepEqual(parseProcessStat(text), parsed, name);
  }
});

Deno.test("parseProcessStat: distinguishes what has ended from what has lost its first thread", () => {
  const stat = (state: string, threads: number) =>
    parseProcessStat(statText({ pid: 7, parentPid: 3, state, threads }))?.ended;
  assert.equal(stat("Z", 1), true);
  assert.equal(stat("X", 0), true);
  assert.equal(stat("Z", 5), false);
  assert.equal(stat("D", 1), false);
});

Deno.test("parseProcessStat: returns nothing for another form", () => {
  for (const text of ["", "7", "7 (sh", "7 (sh) ", "7 (sh) S 1", "7 (sh) S x 1 1"]) {
    assert.equal(parseProcessStat(text), undefined, text);
  }
});
