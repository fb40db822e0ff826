import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { hottestFunctions, mainEvent } from "../../../cli/script/hottest.ts";
import { inChunks } from "./recordings.ts";

const sample = (period: number, event: string, ...symbols: string[]) =>
  `web 7/7 1.0: ${period} ${event}: \n` +
  symbols.map((symbol) => `\t 10 ${symbol}+0x1 (/bin/web)\n`).join("") + "\n";

const fold = (text: string) => foldPerfScript(inChunks(new TextEncoder().encode(text)));

Deno.test("a function has what it was the leaf of, and once what it is on the stack of", async () => {
  const profile = await fold(
    sample(60, "cycles", "sort", "sort", "main") + sample(30, "cycles", "copy", "sort", "main") +
      sample(10, "cycles", "main") + sample(1000, "faults", "copy"),
  );
  const event = mainEvent(profile)!;
  assert.equal(event.event, "cycles");
  const dso = "/bin/web";
  assert.deepEqual(hottestFunctions(profile, event, 10), [
    { symbol: "sort", dso, self: 0.6, total: 0.9 },
    { symbol: "copy", dso, self: 0.3, total: 0.3 },
    { symbol: "main", dso, self: 0.1, total: 1 },
  ]);
  assert.deepEqual(
    hottestFunctions(profile, event, 2).map(({ symbol }) => symbol),
    ["sort", "copy"],
  );
});

Deno.test("a text without samples has no main event", async () => {
  assert.equal(mainEvent(await fold("")), undefined);
});
