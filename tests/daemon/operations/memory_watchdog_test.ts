import assert from "node:assert/strict";
import { watchMemory } from "../../../daemon/operations/memory_watchdog.ts";

/** Feeds the watch one look after the other and resolves with those that it took to tell. */
async function looksUntilOutgrown(looks: { bytes: number; idle: boolean }[]): Promise<number> {
  let taken = -1;
  using watch = watchMemory(100, () => looks[taken].idle, {
    residentBytes: () => looks[++taken].bytes,
    intervalMs: 1,
  });
  assert.equal(await watch.outgrown, looks[taken].bytes);
  return taken + 1;
}

Deno.test("watchMemory: a program that has grown is told so once nothing is under way", async () => {
  const large = { bytes: 101, idle: true };
  assert.equal(await looksUntilOutgrown([large]), 1);
  const small = { bytes: 100, idle: true };
  const busy = { bytes: 200, idle: false };
  assert.equal(await looksUntilOutgrown([small, busy, busy, small, large]), 5);
});

Deno.test("watchMemory: it is the program's own resident memory", async () => {
  using watch = watchMemory(1, () => true, { intervalMs: 1 });
  const bytes = await watch.outgrown;
  // A Deno that runs tests takes tens of megabytes.
  assert.ok(bytes > 10e6 && bytes < 10e9, `${bytes}`);
});
