import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { inChunks } from "./recordings.ts";

const sample = (tid: number, event: string, milliseconds: number, leaf: string) =>
  `web 7/${tid} [001] 20.0: ${milliseconds * 1e6} ${event}: \n\t 10 ${leaf}+0x1 (/web)\n\n`;

const fold = (text: string) => foldPerfScript(inChunks(new TextEncoder().encode(text)));

/** By stack: what of its milliseconds is idle. */
async function idleIn(text: string): Promise<Record<string, number>> {
  const { frames, events } = await fold(text);
  return Object.fromEntries(
    events.flatMap(({ stacks }) => stacks)
      .filter(({ idleWeight }) => idleWeight !== undefined)
      .map((stack) => [frames[stack.frames.at(-1)!].symbol, stack.idleWeight! / 1e6]),
  );
}

const SERVES = sample(1, "cpu-clock", 100, "parse") + sample(1, "offcpu-time", 9900, "query");

Deno.test("foldPerfScript: threads that only wait are idle, and their time is told apart", async () => {
  const waits = sample(2, "offcpu-time", 6000, "take") + sample(2, "offcpu-time", 3991, "take") +
    sample(2, "cpu-clock", 9, "take");
  assert.deepEqual(await idleIn(SERVES + waits + sample(3, "offcpu-time", 10_000, "query")), {
    take: 9991,
    query: 10_000,
  });
  const { threadTimes } = await fold(SERVES + waits);
  assert.deepEqual(threadTimes, { threads: 2, idleThreads: 1, longestSeconds: 10 });
});

Deno.test("foldPerfScript: threads that also do something are not idle", async () => {
  const texts = {
    "runs a little": sample(2, "offcpu-time", 9980, "take") + sample(2, "cpu-clock", 20, "take"),
    "wants to run": sample(2, "offcpu-time", 9980, "take") + sample(2, "run-delay", 20, "take"),
    "waits here and there": sample(2, "offcpu-time", 9400, "take") +
      sample(2, "offcpu-time", 600, "lock"),
    "is there for one request": sample(2, "offcpu-time", 4900, "query"),
  };
  for (const [name, text] of Object.entries(texts)) {
    assert.deepEqual(await idleIn(SERVES + text), {}, name);
  }
});

Deno.test("foldPerfScript: where all threads only wait, none is called idle", async () => {
  const text = sample(1, "offcpu-time", 1000, "take") + sample(2, "offcpu-time", 1000, "take");
  assert.deepEqual(await idleIn(text), {});
  assert.equal((await fold(text)).threadTimes?.threads, 2);
});

Deno.test("foldPerfScript: a profile of what runs has nothing of threads' time", async () => {
  assert.equal((await fold(sample(1, "cpu-clock", 10, "parse"))).threadTimes, undefined);
  assert.equal((await fold("web 12.0: 10 cycles: \n\t 10 f+0x1 (/a)\n\n")).threadTimes, undefined);
});
