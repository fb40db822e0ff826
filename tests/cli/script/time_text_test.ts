import assert from "node:assert/strict";
import { parsePerfScript } from "../../../cli/script/parse.ts";
import type { ScriptSummary } from "../../../cli/script/stack_profile.ts";
import { createTimeTextMaker } from "../../../cli/script/time_text.ts";

/** What became of a thread's time: `tid event leaf` and its milliseconds. */
async function timesOf(
  text: string,
  limits: Parameters<typeof createTimeTextMaker>[0] = {},
  chunkLength = text.length,
): Promise<Record<string, number>> {
  const times: Record<string, number> = {};
  let summary: ScriptSummary | undefined;
  const made = make(text, limits, chunkLength);
  const onEnd = (end: ScriptSummary) => summary = end;
  for await (const { tid, event, frames, period } of parsePerfScript(made, { onEnd })) {
    const key = `${tid} ${event} ${frames[0].symbol}`;
    times[key] = Number(((times[key] ?? 0) + period! / 1e6).toFixed(3));
  }
  assert.equal(summary!.skippedLines, 0);
  assert.equal(summary!.truncated, false);
  return times;
}

async function* make(
  text: string,
  limits: Parameters<typeof createTimeTextMaker>[0],
  chunkLength: number,
): AsyncGenerator<Uint8Array> {
  const maker = createTimeTextMaker(limits);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += chunkLength) {
    yield* maker.push(bytes.subarray(at, at + chunkLength));
  }
  yield* maker.finish();
}

async function textOf(text: string): Promise<string> {
  let made = "";
  const decoder = new TextDecoder();
  for await (const chunk of make(text, {}, text.length)) made += decoder.decode(chunk);
  return made;
}

/** Milliseconds after the machine's start, as perf prints them. */
const at = (ms: number) => (1000 + ms / 1000).toFixed(9);
const line = (ms: number, tid: number, rest: string) => `web   7/${tid}   ${at(ms)}: ${rest}`;
const enter = (ms: number, tid = 8) => line(ms, tid, "PERF_RECORD_SWITCH IN         \n");
const leave = (ms: number, tid = 8) => line(ms, tid, "PERF_RECORD_SWITCH OUT        \n");
const preempt = (ms: number, tid = 8) => line(ms, tid, "PERF_RECORD_SWITCH OUT preempt\n");
const stack = (...symbols: string[]) =>
  symbols.map((symbol) => `\t    55d0 ${symbol}+0x10 (/bin/web)\n`).join("") + "\n";
const switching = (ms: number, symbol: string, tid = 8, period = 1) =>
  line(ms, tid, `    ${period} context-switches: \n${stack(symbol, "main")}`);
const running = (ms: number, symbol: string, tid = 8) =>
  line(ms, tid, `   10101010 cpu-clock: \n${stack(symbol, "main")}`);
const fork = (ms: number, tid: number) => line(ms, 8, `PERF_RECORD_FORK(7:${tid}):(7:8)\n`);
const exit = (ms: number, tid: number) => line(ms, tid, `PERF_RECORD_EXIT(7:${tid}):(7:8)\n`);
const note = (text: string) => `# necoperf: ${text}\n`;
const began = (ms: number) => note(`began ${at(ms)}`);
/** A block of 10 ms that began a moment after it was sampled. */
const block = (ms: number, symbol: string, tid = 8) =>
  switching(ms, symbol, tid) + leave(ms, tid) + enter(ms + 10, tid);

Deno.test("createTimeTextMaker: divides a thread's time into running, blocked and waiting", async () => {
  const text = began(0) + running(3, "parse") + switching(5, "poll") + leave(5) + enter(25) +
    running(30, "render") + switching(40, "render") + preempt(40) + enter(47) +
    running(48, "parse") +
    note("duration 0.050000");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock parse": 16,
    "8 cpu-clock render": 7,
    "8 offcpu-time poll": 20,
    "8 run-delay render": 7,
  });
});

