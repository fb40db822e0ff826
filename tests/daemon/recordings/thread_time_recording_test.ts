import assert from "node:assert/strict";
import type { ThreadTimes } from "../../../daemon/containers/container.ts";
import type { PerfRecord, RecordExit } from "../../../daemon/perf/perf.ts";
import type { RecordingOptions, ThreadTime } from "../../../daemon/recording.ts";
import { ThreadTimeRecording } from "../../../daemon/recordings/thread_time_recording.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const OPTIONS: RecordingOptions & { threadTime: ThreadTime } = {
  durationSeconds: 60,
  frequencyHz: 99,
  events: [],
  callGraph: "fp",
  stackSizeBytes: 8192,
  side: "both",
  inline: false,
  format: "script",
  mainProcess: false,
  threadTime: "all",
};

/** A perf record without output that ends when it is stopped. */
function standIn(): PerfRecord & { stopped: boolean } {
  const { promise: exit, resolve } = Promise.withResolvers<RecordExit>();
  const perf = {
    attached: Promise.resolve(),
    full: new Promise<void>(() => {}),
    output: ReadableStream.from<Uint8Array>([]),
    stopped: false,
    flush() {},
    stop() {
      perf.stopped = true;
      resolve({ wholeDuration: false });
    },
    discard: () => Promise.resolve(),
    exit,
  };
  return perf;
}

/**
 * A node on which process 7 has a thread that does nothing, and one that has a turn at each look.
 * With `reused` the first one is another from the third look on.
 */
function node({ tells = true, reused = false } = {}) {
  let looks = 0;
  const threads = (): ThreadTimes[] => [
    {
      pid: 7,
      tid: 7,
      startTicks: reused && looks > 2 ? 2 : 1,
      comm: "main",
      runNs: 5,
      delayNs: 6,
      turns: 7,
    },
    { pid: 7, tid: 8, startTicks: 1, comm: "web", runNs: looks * 10, delayNs: 0, turns: looks },
    { pid: 9, tid: 9, startTicks: 1, comm: "another's", runNs: 1, delayNs: 1, turns: 1 },
  ];
  return {
    threadTimes: (pids: readonly number[], maxThreads: number) => {
      looks++;
      if (!tells) return Promise.reject(new StatusError("UNAVAILABLE", "no procfs"));
      return Promise.resolve(
        threads().filter(({ pid }) => pids.includes(pid)).slice(0, maxThreads),
      );
    },
    uptime: () => Promise.resolve(12.34),
  };
}

function start(
  options: { tells?: boolean; reused?: boolean; budget?: number; pids?: number[] } = {},
) {
  const written: string[] = [];
  const pauses = { begun: Promise.withResolvers<void>() };
  const recording = new ThreadTimeRecording({
    lookup: node(options),
    limits: { maxThreads: 100, threadTimeBytesPerSecond: options.budget ?? 1000 },
    options: OPTIONS,
    processes: () => Promise.resolve(options.pids ?? [7]),
    write: (lines) => Promise.resolve(void written.push(lines)),
    paused: () => pauses.begun.resolve(),
    abort: new AbortController().signal,
  });
  return { recording, written, pauses };
}

