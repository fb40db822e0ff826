import assert from "node:assert/strict";
import { FileHolders } from "../../../daemon/perf/file_holders.ts";

Deno.test("FileHolders: names the process that has a file for longest", () => {
  const holders = new FileHolders();
  assert.equal(holders.mapped("libc", 1), undefined);
  assert.equal(holders.mapped("libc", 1), undefined);
  assert.equal(holders.mapped("libc", 2), 1);
  assert.equal(holders.mapped("libc", 3), 1);
  assert.equal(holders.mapped("libm", 3), undefined);
  holders.forget(1);
  assert.equal(holders.mapped("libc", 4), 2);
  assert.equal(holders.mapped("libc", 2), 3);
});

Deno.test("FileHolders: knows nothing of a file when all who had it have gone", () => {
  const holders = new FileHolders();
  for (const pid of [1, 2, 3, 4, 5, 6]) holders.mapped("libc", pid);
  for (const pid of [1, 2, 3, 4, 5, 6]) holders.forget(pid);
  assert.equal(holders.mapped("libc", 7), undefined);
});

Deno.test("FileHolders: keeps a bounded number of files", () => {
  const holders = new FileHolders();
  for (let file = 0; file < 10_000; file++) holders.mapped(`${file}`, 1);
  assert.equal(holders.mapped("0", 2), 1);
  assert.equal(holders.mapped("9999", 2), undefined);
});
