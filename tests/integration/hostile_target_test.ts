/**
 * The real daemon and targets that choose what perf has to say of them: it stays within its memory.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import {
  assertNothingLeft,
  collect,
  deleteResult,
  fetchResult,
  findChildren,
} from "../testing/calls.ts";
import { type CgroupContainer, makeContainer } from "../testing/container_cgroup.ts";
import { startDaemon } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";
import { peakBytes } from "../testing/resources.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const PEAK_BYTES = 160e6;
const SECOND = { seconds: 1, nanos: 0 };

function start(...args: string[]) {
  return startDaemon({ args: ["--container-lookup", "cgroup", ...args] });
}

/**
 * Starts processes with long mappings; 22 with 6,000 are 220 MB of perf.data before the first
 * sample.
 */
async function runMappings(
  container: CgroupContainer,
  directory: string,
  { processes, mappings }: { processes: number; mappings: number },
): Promise<void> {
  const before = container.pids().length;
  container.run(targets.mappings, directory, `${processes}`, `${mappings}`);
  await eventually(() => assert.equal(container.pids().length, before + processes));
}

Deno.test("StartRecording: mappings of a target take no memory of the daemon's", async () => {
  const directory = await Deno.makeTempDir();
  {
    await using daemon = await start();
    await using container = makeContainer();
    await runMappings(container, directory, { processes: 22, mappings: 6000 });
    const request = { containerId: container.id, duration: SECOND };
    const events = await collect(daemon, request);
    const finished = events.at(-1)!.finished!;
    assert.equal(finished.completeness, "COMPLETENESS_FULL");
    assert.equal(events.find(({ started }) => started)!.started!.processes, 22);
    const { recordingId } = events[0].accepted!;
    const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
    assert.ok(text.includes(BUSY_FUNCTION));
    await deleteResult(daemon, recordingId);

    // There is no way to make an incomplete perf.data whole.
    await assert.rejects(
      collect(daemon, { ...request, options: { format: "FORMAT_DATA" } }),
      /more than 8Mi to say of what the 22 processes have mapped.*--format script/,
    );
    await assertNothingLeft(daemon);
    const peak = await peakBytes(daemon.pid);
    assert.ok(peak < PEAK_BYTES, `the daemon took ${peak / 1e6} MB`);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("StartRecording: a target with more threads or processes than perf may open is refused", async () => {
  const directory = await Deno.makeTempDir();
  {
    await using daemon = await start("--max-threads", "100");
    for (
      const grow of [
        (container: CgroupContainer) => void container.run(targets.threads, "101"),
        (container: CgroupContainer) =>
          runMappings(container, directory, { processes: 101, mappings: 1 }),
      ]
    ) {
      await using container = makeContainer();
      await using main = container.run(targets.spin);
      await eventually(() => assert.equal(container.pids().length, 1));
      await grow(container);
      const request = { containerId: container.id, duration: SECOND };
      await eventually(() =>
        assert.rejects(
          collect(daemon, request),
          /the 102 threads of .* above this node's limit of 100 \(--max-threads\).*--main-process/,
        )
      );
      await assertNothingLeft(daemon);
      const events = await collect(daemon, { ...request, options: { mainProcess: true } });
      const { recordingId } = events[0].accepted!;
      const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
      assert.match(text, new RegExp(`^spin +${main.pid}/`, "m"));
      await deleteResult(daemon, recordingId);
    }
  }
  await Deno.remove(directory, { recursive: true });
});

/** The most perfs that the daemon has at a time, until `ended`. */
async function countPerfs(pid: number, ended: Promise<unknown>): Promise<number> {
  let [most, over] = [0, false];
  const stop = () => void (over = true);
  // A rejection is for who waits for the recording.
  ended.then(stop, stop);
  while (!over) {
    const perfs = (await findChildren(pid)).filter((line) => /perf (record|script) /.test(line));
    most = Math.max(most, perfs.length);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return most;
}

Deno.test("StartRecording: many processes that enter take a few perfs, and those missed are told", async () => {
  await using daemon = await start();
  await using container = makeContainer();
  await using _main = container.run(targets.threads, "1");
  await eventually(() => assert.equal(container.pids().length, 1));
  const entered: number[] = [];
  const request = { containerId: container.id, duration: { seconds: 15, nanos: 0 } };
  const recorded = collect(daemon, request, ({ progress }) => {
    // Two a second, or fewer where many run; each lives until the end.
    if (!progress || entered.length === 20) return;
    const running = entered.length === 0
      ? container.run(targets.threads, "1")
      : container.run(targets.idle);
    entered.push(running.pid);
  });
  const most = await countPerfs(daemon.pid, recorded);
  const events = await recorded;
  assert.ok(entered.length >= 10, `${entered.length} entered`);
  // A perf record and a perf script, and those of three groups.
  assert.ok(most > 2 && most <= 8, `${most} perfs`);
  const { missedProcesses, completeness } = events.at(-1)!.finished!;
  assert.equal(completeness, "COMPLETENESS_FULL");
  assert.ok(missedProcesses > 0 && missedProcesses < 20, `${missedProcesses} missed`);
  const { recordingId } = events[0].accepted!;
  const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
  assert.match(text, new RegExp(`^threads +${entered[0]}/`, "m"));
  const line = await daemon.logged(({ message }) => `${message}`.includes("are not recorded"));
  assert.equal(line.processes, missedProcesses);
  await deleteResult(daemon, recordingId);
  await assertNothingLeft(daemon);
});

Deno.test("StartRecording: processes whose parents have ended take no perfs, and are sampled once", async () => {
  await using daemon = await start();
  await using container = makeContainer();
  await using _main = container.run(targets.orphans, "0.5");
  await eventually(() => assert.ok(container.pids().length > 1));
  const request = { containerId: container.id, duration: { seconds: 8, nanos: 0 } };
  const recorded = collect(daemon, request);
  const most = await countPerfs(daemon.pid, recorded);
  const events = await recorded;
  assert.ok(most > 0 && most <= 2, `${most} perfs`);
  assert.equal(events.at(-1)!.finished!.missedProcesses, 0);
  const { recordingId } = events[0].accepted!;
  const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
  // Each burns 0.2 s of a processor, 20 samples at 99 Hz; sampled by two events it has twice as
  // many.
  const samples = new Map<string, number>();
  for (const [, pid] of text.matchAll(/^orphans +(\d+)\/.* \d+\.\d+: /gm)) {
    samples.set(pid, (samples.get(pid) ?? 0) + 1);
  }
  assert.ok(samples.size > 5, `${samples.size} processes`);
  for (const [pid, count] of samples) assert.ok(count < 30, `${count} samples of ${pid}`);
  await deleteResult(daemon, recordingId);
});

Deno.test("StartRecording: a target that starts too many threads meanwhile is sampled no longer", async () => {
  await using daemon = await start("--max-threads", "100");
  await using container = makeContainer();
  await using _main = container.run(targets.threads, "10000", "0.01");
  await eventually(() => assert.equal(container.pids().length, 1));
  const request = { containerId: container.id, duration: { seconds: 60, nanos: 0 } };
  const events = await collect(daemon, request);
  const { completeness, samples } = events.at(-1)!.finished!;
  assert.equal(completeness, "COMPLETENESS_PERF_FAILED");
  assert.ok(samples > 0);
  const line = await daemon.logged(({ message }) => message === "perf failed");
  assert.match(String(line.error), /^the 1\d\d threads .* limit of 100 \(--max-threads\)/);
  await deleteResult(daemon, events[0].accepted!.recordingId);
  await assertNothingLeft(daemon);
});

Deno.test("StartRecording: names of functions, however long, take no memory of the daemon's", async () => {
  await using daemon = await start();
  await using container = makeContainer();
  await using _main = container.run(targets.longName);
  await eventually(() => assert.equal(container.pids().length, 1));
  const events = await collect(daemon, { containerId: container.id, duration: SECOND });
  const { completeness, samples, size } = events.at(-1)!.finished!;
  assert.equal(completeness, "COMPLETENESS_FULL");
  assert.ok(size > samples * 10 * 512 * 1024, `${samples} samples in ${size} bytes`);
  await deleteResult(daemon, events[0].accepted!.recordingId);
  const peak = await peakBytes(daemon.pid);
  assert.ok(peak < PEAK_BYTES, `the daemon took ${peak / 1e6} MB`);
});

Deno.test("StartRecording: programs that are started over and over take no memory of the daemon's", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.copyFile(targets.churn, `${directory}/own`);
  {
    await using daemon = await start();
    await using container = makeContainer();
    await using _main = container.run(targets.churn, directory);
    await eventually(() => assert.ok(container.pids().length > 0));
    const request = { containerId: container.id, duration: { seconds: 5, nanos: 0 } };
    const events = await collect(daemon, request);
    const { completeness, missedProcesses } = events.at(-1)!.finished!;
    assert.equal(completeness, "COMPLETENESS_FULL");
    assert.equal(missedProcesses, 0);
    await deleteResult(daemon, events[0].accepted!.recordingId);
    const peak = await peakBytes(daemon.pid);
    assert.ok(peak < PEAK_BYTES, `the daemon took ${peak / 1e6} MB`);
  }
  await Deno.remove(directory, { recursive: true });
});