Deno.test("ThreadTimeRecording: begins and ends the text with what is known of the threads", async () => {
  const { recording, written } = start();
  // perf had to attach anew; and it attaches to what comes later.
  recording.look([7, 8]);
  recording.look([7]);
  await recording.begin();
  recording.look([9]);
  assert.deepEqual(written, ["# necoperf: thread-time all\n# necoperf: began 12.34\n"]);
  const lines = (await recording.end()).split("\n");
  assert.match(lines[0], /^# necoperf: duration 0\.\d{6}$/);
  assert.deepEqual(lines.slice(1), [
    "# necoperf: thread 7/7 0 0 0 main",
    "# necoperf: thread 7/8 10 0 1 web",
    "",
  ]);
});

Deno.test("ThreadTimeRecording: says nothing of a process that is not the container's any more", async () => {
  const { recording } = start({ pids: [7] });
  recording.look([7, 9]);
  await recording.begin();
  assert.doesNotMatch(await recording.end(), /another's/);
});

Deno.test("ThreadTimeRecording: where the node does not tell there are no threads' lines", async () => {
  const { recording } = start({ tells: false });
  recording.look([7]);
  await recording.begin();
  assert.match(await recording.end(), /^# necoperf: duration 0\.\d{6}\n$/);
});

Deno.test("ThreadTimeRecording: pauses when the budget is overdrawn, and says so afterwards", async () => {
  const { recording, written, pauses } = start({ budget: 100_000 });
  const perfs = [standIn()];
  const bursts = recording.inBursts(perfs[0], {
    attach() {
      perfs.push(standIn());
      return Promise.resolve(perfs.at(-1));
    },
    attachToThreads: () => Promise.resolve(undefined),
  });
  recording.look([7]);
  await recording.begin();
  recording.took(150_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(perfs[0].stopped, false);
  recording.took(100_000);
  recording.took(1000);
  await pauses.begun.promise;
  assert.equal(perfs[0].stopped, true);
  await recording.sampling();
  assert.equal(perfs.length, 2);
  bursts.stop();
  assert.deepEqual(await bursts.exit, { wholeDuration: false });
  assert.equal(written.length, 2);
  const [, still, seconds] =
    /^# necoperf: still (.*)\n# necoperf: paused (\d\.\d{6}) 12\.34\n$/.exec(written[1]) ?? [];
  assert.equal(still, "7/7", written[1]);
  assert.ok(Number(seconds) > 1.5, `${seconds} s`);
});

/** Begins a recording of one burst, after which there is nothing to attach to. */
async function startBurst(budget: number) {
  const { recording, pauses } = start({ budget });
  const perf = standIn();
  const bursts = recording.inBursts(perf, {
    attach: () => Promise.resolve(undefined),
    attachToThreads: () => Promise.resolve(undefined),
  });
  recording.look([7]);
  await recording.begin();
  return { recording, pauses, perf, bursts };
}

Deno.test("ThreadTimeRecording: a burst that writes very much is a short one", async () => {
  const { recording, pauses, perf, bursts } = await startBurst(100_000);
  // As long as any other.
  const usual = new Promise<string>((resolve) => setTimeout(() => resolve("usual"), 200));
  recording.took(390_000);
  assert.equal(perf.stopped, false);
  recording.took(20_000);
  const short = pauses.begun.promise.then(() => "short");
  assert.equal(await Promise.race([short, usual]), "short");
  await usual;
  bursts.stop();
  await bursts.exit;
});

Deno.test("ThreadTimeRecording: lost events count as if they had been written", async () => {
  const { recording, pauses, perf, bursts } = await startBurst(1000);
  recording.lost(10_000);
  recording.took(1);
  await pauses.begun.promise;
  assert.equal(perf.stopped, true);
  bursts.stop();
  await bursts.exit;
});

Deno.test("ThreadTimeRecording: watches quiet threads until it may watch all, and says which", async () => {
  const { recording, written, pauses } = start({ budget: 100_000 });
  const perfs = [standIn()];
  const quiet: number[][] = [];
  const add = () => {
    perfs.push(standIn());
    return Promise.resolve(perfs.at(-1));
  };
  const bursts = recording.inBursts(perfs[0], {
    attach: add,
    async attachToThreads(pids, choose) {
      quiet.push(pids as number[], await choose(pids));
      return add();
    },
  });
  recording.look([7]);
  await recording.begin();
  recording.took(250_000);
  await pauses.begun.promise;
  await recording.sampling();
  // The one that has a turn at each look would take more than half of the budget.
  assert.deepEqual(quiet, [[7], [7]]);
  assert.deepEqual(perfs.map(({ stopped }) => stopped), [true, true, false]);
  bursts.stop();
  await bursts.exit;
  assert.match(
    written[1],
    /^# necoperf: still 7\/7\n# necoperf: watched 7\/7\n# necoperf: paused \S+ 12\.34\n$/,
  );
  assert.match(written[2], /^# necoperf: still 7\/7\n# necoperf: paused \S+ 12\.34\n$/);
  assert.equal(written.length, 3);
});

Deno.test("ThreadTimeRecording: a quiet thread whose id is another's by now is not attached to", async () => {
  const { recording } = start({ budget: 1000, reused: true });
  const chosen = Promise.withResolvers<number[]>();
  const bursts = recording.inBursts(standIn(), {
    attach: () => assert.fail("the budget is not full"),
    async attachToThreads(pids, choose) {
      chosen.resolve(await choose(pids));
      return undefined;
    },
  });
  recording.look([7]);
  await recording.begin();
  recording.took(1_000_000);
  assert.deepEqual(await chosen.promise, []);
  bursts.stop();
  await bursts.exit;
});

Deno.test("ThreadTimeRecording: quiet threads that are not quiet are left before the budget is full", async () => {
  const { recording, written } = start({ budget: 1000 });
  const perfs = [standIn()];
  let attempts = 0;
  const bursts = recording.inBursts(perfs[0], {
    attach: () => assert.fail("the budget is not full"),
    async attachToThreads(pids, choose) {
      if (attempts++ > 0) return undefined;
      await choose(pids);
      perfs.push(standIn());
      return perfs[1];
    },
  });
  recording.look([7]);
  await recording.begin();
  recording.took(1_000_000);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (written.length < 2) return;
      clearInterval(timer);
      resolve();
    }, 10);
  });
  recording.took(2_000);
  await perfs[1].exit;
  bursts.stop();
  assert.deepEqual(await bursts.exit, { wholeDuration: false });
});