Deno.test("createTimeTextMaker: gives running time to the sample that ends it", async () => {
  // 2 ms until it is preempted, 3 ms after, of which 1 ms are behind the last sample.
  const text = began(0) + switching(2, "g") + preempt(2) + enter(4) + running(6, "f") +
    note("duration 0.007000");
  assert.deepEqual(await timesOf(text), { "8 cpu-clock f": 5, "8 run-delay g": 2 });
});

Deno.test("createTimeTextMaker: puts a thread that was never sampled running where it left", async () => {
  assert.deepEqual(await timesOf(began(0) + enter(5) + block(8, "poll")), {
    "8 cpu-clock poll": 3,
    "8 offcpu-time [blocked before the recording began]": 5,
    "8 offcpu-time poll": 10,
  });
});

Deno.test("createTimeTextMaker: counts a thread from its beginning to its end", async () => {
  const text = began(0) + fork(10, 9) + enter(12, 9) + block(15, "poll", 9) + exit(29, 9) +
    note("duration 0.100000");
  assert.deepEqual(await timesOf(text), {
    "9 cpu-clock poll": 7,
    "9 offcpu-time poll": 10,
    "9 run-delay [waiting to start]": 2,
  });
});

Deno.test("createTimeTextMaker: gives a thread's number to another after its end", async () => {
  const text = began(0) + running(5, "f", 9) + exit(10, 9) + running(40, "g", 9) + exit(50, 9);
  assert.deepEqual(await timesOf(text), { "9 cpu-clock f": 10, "9 cpu-clock g": 10 });
});

Deno.test("createTimeTextMaker: knows of threads that only the kernel has counted", async () => {
  const text = began(0) + running(1, "f") + note("duration 1") +
    note("thread 7/8 1000000000 0 1 web") +
    note("thread 7/9 0 0 0 idle one");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock f": 1000,
    "9 offcpu-time [blocked before the recording began]": 1000,
  });
  assert.match(await textOf(text), /^idle one 7\/9 1001\.000000000: 1000000000 offcpu-time: $/m);
});

Deno.test("createTimeTextMaker: does not call blocked what perf has missed of a thread", async () => {
  const text = note("duration 1") + note("thread 7/8 400000000 250000000 300 web") + began(0);
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock [not sampled]": 400,
    "8 offcpu-time [not sampled]": 350,
    "8 run-delay [not sampled]": 250,
  });
});

Deno.test("createTimeTextMaker: takes waking up out of blocked time, the same each time", async () => {
  // Of 12 ms without a processor 3 were those of being preempted; four waits of different lengths.
  const waits = [2, 20, 20, 40].reduce(
    ({ ms, text }, length, index) => ({
      ms: ms + length,
      text: text + switching(ms, `w${index}`) + leave(ms) + enter(ms + length),
    }),
    { ms: 1, text: "" },
  );
  const text = began(0) + waits.text + switching(83, "f") + preempt(83) + enter(86) +
    note("duration 0.086000") + note("thread 7/8 1000000 12000000 5 web");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock f": 1,
    "8 offcpu-time w1": 17.667,
    "8 offcpu-time w2": 17.667,
    "8 offcpu-time w3": 37.667,
    "8 run-delay f": 3,
    "8 run-delay w0": 2,
    "8 run-delay w1": 2.333,
    "8 run-delay w2": 2.333,
    "8 run-delay w3": 2.333,
  });
});

