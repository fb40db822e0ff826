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
    "is woken by each answer": sample(2, "offcpu-time", 100, "query").repeat(100),
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

Deno.test("foldPerfScript: with idle no thread counts as idle", async () => {
  const text = new TextEncoder().encode(SERVES + sample(2, "offcpu-time", 10_000, "take"));
  const { events, threadTimes } = await foldPerfScript(inChunks(text), { idle: true });
  assert.deepEqual(threadTimes, { threads: 2, idleThreads: 0, longestSeconds: 10 });
  assert(events.flatMap(({ stacks }) => stacks).every(({ idleWeight }) => !idleWeight));
});

Deno.test("foldPerfScript: where only what blocked is known, a life is as long as the text", async () => {
  const blocked = (tid: number, end: string, milliseconds: number, leaf: string) =>
    sample(tid, "offcpu-time", milliseconds, leaf).replace("20.0", end);
  // Thread 1 ran for 4 s of the 10 between its waits; thread 2 never did.
  const text = blocked(1, "13.000000", 3000, "query") + blocked(1, "20.000000", 3000, "query") +
    blocked(2, "20.000000", 10_000, "take");
  assert.deepEqual(await idleIn(text), { take: 10_000 });
  assert.equal((await fold(text)).threadTimes?.longestSeconds, 10);
  // What else was sampled says how long it was.
  const cycles = (time: string) => `web 7/9 [001] ${time}: 5 cycles: \n\t 10 f+0x1 (/web)\n\n`;
  assert.deepEqual(
    await idleIn(cycles("5.0") + text + cycles("25.0")),
    {},
  );
});

Deno.test("foldPerfScript: the sums of perf's --off-cpu are of no time, and of the same machine", async () => {
  // As perf writes them after all other samples: ~0 << 32 nanoseconds instead of a time.
  const sum = (tid: number, nanoseconds: number, leaf: string) =>
    `sshd  ${tid} [000] 18446744069.414584: ${nanoseconds} offcpu-time: \n` +
    `\t    79a864f1c8bb ${leaf}+0x4b (/usr/lib/libc.so.6)\n\t    585690935cca [unknown] (/usr/bin/sshd)\n\n`;
  const runs = (time: string) =>
    `            sshd  708098 [003] ${time}:  500000000  cpu-clock:  ff91a160c3 f+0x43 (/usr/bin/sshd)\n`;
  const text = runs("28178.0") + runs("28180.0") + sum(708098, 2_000_000_000, "ppoll") +
    sum(708099, 3_000_000_000, "accept");
  const { threadTimes, durationSeconds, startSeconds, endSeconds, leftOut } = await fold(text);
  assert.deepEqual([threadTimes?.threads, durationSeconds, startSeconds, endSeconds], [
    ...[2, 2, 28178, 28180],
  ]);
  assert.deepEqual(leftOut, []);
  assert.deepEqual(await idleIn(text), { accept: 3000 });
});

Deno.test("foldPerfScript: what a text says of how it was thinned is kept, each sentence once", async () => {
  const thinned = async (text: string) => (await fold(text)).thinned;
  const one = "# necoperf: thinned: it was looked 20% of the time\n";
  assert.deepEqual(await thinned(one + SERVES + one), ["it was looked 20% of the time"]);
  assert.equal(await thinned(`# necoperf: duration 10\n${SERVES}# thinned: no note\n`), undefined);
  const many = Array.from(
    { length: 100 },
    (_, index) => `# necoperf: thinned: ${index} ${"x".repeat(999)}\n`,
  );
  const kept = await thinned(many.join("") + SERVES);
  assert.deepEqual([kept?.length, kept?.[7].length], [8, 300]);
});

Deno.test("foldPerfScript: Go's threads are idle while they have no goroutine to run", async () => {
  const go = (tid: number, milliseconds: number, ...functions: string[]) =>
    `web 7/${tid} [001] 20.0: ${milliseconds * 1e6} offcpu-time: \n` +
    functions.map((name) => `\t 10 ${name}+0x1 (/web)\n`).join("") + "\n";
  const parked = go(1, 4000, "runtime.futex.abi0", "runtime.notesleep", "runtime.stopm") +
    go(2, 4000, "syscall.Syscall6", "runtime.netpoll", "runtime.findRunnable");
  const text = parked + go(1, 900, "syscall.Fsync", "main.save") +
    sample(1, "cpu-clock", 100, "main.work") + sample(2, "cpu-clock", 100, "runtime.stopm");
  assert.deepEqual(await idleIn(text), { "runtime.futex.abi0": 4000, "syscall.Syscall6": 4000 });
  assert.deepEqual((await fold(text)).threadTimes, {
    ...{ threads: 2, idleThreads: 0, longestSeconds: 5, parkedSeconds: 8 },
  });
  // Where there is nothing else, it is shown; and it may be asked for.
  assert.deepEqual(await idleIn(parked), {});
  const { threadTimes } = await foldPerfScript(
    inChunks(new TextEncoder().encode(text)),
    { idle: true },
  );
  assert.equal(threadTimes?.parkedSeconds, undefined);
});
