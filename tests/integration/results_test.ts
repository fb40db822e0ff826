/**
 * What becomes of results when calls, and daemons, end before their time: the real daemon with the
 * real perf, on processes of this machine instead of containers (`--container-lookup pid`).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { fromDuration } from "../../proto/duration.ts";
import { grpc } from "../../proto/grpc.ts";
import { collect, deleteResult, fetchWhole } from "../testing/calls.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "../testing/daemon.ts";
import { eventually, run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const SECOND = { seconds: 1, nanos: 0 };
const LONG = { seconds: 60, nanos: 0 };

function start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  return startDaemon({ ...options, args: ["--container-lookup", "pid", ...options.args ?? []] });
}

/** A `perf script` that does not end before the test lets it: the real one takes milliseconds. */
interface SlowPerf extends AsyncDisposable {
  /** Puts it in the place of perf, in the daemon's mount namespace. */
  prepare: string;
  /** Resolves when a conversion has come to where it waits. */
  converted(): Promise<unknown>;
  /** Lets conversions end. */
  release(): Promise<void>;
}

async function slowPerf(): Promise<SlowPerf> {
  const directory = await Deno.makeTempDir();
  const [converted, released] = [`${directory}/converted`, `${directory}/released`];
  await Deno.writeTextFile(
    `${directory}/perf`,
    `#!/bin/sh
[ "$1" = script ] || exec ${directory}/real "$@"
${directory}/real "$@"
: >${converted}
until [ -e ${released} ]; do sleep 0.1; done
`,
    { mode: 0o755 },
  );
  return {
    prepare: `cp "$(command -v perf)" ${directory}/real
      mount --bind ${directory}/perf "$(command -v perf)"`,
    converted: () => eventually(() => Deno.stat(converted)),
    release: () => Deno.writeTextFile(released, ""),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

/** Starts a recording whose call ends when an event of that name comes; resolves with its id. */
function startAndLose(daemon: TestDaemon, pid: number, last: string): Promise<string> {
  const call = daemon.client.StartRecording({ containerId: `${pid}`, duration: SECOND });
  let recordingId = "";
  call.on("data", ({ event, accepted }) => {
    if (accepted) recordingId = accepted.recordingId;
    if (event === last) call.cancel();
  });
  return new Promise((resolve, reject) =>
    call.on(
      "error",
      (error: grpc.ServiceError) =>
        error.code === grpc.status.CANCELLED ? resolve(recordingId) : reject(error),
    )
  );
}

Deno.test("the last message of a result says what all of it is, wherever one starts", async () => {
  await using daemon = await start({ args: ["--result-retention", "1m"] });
  await using target = run(targets.spin);
  const events = await collect(daemon, { containerId: `${target.pid}`, duration: SECOND });
  const { recordingId } = events[0].accepted!;
  const { kept, ...described } = events.at(-1)!.finished!;
  assert.equal(Math.round(fromDuration(kept)), 60);
  const whole = await fetchWhole(daemon, recordingId);
  const { kept: keptNow, ...rest } = whole.finished;
  assert.deepEqual(rest, described);
  assert.ok(fromDuration(keptNow) < fromDuration(kept));
  const { compressed, finished } = await fetchWhole(daemon, recordingId, 50);
  assert.deepEqual(compressed, whole.compressed.subarray(50));
  assert.deepEqual(finished.sha256, described.sha256);
  const nothing = await fetchWhole(daemon, recordingId, described.compressedSize);
  assert.equal(nothing.compressed.length, 0);
});

Deno.test("a caller lost during the conversion finds the result", async () => {
  await using perf = await slowPerf();
  await using daemon = await start(perf);
  await using target = run(targets.spin);
  const recordingId = await startAndLose(daemon, target.pid, "converting");
  const fetched = fetchWhole(daemon, recordingId);
  await perf.release();
  const { compressed, finished } = await fetched;
  const text = gunzipSync(compressed);
  assert.ok(text.includes(BUSY_FUNCTION));
  assert.deepEqual(Buffer.from(finished.sha256), createHash("sha256").update(text).digest());
  assert.equal(finished.completeness, "COMPLETENESS_FULL");
  const line = await daemon.logged(({ message }) => message === "recording finished");
  assert.equal(line.requestId, recordingId);
});

Deno.test("a caller lost before the conversion ends the recording, with nothing kept", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const recordingId = await startAndLose(daemon, target.pid, "progress");
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  await assert.rejects(fetchWhole(daemon, recordingId), { code: grpc.status.NOT_FOUND });
  assert.deepEqual([...Deno.readDirSync(daemon.workDir)], []);
});

for (const stage of ["progress", "converting"]) {
  Deno.test(`DeleteResult gives a recording up that has come to ${stage}`, async () => {
    await using perf = await slowPerf();
    await using daemon = await start(perf);
    await using target = run(targets.spin);
    const duration = stage === "progress" ? LONG : SECOND;
    let deleted: Promise<void> | undefined;
    let followed: Promise<unknown> | undefined;
    let recordingId = "";
    const recorded = collect(daemon, { containerId: `${target.pid}`, duration }, (event) => {
      if (event.accepted) recordingId = event.accepted.recordingId;
      if (event.event === "started") {
        followed = assert.rejects(fetchWhole(daemon, recordingId), { code: grpc.status.CANCELLED });
      }
      if (event.event === stage) deleted ??= deleteResult(daemon, recordingId);
    });
    await assert.rejects(recorded, { code: grpc.status.CANCELLED });
    await followed;
    await deleted;
    // Nothing of it is left when the answer comes.
    assert.deepEqual([...Deno.readDirSync(daemon.workDir)], []);
    await assert.rejects(fetchWhole(daemon, recordingId), { code: grpc.status.NOT_FOUND });
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
    assert.match(metrics, /^necoperf_recordings_running 0$/m);
  });
}

Deno.test("Profile drops what it made when its caller is lost, also during the conversion", async () => {
  await using perf = await slowPerf();
  await using daemon = await start(perf);
  await using target = run(targets.spin);
  const call = daemon.client.Profile({ containerId: `${target.pid}`, timeout: SECOND });
  call.on("error", () => {});
  await perf.converted();
  call.cancel();
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  assert.deepEqual([...Deno.readDirSync(daemon.workDir)], []);
});