Deno.test("createTimeTextMaker: has threads that ended wake up as slowly as others", async () => {
  // Thread 8 waited 2 ms each time that it was woken up.
  const text = began(0) + fork(0, 9) + enter(0, 9) + running(1, "f") + running(2, "g", 9) +
    switching(2, "read", 9) + leave(2, 9) + switching(5, "poll") + leave(5) + enter(15) +
    enter(22, 9) +
    running(22, "g", 9) + exit(22, 9) + running(22, "f") + switching(22, "poll") + leave(22) +
    enter(30) +
    note("duration 0.030000") + note("thread 7/8 12000000 4000000 2 web");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock f": 12,
    "8 offcpu-time poll": 14,
    "8 run-delay poll": 4,
    "9 cpu-clock g": 2,
    "9 offcpu-time read": 18,
    "9 run-delay read": 2,
  });
});

Deno.test("createTimeTextMaker: shares waits without a stack out over those that were as long", async () => {
  let text = began(0);
  let ms = 0;
  for (let round = 0; round < 4; round++) {
    const isSampled = round === 1;
    if (isSampled) text += switching(ms, "short", 8, 4);
    text += leave(ms) + enter(ms + 1);
    if (isSampled) text += switching(ms + 1, "long", 8, 4);
    text += leave(ms + 1) + enter(ms + 21);
    ms += 21;
  }
  assert.deepEqual(await timesOf(text), { "8 offcpu-time long": 80, "8 offcpu-time short": 4 });
  assert.match(
    await textOf(text),
    /^# necoperf: thinned: 2 of 8 switches were recorded with their/m,
  );
});

Deno.test("createTimeTextMaker: has a sample stand for as many waits as its period says", async () => {
  let text = began(0);
  for (let round = 0; round < 8; round++) {
    if (round === 5) text += switching(round, "often", 8, 6);
    if (round === 7) text += switching(round, "seldom", 8, 2);
    text += leave(round) + enter(round + 1);
  }
  assert.deepEqual(await timesOf(text), { "8 offcpu-time often": 6, "8 offcpu-time seldom": 2 });
});

Deno.test("createTimeTextMaker: estimates pauses by what was seen and what the kernel counted", async () => {
  // 10 ms are watched of 40: 6 blocked, 3 running, 1 waiting; the kernel has counted 16 and 4 in
  // all.
  const watched = (ms: number) =>
    running(ms + 3, "f") + switching(ms + 3, "poll") + leave(ms + 3) + enter(ms + 9);
  const text = began(0) + watched(0) + switching(9, "f") + preempt(9) + enter(10) +
    running(10, "f") + note("still") + note(`paused 0.030000 ${at(40)}`) + running(40, "f") +
    note("duration 0.040000") + note("thread 7/8 16000000 4000000 20 web");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock f": 16,
    "8 offcpu-time poll": 20,
    "8 run-delay f": 4,
  });
  assert.match(
    await textOf(text),
    /^# necoperf: thinned: threads were watched for 0.01 s of 0.04 s/m,
  );
});

Deno.test("createTimeTextMaker: writes times of nine decimals, also where seconds make no whole number", async () => {
  // 8.001451 s are 8001450999.999999 ns in floating point.
  const text = began(0) + running(1, "f") + note("duration 8.001451");
  assert.match(await textOf(text), /^web 7\/8 1008\.001451000: 8001451000 cpu-clock: $/m);
  const paused = began(0) + running(1, "f") + note(`paused 8.001451`) + running(9000, "f");
  const times = [...(await textOf(paused)).matchAll(/^web \S+ (\S+):/gm)].map(([, time]) => time);
  assert.deepEqual(times.filter((time) => !/^\d+\.\d{9}$/.test(time)), []);
});

Deno.test("createTimeTextMaker: knows where a thread was that did not run in a pause", async () => {
  const text = began(0) + running(2, "f") + switching(10, "poll") + leave(10) +
    running(10, "g", 9) + switching(11, "work", 9) + leave(11, 9) + note("still 7/8") +
    note("paused 0.100") +
    running(112, "g", 9) + enter(120) + note("duration 0.130");
  const times = await timesOf(text);
  assert.equal(times["8 offcpu-time poll"], 110);
  assert.equal(times["8 cpu-clock f"], 20);
});

