/**
 * The real daemon under a clock that is set while it runs. Debian's libfaketime stands in for
 * whoever sets it: the kernel has one such clock, and it is everybody's.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { fromDuration } from "../../proto/duration.ts";
import { assertNothingLeft, collect, deleteResult, fetchResult } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const DAY = 86_400;

/** A clock that is so many seconds ahead of the machine's. */
interface Clock extends AsyncDisposable {
  set(aheadSeconds: number): Promise<void>;
  /** Words put before a command line that goes by this clock. */
  wrapper: string[];
}

async function createClock(): Promise<Clock> {
  const file = await Deno.makeTempFile();
  const set = (aheadSeconds: number) =>
    Deno.writeTextFile(file, `${aheadSeconds < 0 ? "" : "+"}${aheadSeconds}`);
  await set(0);
  return {
    set,
    wrapper: [
      "env",
      `LD_PRELOAD=${findLibrary()}`,
      `FAKETIME_TIMESTAMP_FILE=${file}`,
      "FAKETIME_NO_CACHE=1",
      // Nobody can set that one.
      "DONT_FAKE_MONOTONIC=1",
    ],
    [Symbol.asyncDispose]: () => Deno.remove(file),
  };
}

function findLibrary(): string {
  for (const { name } of Deno.readDirSync("/usr/lib")) {
    const path = `/usr/lib/${name}/faketime/libfaketime.so.1`;
    try {
      Deno.statSync(path);
      return path;
    } catch {
      // The directory of another machine's kind, or none.
    }
  }
  throw new Error("libfaketime is not installed");
}

function start(clock: Clock, workDir: string): Promise<TestDaemon> {
  return startDaemon({
    wrapper: clock.wrapper,
    binds: { "/var/necoperf": workDir },
    args: ["--container-lookup", "pid", "--result-retention", "2m"],
  });
}

for (const [name, steps] of Object.entries({ forwards: [DAY, DAY], backwards: [-DAY, -DAY] })) {
  Deno.test(`StartRecording: a clock that is set ${name} by a day changes nothing for a recording and its result`, async () => {
    await using clock = await createClock();
    await using target = run(targets.spin);
    const workDir = await Deno.makeTempDir();
    await using daemon = await start(clock, workDir);
    let [ahead, set] = [0, Promise.resolve()];
    const step = () => set = clock.set(ahead += steps.shift()!);
    const startedAt = performance.now();
    const request = { containerId: `${target.pid}`, duration: { seconds: 2, nanos: 0 } };
    const events = await collect(daemon, request, ({ event }) => {
      if (event === "progress" && ahead === 0) step();
    });
    await set;
    assert.ok(performance.now() - startedAt >= 2000);
    const finished = events.at(-1)!.finished!;
    assert.equal(finished.completeness, "COMPLETENESS_FULL");
    assert.equal(Math.round(fromDuration(finished.sampled)), 2);
    assert.equal(Math.round(fromDuration(finished.kept)), 120);
    const elapsed = events.filter(({ event }) => event === "progress")
      .map(({ progress }) => fromDuration(progress!.elapsed));
    assert.deepEqual(elapsed, elapsed.toSorted((a, b) => a - b));
    assert.ok(elapsed.every((seconds) => seconds <= 2), elapsed.join());

    await step();
    const { recordingId } = events[0].accepted!;
    const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
    assert.ok(text.includes(BUSY_FUNCTION));
    // The daemon's own clock is the one that was set.
    const line = await daemon.logged(({ method }) => method === "FetchResult");
    const loggedAt = Date.parse(String(line["@timestamp"] ?? line.time ?? line.timestamp));
    assert.equal(Math.round((loggedAt - Date.now()) / 1000 / DAY), ahead / DAY);
    await deleteResult(daemon, recordingId);
    await assertNothingLeft({ ...daemon, workDir });
    await Deno.remove(workDir, { recursive: true });
  });
}

Deno.test("StartRecording: a clock that is set while no daemon runs leaves a result for who comes back at once", async () => {
  await using clock = await createClock();
  await using target = run(targets.spin);
  for (const ahead of [DAY, -DAY]) {
    await clock.set(0);
    const workDir = await Deno.makeTempDir();
    let recordingId: string;
    {
      await using daemon = await start(clock, workDir);
      const request = { containerId: `${target.pid}`, duration: { seconds: 1, nanos: 0 } };
      const events = await collect(daemon, request);
      recordingId = events[0].accepted!.recordingId;
      daemon.kill("SIGKILL");
      await daemon.status;
    }
    await clock.set(ahead);
    await using next = await start(clock, workDir);
    const text = gunzipSync(await fetchResult(next, recordingId)).toString();
    assert.ok(text.includes(BUSY_FUNCTION));
    await deleteResult(next, recordingId);
    await Deno.remove(workDir, { recursive: true });
  }
});
