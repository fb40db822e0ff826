import assert from "node:assert/strict";
import { hottestFunctions, mainEvent } from "../../../cli/analysis/hottest.ts";
import { findThreadTime } from "../../../cli/analysis/thread_time.ts";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { describeThinned, describeThreadTime } from "../../../cli/analysis/thread_time_text.ts";
import { describeHottest, describeTogether } from "../../../cli/terminal/messages.ts";
import { inChunks } from "../script/recordings.ts";
import { advise } from "../../../cli/analysis/advice.ts";
import { describeLostCallers } from "../../../cli/analysis/lost_callers.ts";
import type { CallGraph } from "../../../cli/client/recording/record_options.ts";
import { documentedJson, fieldsOf } from "../../testing/documented_json.ts";
import { SUMMARY } from "../summary.ts";

const KERNEL = "\tffffffff81000130 schedule+0x1 ([kernel.kallsyms])\n";

const sample = (tid: number, event: string, seconds: number, ...functions: string[]) =>
  `web 7/${tid} [001] 20.0: ${seconds * 1e9} ${event}: \n` +
  (event === "cpu-clock" ? "" : KERNEL) +
  functions.map((name) => `\t 10 ${name}+0x1 (/web)\n`).join("") + "\n";

const fold = (text: string) => foldPerfScript(inChunks(new TextEncoder().encode(text)));

/** One thread works and waits; two wait for work. */
const WEB = sample(1, "cpu-clock", 1, "parse", "serve") +
  sample(1, "run-delay", 1, "parse", "serve") +
  sample(1, "offcpu-time", 8, "query", "serve") + sample(2, "offcpu-time", 10, "take", "pool") +
  sample(3, "offcpu-time", 10, "take", "pool");

Deno.test("findThreadTime: sums up what threads did, and what of it is idle", async () => {
  const time = findThreadTime(await fold(WEB));
  assert.deepEqual(time, {
    ...{ threads: 3, idleThreads: 2, longestSeconds: 10 },
    ...{ runningSeconds: 1, blockedSeconds: 28, waitingSeconds: 1, idleSeconds: 20 },
  });
  assert.equal(findThreadTime(await fold(sample(1, "cpu-clock", 1, "parse"))), undefined);
});

Deno.test("describeThreadTime: has the time, the threads and the shares", async () => {
  const describe = async (text: string) => describeThreadTime(findThreadTime(await fold(text))!);
  assert.equal(
    await describe(WEB),
    "of 10s × 3 threads: 3% running, 93% blocked, 3% waiting for a processor; " +
      "2 idle threads (67%) are left out below",
  );
  // Threads that come and go have the sum of their lives.
  assert.equal(
    await describe(WEB + sample(4, "offcpu-time", 2, "query")),
    "of 32s that 4 threads lived: 3% running, 94% blocked, 3% waiting for a processor; " +
      "2 idle threads (63%) are left out below",
  );
  assert.equal(
    await describe(sample(1, "offcpu-time", 9.96, "query") + sample(1, "cpu-clock", 0.04, "parse")),
    "of 10s × 1 thread: 0.4% running, 100% blocked, 0% waiting for a processor",
  );
  const parked = sample(4, "offcpu-time", 9, "runtime.stopm") + sample(4, "cpu-clock", 1, "main");
  assert.equal(
    await describe(WEB + parked),
    "of 10s × 4 threads: 5% running, 93% blocked, 3% waiting for a processor; " +
      "2 idle threads and Go's threads without a goroutine to run (73%) are left out below",
  );
  // Of what blocked alone nobody knows what else there was.
  assert.equal(
    await describe(sample(1, "offcpu-time", 4, "query") + sample(2, "offcpu-time", 10, "take")),
    "2 threads were blocked for 14s in all; 1 idle thread (71%) is left out below",
  );
});

Deno.test("findThreadTime: has no shares of what was not recorded, and what the text says of thinning", async () => {
  const text = sample(1, "offcpu-time", 4, "query");
  assert.deepEqual(findThreadTime(await fold(`${text}# necoperf: thinned: by half\n`)), {
    ...{ threads: 1, idleThreads: 0, longestSeconds: 4, blockedSeconds: 4, idleSeconds: 0 },
    thinned: ["by half"],
  });
  assert.deepEqual(describeThinned(["by half"]), ["thinned: by half"]);
  assert.deepEqual(describeThinned(), []);
});

Deno.test("findThreadTime: has the fields that docs/reference/json.md documents", async () => {
  const text = `${WEB}# necoperf: thinned: by half\n` +
    sample(4, "offcpu-time", 9, "runtime.stopm") + sample(4, "cpu-clock", 1, "main");
  const time = findThreadTime(await fold(text));
  assert.deepEqual(fieldsOf(time), fieldsOf(documentedJson("Threads' time")));
});

Deno.test("describeTogether: has the time of all results' threads, when each says so", async () => {
  const time = findThreadTime(await fold(WEB))!;
  const summary = { ...SUMMARY, samples: 5 };
  const results = [{ summary, threadTime: time }, { summary, threadTime: time }];
  assert.equal(
    describeTogether(results),
    "all 2 together: 10 samples, none lost; of 10s × 6 threads: 3% running, 93% blocked, " +
      "3% waiting for a processor; 4 idle threads (67%) are left out below",
  );
  assert.equal(
    describeTogether([...results, { summary }]),
    "all 3 together: 15 samples, none lost",
  );
  const blocked = { ...time, runningSeconds: undefined, waitingSeconds: undefined };
  assert.equal(
    describeTogether([{ summary, threadTime: blocked }, ...results]),
    "all 3 together: 15 samples, none lost; " +
      "9 threads were blocked for 1m24s in all; 6 idle threads (71%) are left out below",
  );
});