Deno.test("createTimeTextMaker: finds the pause in the gap after its note", async () => {
  // What perf still had to print of the time before the pause comes behind the note.
  const text = began(0) + running(5, "f") + note("paused 1.9") + running(10, "f") +
    running(2010, "f") + note("duration 2.02") + note("thread 7/8 2020000000 0 1 web");
  assert.deepEqual(await timesOf(text), { "8 cpu-clock f": 2020 });
  assert.match(await textOf(text), /watched for 0\.12 s of 2\.02 s/);
});

Deno.test("createTimeTextMaker: lets threads that ended stand for others that came in pauses", async () => {
  const born = (ms: number, tid: number) =>
    fork(ms, tid) + enter(ms, tid) + running(ms + 8, "f", tid) + exit(ms + 8, tid);
  const text = began(0) + running(0, "main") +
    born(1, 9) + note("still") + note("paused 0.09") + born(101, 10) +
    born(109, 11) +
    note("still") + note("paused 0.08") + running(200, "main") + note("duration 0.2") +
    note("thread 7/8 200000000 0 1 web");
  // 25 ms were watched of 200, and in 24 of them such a thread ran.
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock main": 200,
    "9 cpu-clock f": 64,
    "10 cpu-clock f": 64,
    "11 cpu-clock f": 64,
  });
});

Deno.test("createTimeTextMaker: knows the time of threads that are watched while others are not", async () => {
  const text = began(0) +
    // All are watched: the one chats, the other blocks.
    running(5, "g", 9) + switching(5, "poll", 9) + leave(5, 9) +
    running(10, "chat") + switching(20, "pipe") + leave(20) + enter(40) + running(40, "chat") +
    note("still 7/9") + note("watched 7/9") + note(`paused 0.02 ${at(60)}`) +
    // The other alone.
    enter(65, 9) + running(70, "g", 9) + switching(71, "lock", 9) + leave(71, 9) + enter(110, 9) +
    note(`paused 0.02 ${at(140)}`) +
    running(150, "chat") + running(150, "g", 9) + note("duration 0.15") +
    note("thread 7/8 75000000 0 1 web") + note("thread 7/9 51000000 0 1 web");
  assert.deepEqual(await timesOf(text), {
    // It was blocked for 20 of the 50 ms that it was watched.
    "8 cpu-clock chat": 75,
    "8 offcpu-time pipe": 75,
    // Nothing is estimated but that it ran for 20 ms in the second pause.
    "9 cpu-clock g": 51,
    "9 offcpu-time poll": 60,
    "9 offcpu-time lock": 39,
  });
  assert.match(
    await textOf(text),
    /thinned: threads that switch often were watched for 0\.05 s of 0\.15 s, the others for 0\.11 s, so/,
  );
});

Deno.test("createTimeTextMaker: threads stand for others as long as those that start them were watched", async () => {
  const born = (ms: number, tid: number, parent: number, lifeMs: number) =>
    line(ms, parent, `PERF_RECORD_FORK(7:${tid}):(7:${parent})\n`) + enter(ms, tid) +
    running(ms + lifeMs, "f", tid) + exit(ms + lifeMs, tid);
  // All are watched for 140 of 200 ms, thread 9 for 180, and thread 20 as one that it has started.
  const text = began(0) + running(40, "main") + note("watched 7/9") +
    note(`paused 0.01 ${at(50)}`) + born(60, 20, 9, 9) + born(70, 21, 20, 9) +
    note(`paused 0.01 ${at(100)}`) + born(110, 22, 8, 7) + running(200, "main") +
    note("duration 0.2") + note("thread 7/8 200000000 0 1 web") + note("thread 7/9 0 0 0 web");
  const times = await timesOf(text);
  assert.equal(times["20 cpu-clock f"], 10);
  assert.equal(times["21 cpu-clock f"], 10);
  assert.equal(times["22 cpu-clock f"], 10);
  assert.equal(times["9 offcpu-time [blocked before the recording began]"], 200);
});

