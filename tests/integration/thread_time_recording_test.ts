/** Recordings of threads' time: what the daemon sends of them, by real perfs. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { RecordOptions } from "../../proto/gen/necoperf/RecordOptions.ts";
import { grpc } from "../../proto/grpc.ts";
import { recordArguments, scriptArguments } from "../../daemon/perf/perf_arguments.ts";
import type { PerfOptions } from "../../daemon/recording.ts";
import { assertNothingLeft, collect, fetchResult, findChildren } from "../testing/calls.ts";
import { type CgroupContainer, makeContainer } from "../testing/container_cgroup.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { findPerfs, type Perf } from "../testing/perfs.ts";
import { eventually, run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();
const BY_CGROUP = ["--container-lookup", "cgroup"];

async function record(
  daemon: TestDaemon,
  containerId: string,
  seconds: number,
  options: Partial<RecordOptions>,
  onStarted: (recordingId: string) => Promise<void> = () => Promise.resolve(),
) {
  let recordingId = "";
  let meanwhile: Promise<void> | undefined;
  const duration = { seconds, nanos: 0 };
  const events = await collect(daemon, { containerId, duration, options }, (event) => {
    recordingId ||= event.accepted?.recordingId ?? "";
    if (event.started) (meanwhile = onStarted(recordingId)).catch(() => {});
  });
  await meanwhile;
  const finished = events.at(-1)!.finished!;
  const text = new TextDecoder().decode(gunzipSync(await fetchResult(daemon, recordingId)));
  return { finished, text };
}

/** What the lines of the daemon's own say. */
interface Notes {
  all: string[];
  began?: number;
  durationSeconds: number;
  pauses: { seconds: number; end?: number; still: string[]; watched: string[] }[];
  /** By `pid/tid`. */
  threads: Map<string, { runNs: number; delayNs: number; turns: number; comm: string }>;
}