Deno.test("hottestFunctions: of threads' time leaves idle threads out, and what the kernel does to wait", async () => {
  const profile = await fold(WEB);
  const dso = "/web";
  assert.deepEqual(hottestFunctions(profile, 10), [
    { symbol: "query", dso, self: 0.8, total: 0.8, kind: "blocked" },
    { symbol: "parse", dso, self: 0.2, total: 0.2, kind: "running" },
    { symbol: "serve", dso, self: 0, total: 1, kind: "blocked" },
  ]);
  assert.deepEqual(describeHottest(hottestFunctions(profile, 2)), [
    "  SELF   TOTAL  MOSTLY   FUNCTION",
    " 80.0%   80.0%  blocked  query (web)",
    " 20.0%   20.0%  running  parse (web)",
  ]);
  // Where nobody does anything else, it is shown.
  const [take] = hottestFunctions(await fold(sample(2, "offcpu-time", 10, "take", "pool")), 1);
  assert.deepEqual([take.symbol, take.self], ["take", 1]);
});

Deno.test("hottestFunctions: what blocked is of the function that wanted to wait, and not of how it did", async () => {
  const blocked = (...frames: string[]) =>
    `web 7/1 [001] 20.0: 1000 offcpu-time: \n` +
    frames.map((frame) => `\t 10 ${frame}\n`).join("") + "\n";
  const kernel = "schedule+0x1 ([kernel.kallsyms])";
  const libc = "__futex_abstimed_wait_common+0xc6 (/usr/lib/x86_64-linux-gnu/libc.so.6)";
  const hottest = async (text: string) =>
    hottestFunctions(await fold(sample(1, "cpu-clock", 1e-8, "x") + text), 9)
      .toSorted((a, b) => b.self - a.self)[0].symbol;
  assert.equal(
    await hottest(blocked(kernel, libc, "take_gil+0x1 (/lib/libpython3.so)")),
    "take_gil",
  );
  const musl = "__timedwait_cp+0x1 (/lib/ld-musl-x86_64.so.1)";
  assert.equal(await hottest(blocked(kernel, musl, "take_lock+0x1 (/web)")), "take_lock");
  const go = "internal/runtime/syscall/linux.Syscall6 (/web)";
  assert.equal(
    await hottest(blocked(kernel, go, "syscall.Syscall (/web)", "syscall.Fsync (/web)")),
    "syscall.Fsync",
  );
  assert.equal(await hottest(blocked(kernel)), "schedule");
  // What has a file, but no name, is still a place in the program.
  assert.equal(await hottest(blocked(kernel, "[unknown] (/lib/libz.so.1)")), "[unknown]");
  // Whose callers nobody knows is what there is.
  assert.equal(await hottest(blocked(kernel, libc)), "__futex_abstimed_wait_common");
  assert.equal(
    await hottest(blocked(kernel, libc, "[unknown] ([unknown])")),
    "__futex_abstimed_wait_common",
  );
});

Deno.test("hottestFunctions: where the C library waits for nobody knows whom is below what is known", async () => {
  const text = "web 7/1 [001] 20.0: 900 offcpu-time: \n\t 10 read+0x1 (/lib/libc.so.6)\n\n" +
    "web 7/1 [001] 20.0: 50 offcpu-time: \n\t 10 query+0x1 (/web)\n\n" +
    "web 7/1 [001] 20.0: 950 cpu-clock: \n\t 10 memcpy+0x1 (/lib/libc.so.6)\n\n";
  assert.deepEqual(
    hottestFunctions(await fold(text), 3).map(({ symbol }) => symbol),
    ["memcpy", "query", "read"],
  );
});

Deno.test("mainEvent: of threads' time is what ran, however often was looked at the rest", async () => {
  assert.equal(mainEvent(await fold(WEB))?.event, "cpu-clock");
  assert.equal(mainEvent(await fold(sample(2, "offcpu-time", 1, "take")))?.event, "offcpu-time");
});

Deno.test("describeLostCallers: says so where most of what blocked is in the C library without callers", async () => {
  const blocked = (tid: number, milliseconds: number, ...frames: string[]) =>
    `web 7/${tid} [001] 20.0: ${milliseconds * 1e6} offcpu-time: \n${KERNEL}` +
    frames.map((frame) => `\t 10 ${frame}\n`).join("") + "\n";
  const libc = "read+0x1 (/usr/lib/x86_64-linux-gnu/libc.so.6)";
  const runs = sample(1, "cpu-clock", 1, "parse");
  const describe = async (text: string, callGraph?: CallGraph) =>
    describeLostCallers(await fold(runs + text), callGraph);
  const lost = blocked(1, 6000, libc) + blocked(1, 4000, libc, "query+0x1 (/web)");
  assert.match((await describe(lost))!, /^60% of the time .* Try --call-graph dwarf$/);
  assert.equal(await describe(lost, { method: "dwarf" }), undefined);
  assert.equal(await describe(lost + blocked(1, 3000, libc, "query+0x1 (/web)")), undefined);
  // Idle threads, and those whose stack nobody has seen, are not worth a word.
  assert.equal(await describe(blocked(2, 11_000, libc)), undefined);
  const unseen = "[blocked before the recording began] ([unknown])";
  assert.equal(await describe(blocked(1, 9000, unseen).replace(KERNEL, "")), undefined);
  assert.equal(await describe(""), undefined);

  const stacks = await fold(runs + lost);
  const [{ kind, text }] = advise({ summary: { ...SUMMARY, samples: 3 }, stacks });
  assert.deepEqual([kind, text], ["broken stacks", await describe(lost)]);
});