Deno.test("createTimeTextMaker: gives only what blocked where nothing else was recorded", async () => {
  const text = note("thread-time off-cpu") + began(0) + block(5, "poll") + note("duration 0.02");
  assert.deepEqual(await timesOf(text), { "8 offcpu-time poll": 10 });
});

Deno.test("createTimeTextMaker: passes the daemon's other notes on, and none of its own", async () => {
  const text = note("thread-time all") + note("limit 200m") + began(0) + running(1, "f") +
    note("odd") +
    "# another comment\n" + note("duration 0.001");
  const notes = (await textOf(text)).split("\n").filter((line) => line.startsWith("#"));
  assert.deepEqual(notes, ["# necoperf: limit 200m", "# necoperf: odd"]);
});

Deno.test("createTimeTextMaker: reads pieces of any length", async () => {
  const text = began(0) + fork(0, 9) + block(5, "poll") + enter(16, 9) + running(18, "é", 9) +
    note("duration 0.02");
  const whole = await timesOf(text);
  for (const length of [1, 7, 64]) assert.deepEqual(await timesOf(text, {}, length), whole);
});

Deno.test("createTimeTextMaker: keeps each thread's sum with any limit of what is held", async () => {
  let text = began(0);
  for (let round = 0; round < 200; round++) text += block(20 * round + 5, `f${round}`);
  text += note("duration 4") + note("thread 7/8 2000000000 0 200 web");
  const limits = [{}, { maxParts: 10 }, { maxStackLength: 1000 }, {
    maxParts: 3,
    maxStackLength: 500,
  }];
  for (const limit of limits) {
    const times = await timesOf(text, limit, 500);
    const sum = Object.values(times).reduce((sum, ms) => sum + ms);
    assert.ok(Math.abs(sum - 4000) < 0.001, `${sum}`);
    assert.equal(times["8 offcpu-time f7"], 10);
  }
});

Deno.test("createTimeTextMaker: puts together what is too much to hold, and counts it right", async () => {
  let text = began(0);
  for (let round = 0; round < 200; round++) text += block(20 * round + 5, "poll");
  // It ends as it is woken up for the last time, so that it was blocked for 2 s less the delay.
  text += note("duration 3.995") + note("thread 7/8 1995000000 400000000 200 web");
  const samplesWith = async (maxParts: number) => {
    let made = "";
    for await (const chunk of make(text, { maxParts }, 500)) {
      made += new TextDecoder().decode(chunk);
    }
    return made.match(/offcpu-time/g)!.length;
  };
  assert.equal(await samplesWith(1000), 200);
  assert.ok(await samplesWith(10) <= 10);
  for (const maxParts of [1000, 10]) {
    const times = await timesOf(text, { maxParts }, 500);
    assert.equal(times["8 offcpu-time poll"], 1600);
    assert.equal(times["8 run-delay poll"], 400);
  }
});

Deno.test("createTimeTextMaker: holds no more threads than it may", async () => {
  let text = began(0);
  for (let tid = 100; tid < 400; tid++) text += running(tid, "f", tid);
  const times = await timesOf(text, { maxThreads: 20 }, 1000);
  assert.equal(Object.keys(times).length, 300);
});

Deno.test("createTimeTextMaker: survives switches that were lost", async () => {
  const text = began(0) + leave(1) + leave(2) + enter(3) + enter(4) + running(5, "f") + leave(6) +
    running(7, "f") + exit(8, 8) + enter(9) + exit(10, 77);
  const times = await timesOf(text);
  const sum = Object.values(times).reduce((sum, ms) => sum + ms);
  assert.ok(sum > 8 && sum <= 10, `${JSON.stringify(times)}`);
});