function readNotes(text: string): Notes {
  const all = [...text.matchAll(/^# necoperf: (.*)$/gm)].map(([, note]) => note);
  const notes: Notes = { all, durationSeconds: NaN, pauses: [], threads: new Map() };
  let still: string[] = [];
  let watched: string[] = [];
  for (const [word, ...rest] of all.map((note) => note.split(" "))) {
    if (word === "began") notes.began = Number(rest[0]);
    if (word === "duration") notes.durationSeconds = Number(rest[0]);
    if (word === "still") still.push(...rest);
    if (word === "watched") watched.push(...rest);
    if (word === "paused") {
      const [seconds, end] = rest.map(Number);
      notes.pauses.push({ seconds, end, still, watched });
      still = [];
      watched = [];
    }
    if (word === "thread") {
      const [id, run, delay, turns, ...comm] = rest;
      const [runNs, delayNs] = [Number(run), Number(delay)];
      notes.threads.set(id, { runNs, delayNs, turns: Number(turns), comm: comm.join(" ") });
    }
  }
  return notes;
}

interface Switch {
  id: string;
  seconds: number;
  kind: string;
  /** In the text. */
  index: number;
}

/** The switches that were recorded, in the text's order. */
function readSwitches(text: string): Switch[] {
  const lines = text.matchAll(/^.* (\d+\/\d+) +(\d+\.\d+): PERF_RECORD_SWITCH (.*?) *$/gm);
  return [...lines].map(({ 1: id, 2: time, 3: kind, index }) => ({
    ...{ id, kind, index },
    seconds: Number(time),
  }));
}

/** The addresses of all frames. */
function frameAddresses(text: string): bigint[] {
  return [...text.matchAll(/^\t *([0-9a-f]+) /gm)].map(([, address]) => BigInt(`0x${address}`));
}

const FIRST_KERNEL_ADDRESS = 0xffff800000000000n;

Deno.test("StartRecording: threads' time of the user's side says nothing of the kernel", async () => {
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  await using target = run(targets.threads, "3");
  const sides = { both: "SIDE_BOTH", user: "SIDE_USER" } as const;
  for (const callGraph of ["CALL_GRAPH_FP", "CALL_GRAPH_DWARF"] as const) {
    const options = { threadTime: "THREAD_TIME_ALL", callGraph } as const;
    const [both, user] = await Promise.all(
      [sides.both, sides.user].map((side) =>
        record(daemon, `${target.pid}`, 2, { ...options, side })
      ),
    );
    // Those who may see it get where in the kernel a thread waits.
    assert.ok(both.text.includes("([kernel.kallsyms])"), both.text.slice(0, 500));
    assert.ok(frameAddresses(both.text).some((address) => address >= FIRST_KERNEL_ADDRESS));

    const inKernel = both.text.matchAll(/^\t *[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \(\[kernel.*\)$/gm);
    const functions = new Set([...inKernel].map(([, name]) => name));
    assert.ok(functions.size > 3);
    assert.doesNotMatch(user.text, /\[kernel|kallsyms|\.ko\b/);
    assert.deepEqual(
      frameAddresses(user.text).filter((address) => address >= FIRST_KERNEL_ADDRESS),
      [],
    );
    assert.doesNotMatch(user.text, /\bffff[89a-f][0-9a-f]{11}\b/);
    const symbols = [...user.text.matchAll(/^\t *[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \(/gm)];
    const seen = symbols.map(([, name]) => name);
    assert.deepEqual(seen.filter((name) => functions.has(name)), []);
    // What blocks and what runs are there.
    assert.ok(seen.includes(BUSY_FUNCTION));
    // perf does not unwind a static program with its DWARF tables.
    const waiting = / context-switches: *\n(\t.*\n)*\t.* main\+/;
    if (callGraph === "CALL_GRAPH_FP") assert.match(user.text, waiting);
    assert.ok(readSwitches(user.text).length > 10);
  }
});

Deno.test("StartRecording: the switches of threads are what the kernel counts of their time", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using container = makeContainer();
  const { pid } = container.run(targets.spin);
  const { pid: sleeper } = container.run(targets.threads, "2");
  await eventually(() => assert.equal(threadsOf(container).length, 3));
  // What was before the recording is not in it.
  await eventually(async () => {
    const schedstat = await Deno.readTextFile(`/proc/${pid}/schedstat`);
    assert.ok(Number(schedstat.split(" ")[0]) > 1e9, schedstat);
  });
  const { text, finished } = await record(daemon, container.id, 4, {
    threadTime: "THREAD_TIME_ALL",
  });
  const { began, durationSeconds, threads, pauses, all } = readNotes(text);
  assert.ok(text.startsWith("# necoperf: thread-time all\n# necoperf: began "), all[0]);
  assert.ok(durationSeconds >= 3.9, `${durationSeconds} s`);
  assert.deepEqual(pauses, []);
  assert.ok(finished.samples > 0);
  assert.deepEqual([...threads.keys()].sort(), threadsOf(container).sort());

  const switches = readSwitches(text);
  const { runNs, turns, comm } = threads.get(`${pid}/${pid}`)!;
  assert.equal(comm, (await Deno.readTextFile(`/proc/${pid}/comm`)).trim());
  const own = switches.filter(({ id }) => id === `${pid}/${pid}`);
  const { ranSeconds, ins } = sumUp(own, began!, began! + durationSeconds);
  // The kernel's counts are read before and after the switches are recorded.
  const [atEdgesNs, turnsAtEdges] = [200e6, 0.5 * turns / durationSeconds];
  const offNs = Math.abs(ranSeconds * 1e9 - runNs);
  assert.ok(offNs < 0.02 * runNs + atEdgesNs, `${ranSeconds} s, ${runNs} ns`);
  const turnsOff = Math.abs(ins - turns);
  assert.ok(turnsOff < 0.02 * turns + 100 + turnsAtEdges, `${ins} switches, ${turns} turns`);

  const [sleeping] = [...threads.keys()].filter((id) => id.startsWith(`${sleeper}/`))
    .filter((id) => id !== `${sleeper}/${sleeper}`);
  assert.deepEqual(switches.filter(({ id }) => id === sleeping), []);
  assert.deepEqual(threads.get(sleeping)!.turns, 0);

  // The recording's clock is the machine's.
  const times = switches.map(({ seconds }) => seconds);
  assert.ok(Math.min(...times) > began! - 1, `${began}`);
  assert.ok(Math.max(...times) < began! + durationSeconds + 1, `${began}`);
});

/**
 * How long a thread that spins ran in a time, and how often it began to. On a quiet machine it may
 * not switch for seconds.
 */
function sumUp(switches: Switch[], from: number, to: number): { ranSeconds: number; ins: number } {
  let [ranSeconds, ins] = [0, 0];
  let since: number | undefined = switches[0]?.kind === "IN" ? undefined : from;
  for (const { seconds, kind } of switches) {
    if (kind === "IN") {
      [since, ins] = [seconds, ins + 1];
    } else if (since !== undefined) {
      [ranSeconds, since] = [ranSeconds + seconds - since, undefined];
    }
  }
  if (since !== undefined) ranSeconds += to - since;
  return { ranSeconds, ins };
}

Deno.test("StartRecording: a container whose threads all sleep also has a time", async () => {
  await using daemon = await startDaemon({ args: BY_CGROUP });
  await using container = makeContainer();
  const { pid } = container.run(targets.idle);
  await eventually(() => assert.equal(container.pids().length, 1));
  const threadTime = "THREAD_TIME_OFF_CPU";
  const { text, finished } = await record(daemon, container.id, 1, { threadTime });
  assert.equal(finished.completeness, "COMPLETENESS_FULL");
  assert.ok(text.startsWith("# necoperf: thread-time off-cpu\n"));
  const { turns, runNs } = readNotes(text).threads.get(`${pid}/${pid}`)!;
  assert.deepEqual([turns, runNs, finished.samples], [0, 0, 0]);
});

Deno.test("StartRecording: threads that switch too often are recorded in bursts, in one text", async () => {
  await using daemon = await startDaemon({ args: [...BY_CGROUP, "--thread-time-budget", "1Mi"] });
  await using container = makeContainer();
  const { pid: sleeper } = container.run(targets.idle);
  const { pid: chatty } = container.run(targets.pingPong, "40");
  await eventually(() => assert.equal(threadsOf(container).length, 3));
  const { text, finished } = await record(daemon, container.id, 8, {
    threadTime: "THREAD_TIME_ALL",
  });
  assert.equal(finished.completeness, "COMPLETENESS_FULL");
  const { pauses, threads, durationSeconds } = readNotes(text);
  const switches = readSwitches(text);
  // From a pause to the next one all are watched, or some.
  let restedSeconds = 0;
  for (const [count, { seconds, end, watched }] of pauses.entries()) {
    const next = pauses[count + 1];
    const restEnd = next && watched.length > 0 ? next.end! - next.seconds : end!;
    restedSeconds += seconds + restEnd - end!;
    const others = switches.filter((one) =>
      one.seconds > end! + 0.02 && one.seconds < restEnd - 0.02 && !watched.includes(one.id)
    );
    assert.deepEqual(others, []);
  }
  assert.ok(pauses.some(({ watched }) => watched.includes(`${sleeper}/${sleeper}`)));
  assert.ok(restedSeconds > 1 && restedSeconds < durationSeconds, `${JSON.stringify(pauses)}`);
  const times = [...switches.map(({ seconds }) => seconds), Infinity].sort((a, b) => a - b);
  const gaps = times.slice(1).map((to, index) => ({ from: times[index], to }))
    .filter(({ from, to }) => to - from > 0.1);
  for (const [count, { index }] of [...text.matchAll(/^# necoperf: paused/gm)].entries()) {
    const { seconds, end, still } = pauses[count];
    assert.ok(still.includes(`${sleeper}/${sleeper}`), `${still}`);
    assert.ok(!still.some((id) => id.startsWith(`${chatty}/`)), `${still}`);
    // Nothing was recorded meanwhile, and nothing that came after is before its line.
    const gap = gaps.find(({ from, to }) =>
      to - from > 0.7 * seconds && from < end! - 0.7 * seconds && to > end! - 0.3 * seconds
    );
    assert.ok(gap, `no gap of ${seconds} s to ${end} in ${JSON.stringify(gaps)}`);
    assert.ok(switches.every((one) => one.index > index || one.seconds <= gap.from));
  }
  assert.ok(threads.get(`${chatty}/${chatty}`)!.turns > 1000);
  // A thread's stack has names after a pause, too.
  const bursts = text.split(/^# necoperf: paused.*\n/gm);
  assert.ok(bursts.filter((burst) => burst.includes(" answer+")).length > 1);
});

Deno.test("StartRecording: what enters the container in a pause is recorded after it", async () => {
  await using daemon = await startDaemon({ args: [...BY_CGROUP, "--thread-time-budget", "256Ki"] });
  await using container = makeContainer();
  container.run(targets.pingPong, "200");
  await eventually(() => assert.equal(threadsOf(container).length, 2));
  let entered = 0;
  const { text, finished } = await record(
    daemon,
    container.id,
    12,
    { threadTime: "THREAD_TIME_ALL" },
    async () => {
      await eventually(async () => assert.ok(!await isRecording(daemon)));
      entered = container.run(targets.spin).pid;
    },
  );
  assert.ok(readNotes(text).pauses.length > 0);
  assert.equal(finished.missedProcesses, 0);
  const samples = text.match(new RegExp(` ${entered}/${entered} .* cpu-clock: `, "g")) ?? [];
  assert.ok(samples.length > 0, `nothing of process ${entered}`);
  // By one perf.
  const times = samples.map((line) => /(\d+\.\d+):/.exec(line)![1]);
  assert.equal(new Set(times).size, times.length);
});

Deno.test("StopRecording: in a pause it ends the recording, with what was recorded", async () => {
  await using daemon = await startDaemon({ args: [...BY_CGROUP, "--thread-time-budget", "1Ki"] });
  await using container = makeContainer();
  // So many that perf always finds something to write, and then hears of no command.
  for (let count = 0; count < 3; count++) container.run(targets.pingPong);
  await eventually(() => assert.equal(threadsOf(container).length, 6));
  const { text, finished } = await record(
    daemon,
    container.id,
    60,
    { threadTime: "THREAD_TIME_ALL" },
    async (recordingId) => {
      await eventually(async () => assert.ok(!await isRecording(daemon)));
      await new Promise<void>((resolve, reject) =>
        daemon.client.StopRecording({ recordingId }, (error) => error ? reject(error) : resolve())
      );
    },
  );
  assert.equal(finished.completeness, "COMPLETENESS_STOPPED");
  assert.ok(finished.samples > 0);
  assert.equal(readNotes(text).pauses.length, 1);
  assert.equal(readNotes(text).threads.size, 6);
});

Deno.test("StartRecording: a caller that cancels in a pause leaves nothing behind", async () => {
  await using daemon = await startDaemon({ args: [...BY_CGROUP, "--thread-time-budget", "1Ki"] });
  await using container = makeContainer();
  container.run(targets.pingPong);
  await eventually(() => assert.equal(threadsOf(container).length, 2));
  const call = daemon.client.StartRecording({
    containerId: container.id,
    duration: { seconds: 60, nanos: 0 },
    options: { threadTime: "THREAD_TIME_ALL" },
  });
  const cancelled = new Promise<grpc.ServiceError>((resolve) => call.on("error", resolve));
  await new Promise<void>((resolve) =>
    call.on("data", ({ event }) => event === "started" && resolve())
  );
  await eventually(async () => assert.ok(!await isRecording(daemon)));
  call.cancel();
  assert.equal((await cancelled).code, grpc.status.CANCELLED);
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  await assertNothingLeft(daemon);
});

Deno.test("StartRecording: without a budget for it no threads' time is recorded", async () => {
  await using daemon = await startDaemon({
    args: ["--container-lookup", "pid", "--thread-time-budget", "0"],
  });
  await assert.rejects(
    record(daemon, `${Deno.pid}`, 1, { threadTime: "THREAD_TIME_ALL" }),
    /INVALID_ARGUMENT: thread_time: .*--thread-time-budget=0/,
  );
});

for (const perf of findPerfs()) {
  Deno.test(`scriptArguments: ${perf.version} reads recordings one after the other as one`, async () => {
    await using target = run(targets.threads, "2");
    const options: PerfOptions = {
      ...{ frequencyHz: 99, events: [], callGraph: "fp", stackSizeBytes: 8192 },
      ...{ side: "user", inline: false, format: "script", threadTime: "all" },
    };
    const recordings: Uint8Array[] = [];
    for (let count = 0; count < 3; count++) {
      const durationSeconds = 0.6;
      const args = recordArguments(options, { pids: [target.pid], durationSeconds, mmapPages: 16 });
      recordings.push(await output(perf, args));
    }
    const texts = [];
    for (const data of recordings) texts.push(await output(perf, scriptArguments(options), data));
    const whole = Buffer.concat(recordings.map((data, index) => index ? data.subarray(16) : data));
    const text = decodeTimed(await output(perf, scriptArguments(options), whole));
    assert.equal(text, texts.map(decodeTimed).join(""));
    assert.ok(texts.every((each) => readSwitches(decodeTimed(each)).length > 0));
  });
}

/** Without what perf writes down when it attaches, which has no time and so comes first. */
function decodeTimed(text: Uint8Array): string {
  return new TextDecoder().decode(text).replaceAll(/^.* 0\.0{9}: PERF_RECORD_.*\n/gm, "");
}

async function output(perf: Perf, args: string[], input?: Uint8Array): Promise<Uint8Array> {
  const [program, ...words] = perf.command;
  const process = new Deno.Command(program, {
    args: [...words, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  const written = writer.write(input ?? new Uint8Array()).then(() => input && writer.close());
  const { success, stdout, stderr } = await process.output();
  await written;
  assert.ok(success, new TextDecoder().decode(stderr));
  return stdout;
}

/** Whether perf records for a daemon. */
async function isRecording(daemon: TestDaemon): Promise<boolean> {
  return (await findChildren(daemon.pid)).some((line) => line.includes("perf record"));
}

/** The threads of a container, as `pid/tid`. */
function threadsOf(container: CgroupContainer): string[] {
  return container.pids().flatMap((pid) =>
    [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => `${pid}/${name}`)
  );
}
