import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { createFunctionTally, hottestFunctions, mainEvent } from "../../../cli/analysis/hottest.ts";
import { inChunks } from "../script/recordings.ts";

const sample = (period: number, event: string, ...symbols: string[]) =>
  `web 7/7 1.0: ${period} ${event}: \n` +
  symbols.map((symbol) => `\t 10 ${symbol}+0x1 (/bin/web)\n`).join("") + "\n";

const fold = (text: string) => foldPerfScript(inChunks(new TextEncoder().encode(text)));

Deno.test("mainEvent: a function has what it was the leaf of, and once what it is on the stack of", async () => {
  const profile = await fold(
    sample(60, "cycles", "sort", "sort", "main") + sample(30, "cycles", "copy", "sort", "main") +
      sample(10, "cycles", "main") + sample(1000, "faults", "copy"),
  );
  assert.equal(mainEvent(profile)?.event, "cycles");
  const dso = "/bin/web";
  assert.deepEqual(hottestFunctions(profile, 10), [
    { symbol: "sort", dso, self: 0.6, total: 0.9 },
    { symbol: "copy", dso, self: 0.3, total: 0.3 },
    { symbol: "main", dso, self: 0.1, total: 1 },
  ]);
  assert.deepEqual(
    hottestFunctions(profile, 2).map(({ symbol }) => symbol),
    ["sort", "copy"],
  );
});

Deno.test("hottestFunctions: behind what takes time by itself is what calls it, not what was seen once", async () => {
  const seenOnce = sample(1, "cycles", "seen_once", "main");
  const profile = await fold(sample(999, "cycles", "sort", "main") + seenOnce);
  assert.deepEqual(
    hottestFunctions(profile, 3).map(({ symbol }) => symbol),
    ["sort", "main", "seen_once"],
  );
});

Deno.test("createFunctionTally: several profiles count as one, by the event that has most samples of all", async () => {
  const tally = createFunctionTally();
  assert.deepEqual(tally.hottest(10), []);
  tally.add(await fold(sample(30, "cycles", "sort", "main")));
  tally.add(await fold(sample(10, "cycles", "copy", "main") + sample(20, "cycles", "sort")));
  tally.add(await fold(sample(1000, "faults", "copy")));
  tally.add(await fold(""));
  const dso = "/bin/web";
  assert.deepEqual(tally.hottest(10), [
    { symbol: "sort", dso, self: 50 / 60, total: 50 / 60 },
    { symbol: "copy", dso, self: 10 / 60, total: 10 / 60 },
    { symbol: "main", dso, self: 0, total: 40 / 60 },
  ]);
});

Deno.test("mainEvent: a text without samples has no main event", async () => {
  assert.equal(mainEvent(await fold("")), undefined);
});