Deno.test("createTimeTextMaker: survives other text", async () => {
  const texts = [
    "",
    "\n\n\n",
    "\t\t\n# necoperf: paused x\n# necoperf: still 1/\n# necoperf: thread 1\n# necoperf: began -1\n",
    `web 7/8 999999999.999999999: PERF_RECORD_SWITCH IN\nweb 7/8 0.000000000: PERF_RECORD_SWITCH OUT\n`,
    `web 7/8 1.000000000: 99999999999999999999 cpu-clock: \n${"\t".repeat(1000)}\n`,
    `# necoperf: paused 999999999999999999 1.0\n${running(1, "f")}`,
    `# necoperf: duration 999999999999999999\n${running(1, "f")}`,
    "x".repeat(500_000),
    `web 7/8 1.000000000: 1 cpu-clock: \n${`\t55d0 ${"f".repeat(1000)} (/f)\n`.repeat(1000)}`,
    " ".repeat(300_000) + "\n",
  ];
  for (const text of texts) await textOf(text);
});

Deno.test("createTimeTextMaker: leaves out what perf makes up when it attaches", async () => {
  const madeUp = "web     0/0         0.000000000: PERF_RECORD_COMM: web:7/8\n" +
    "web     0/0         0.000000000: PERF_RECORD_FORK(7:8):(7:7)\n";
  const text = began(0) + madeUp + running(5, "f") + madeUp + running(6, "f");
  assert.deepEqual(await timesOf(text), { "8 cpu-clock f": 6 });
});

/** What perf says of a thread that is there when it attaches. */
const found = (tid: number, command = "web") =>
  `${command}     0/0         0.000000000: PERF_RECORD_COMM: ${command}:7/${tid}\n`;

Deno.test("createTimeTextMaker: counts a thread that entered from when it began", async () => {
  const started = note(`started 7/9 ${at(30)}`) + note("duration 0.06");
  const run = began(0) + running(5, "f") + running(50, "g", 9) + running(60, "h", 9) + started +
    note("thread 7/8 60000000 0 1 web") + note("thread 7/9 30000000 0 1 entered");
  assert.deepEqual(await timesOf(run), {
    "8 cpu-clock f": 60,
    "9 cpu-clock g": 20,
    "9 cpu-clock h": 10,
  });
  const slept = began(0) + enter(50, 9) + block(52, "poll", 9) + running(62, "g", 9) + started;
  assert.deepEqual(await timesOf(slept), {
    "9 cpu-clock g": 2,
    "9 offcpu-time [blocked before the recording began]": 20,
    "9 offcpu-time poll": 10,
  });
});

Deno.test("createTimeTextMaker: knows threads that sleep all the time from perf's list", async () => {
  const text = found(8) + found(9, "a sleeper") + found(10, "perf-exec") + running(5, "f") +
    running(25, "f");
  assert.deepEqual(await timesOf(text), {
    "8 cpu-clock f": 20,
    "9 offcpu-time [blocked before the recording began]": 20,
  });
});

Deno.test("createTimeTextMaker: has a frame for a stack that is empty", async () => {
  const empty = line(5, 8, "          1 context-switches: \n\n");
  const text = began(0) + running(5, "f") + empty + leave(5) + enter(15) + note("duration 0.015");
  assert.deepEqual(await timesOf(text), { "8 cpu-clock f": 5, "8 offcpu-time [unknown]": 10 });
});

Deno.test("createTimeTextMaker: takes texts of two perfs that are mixed", async () => {
  // One is behind the other by 20 ms, and there is a pause in both.
  const text = began(0) + note("still") + note(`paused 0.05 ${at(80)}`) + running(20, "f") +
    running(90, "f") + running(10, "g", 9) + running(85, "g", 9) + running(100, "f") +
    note("duration 0.1") + note("thread 7/8 100000000 0 1 web") +
    note("thread 7/9 100000000 0 1 web");
  assert.deepEqual(await timesOf(text), { "8 cpu-clock f": 100, "9 cpu-clock g": 100 });
});
