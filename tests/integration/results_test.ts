/**
 * What becomes of results when calls, and daemons, end before their time: the real daemon with the
 * real perf, on processes of this machine instead of containers (`--container-lookup pid`).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { ANYONE } from "../../daemon/caller.ts";
import { ResultStore } from "../../daemon/results/result_store.ts";
import { fromDuration } from "../../proto/duration.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { assertNothingLeft, collect, deleteResult, fetchWhole } from "../testing/calls.ts";
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

Deno.test("FetchResult: the last message of a result says what all of it is, wherever one starts", async () => {
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

Deno.test("FetchResult: a caller lost during the conversion finds the result", async () => {
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

Deno.test("FetchResult: a target that is killed during the conversion is recorded whole", async () => {
  await using perf = await slowPerf();
  await using daemon = await start(perf);
  await using target = run(targets.spin);
  const request = { containerId: `${target.pid}`, duration: SECOND };
  let released: Promise<void> | undefined;
  const events = await collect(daemon, request, ({ event }) => {
    if (event !== "converting") return;
    target.kill("SIGKILL");
    released = Promise.all([target.status, perf.converted()]).then(() => perf.release());
  });
  await released;
  const finished = events.at(-1)!.finished!;
  assert.equal(finished.completeness, "COMPLETENESS_FULL");
  const { compressed } = await fetchWhole(daemon, events[0].accepted!.recordingId);
  const text = gunzipSync(compressed).toString();
  assert.equal(text.match(/^spin /gm)?.length, finished.samples);
  assert.ok(text.includes(BUSY_FUNCTION));
  await deleteResult(daemon, events[0].accepted!.recordingId);
  await assertNothingLeft(daemon);
});

Deno.test("FetchResult: a caller lost before the conversion ends the recording, with nothing kept", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const recordingId = await startAndLose(daemon, target.pid, "progress");
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  await assert.rejects(fetchWhole(daemon, recordingId), { code: grpc.status.NOT_FOUND });
  assert.deepEqual([...Deno.readDirSync(daemon.workDir)], []);
});

for (const stage of ["progress", "converting"]) {
  Deno.test(`FetchResult: DeleteResult gives a recording up that has come to ${stage}`, async () => {
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

Deno.test("FetchResult: Profile drops what it made when its caller is lost, also during the conversion", async () => {
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

/** A work directory that outlives daemons, each of which may be killed. */
async function withWorkDir(
  test: (start: (args?: string[]) => Promise<TestDaemon>, workDir: string) => Promise<void>,
): Promise<void> {
  const workDir = await Deno.makeTempDir();
  try {
    await test((args) => start({ binds: { "/var/necoperf": workDir }, args }), workDir);
  } finally {
    await Deno.remove(workDir, { recursive: true });
  }
}

async function kill(daemon: TestDaemon): Promise<void> {
  daemon.kill("SIGKILL");
  await daemon.status;
}

/** Records for a second; resolves with the recording's id and the end that it reported. */
async function recordOnce(daemon: TestDaemon, pid: number, options = {}) {
  const request = { containerId: `${pid}`, duration: SECOND, options };
  const events = await collect(daemon, request);
  return { recordingId: events[0].accepted!.recordingId, finished: events.at(-1)!.finished! };
}

Deno.test("FetchResult: a daemon that is killed leaves its whole results to the next one", async () => {
  await using target = run(targets.spin);
  await withWorkDir(async (startThere, workDir) => {
    let recordingId: string;
    let halfMade: string | undefined;
    let described;
    let begin: Uint8Array;
    {
      await using daemon = await startThere();
      ({ recordingId, finished: described } = await recordOnce(daemon, target.pid));
      begin = (await fetchWhole(daemon, recordingId)).compressed.subarray(0, 1000);
      const request = { containerId: `${target.pid}`, duration: LONG };
      const cutOff = collect(daemon, request, ({ event, accepted }) => {
        if (accepted) halfMade = accepted.recordingId;
        if (event === "progress") daemon.kill("SIGKILL");
      });
      await assert.rejects(cutOff);
      await daemon.status;
    }
    assert.equal([...Deno.readDirSync(workDir)].length, 3);
    await using next = await startThere();
    const { compressed: rest, finished } = await fetchWhole(next, recordingId, begin.length);
    const text = gunzipSync(Buffer.concat([begin, rest]));
    assert.deepEqual(createHash("sha256").update(text).digest(), Buffer.from(described.sha256));
    const { kept, ...same } = finished;
    const { kept: keptBefore, ...before } = described;
    assert.deepEqual(same, before);
    assert.ok(fromDuration(kept) < fromDuration(keptBefore));
    await assert.rejects(fetchWhole(next, halfMade!), { code: grpc.status.NOT_FOUND });
    const metrics = await (await fetch(`${next.http}/metrics`)).text();
    assert.match(metrics, /^necoperf_results 1$/m);
    assert.match(
      metrics,
      new RegExp(`^necoperf_results_size_bytes ${described.compressedSize}$`, "m"),
    );
    await deleteResult(next, recordingId);
    assert.deepEqual([...Deno.readDirSync(workDir)], []);
  });
});

Deno.test("FetchResult: results that can still be fetched stay when the daemon ends in order", async () => {
  await using target = run(targets.spin);
  await withWorkDir(async (startThere) => {
    let recordingId: string;
    {
      await using daemon = await startThere();
      ({ recordingId } = await recordOnce(daemon, target.pid));
      daemon.kill("SIGTERM");
      assert.equal((await daemon.status).code, 0);
    }
    await using next = await startThere();
    assert.ok(gunzipSync((await fetchWhole(next, recordingId)).compressed).includes(BUSY_FUNCTION));
  });
});

Deno.test("FetchResult: a result whose time is over, or whose file is cut, is not served after a restart", async () => {
  await using target = run(targets.spin);
  await withWorkDir(async (startThere, workDir) => {
    const ids: string[] = [];
    {
      await using daemon = await startThere();
      for (let count = 0; count < 2; count++) {
        ids.push((await recordOnce(daemon, target.pid)).recordingId);
      }
      await kill(daemon);
    }
    await Deno.truncate(`${workDir}/${ids[0]}.result.gz`, 100);
    {
      await using daemon = await startThere();
      await assert.rejects(fetchWhole(daemon, ids[0]), { code: grpc.status.NOT_FOUND });
      await fetchWhole(daemon, ids[1]);
      const warning = await daemon.logged(({ level }) => level === "WARN" || level === "WARNING");
      assert.ok(warning);
      await kill(daemon);
    }
    await using daemon = await startThere(["--result-retention", "1ms"]);
    await assert.rejects(fetchWhole(daemon, ids[1]), { code: grpc.status.NOT_FOUND });
    assert.deepEqual([...Deno.readDirSync(workDir)], []);
  });
});

/** perf.data with copies of the stacks: a second of it has some 100 kB, compressed. */
const LARGE = {
  format: "FORMAT_DATA",
  callGraph: "CALL_GRAPH_DWARF",
  frequency: 999,
  stackSize: 65528,
} as const;

Deno.test("FetchResult: a result beyond its limit ends its recording, with nothing left", async () => {
  await using daemon = await start({ args: ["--max-result-size", "8Ki"] });
  await using target = run(targets.spin);
  await assert.rejects(recordOnce(daemon, target.pid, LARGE), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.match(error.details, /larger than 8Ki compressed.*--max-result-size.*shorter time/);
    return true;
  });
  await assertNothingLeft(daemon);
});

Deno.test("FetchResult: the oldest result goes when another needs its room", async () => {
  await using daemon = await start({ args: ["--max-results-size", "16Ki"] });
  await using target = run(targets.spin);
  const ids: string[] = [];
  // Each has 5 to 10 kilobytes.
  for (let bytes = 0; bytes <= 16 * 1024;) {
    const { recordingId, finished } = await recordOnce(daemon, target.pid, { frequency: 499 });
    bytes += finished.compressedSize;
    ids.push(recordingId);
  }
  await assert.rejects(fetchWhole(daemon, ids[0]), { code: grpc.status.NOT_FOUND });
  await fetchWhole(daemon, ids.at(-1)!);
  const files = [...Deno.readDirSync(daemon.workDir)];
  const sizes = files.filter(({ name }) => name.endsWith(".gz"))
    .map(({ name }) => Deno.statSync(`${daemon.workDir}/${name}`).size);
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 16 * 1024);
});

Deno.test("FetchResult: a disk that fills up and one that is read-only are told, with nothing left", async () => {
  await using full = await start({
    prepare: "mount -t tmpfs -o size=16k,mode=777 tmpfs /var/necoperf",
  });
  await using target = run(targets.spin);
  await assert.rejects(recordOnce(full, target.pid, LARGE), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.match(error.details, /cannot write to its work directory: .*[Nn]o space/);
    return true;
  });
  assert.deepEqual([...Deno.readDirSync(`/proc/${full.pid}/root/var/necoperf`)], []);
  await recordOnce(full, target.pid, { frequency: 19 });

  const readOnly = start({ prepare: "mount -o remount,bind,ro /var/necoperf" });
  await assert.rejects(readOnly, /work directory \/var\/necoperf cannot be used: .*[Rr]ead-only/);
});

/** A result such as a daemon has left, of random bytes: it is as large as a recording may be. */
async function keepPendingResult(directory: string, bytes: number): Promise<string> {
  const silent = { info() {}, warning() {}, error() {} };
  const store = new ResultStore({
    directory,
    retentionSeconds: 60,
    maxResultsBytes: Infinity,
    maxResultBytes: Infinity,
    log: silent,
  });
  const recordingId = crypto.randomUUID();
  const result = await store.create(recordingId, ANYONE);
  const chunk = new Uint8Array(65536);
  const chunks = Array.from({ length: bytes / chunk.length }, () => crypto.getRandomValues(chunk));
  await ReadableStream.from(chunks).pipeTo(store.writable(result));
  const summary = {
    completeness: "full",
    samples: 1,
    lostSamples: 0,
    throttled: 0,
    missedProcesses: 0,
    sampledSeconds: 1,
  } as const;
  await store.keep(result, summary);
  await store.close();
  return recordingId;
}

/** The results that a daemon has open. */
function openResults(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].flatMap(({ name }) => {
    try {
      const path = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      return path.includes(".result.") ? [path] : [];
    } catch (error) {
      // Closed meanwhile.
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  });
}

Deno.test("FetchResult: a caller that takes nothing of a result is let go, and may go on later", async () => {
  await withWorkDir(async (startThere, workDir) => {
    const recordingId = await keepPendingResult(workDir, 8 << 20);
    await using daemon = await startThere(["--stall-timeout", "1s"]);
    const call = daemon.client.FetchResult({ recordingId });
    call.on("error", () => {});
    const received = new Promise((resolve) => call.once("readable", resolve));
    await received;
    assert.notEqual(openResults(daemon.pid).length, 0);
    // Nothing is read: what the windows hold arrives, and no more.
    const line = await daemon.logged(({ method, outcome }) =>
      method === "FetchResult" && !!outcome
    );
    assert.equal(line.outcome, "aborted");
    assert.ok(Number(line.sentBytes) < 4 << 20, `${line.sentBytes} bytes are on their way`);
    await eventually(() => assert.deepEqual(openResults(daemon.pid), []));
    call.cancel();
    const { compressed, finished } = await fetchWhole(daemon, recordingId, 100);
    assert.equal(compressed.length, finished.compressedSize - 100);
  });
});

Deno.test("FetchResult: one caller reads a bounded number of results at a time, and may go on later", async () => {
  await withWorkDir(async (startThere, workDir) => {
    const recordingId = await keepPendingResult(workDir, 1 << 20);
    await using daemon = await startThere();
    const [most, callsOfOne] = [128, 64];
    const clients = Array.from(
      { length: most / callsOfOne + 1 },
      () =>
        new (loadNecoPerf().NecoPerf)(daemon.address, grpc.credentials.createInsecure(), {
          // Clients share connections otherwise, and a connection has a bound of its own.
          "grpc.use_local_subchannel_pool": 1,
        }),
    );
    const [last] = clients.splice(-1);
    const calls = clients.flatMap((client) =>
      Array.from({ length: callsOfOne }, () => client.FetchResult({ recordingId }))
    );
    for (const call of calls) call.on("error", () => {});
    // Of each something has come, and nothing more is taken.
    await Promise.all(
      calls.map((call) => new Promise((resolve) => call.once("readable", resolve))),
    );
    const fetchLast = () => fetchWhole({ client: last }, recordingId);
    await assert.rejects(fetchLast(), (error: grpc.ServiceError) => {
      assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
      assert.match(error.details, /128 results of this node are being read, 128 of them by you/);
      return true;
    });
    calls[0].cancel();
    const { compressed, finished } = await eventually(fetchLast);
    assert.equal(compressed.length, finished.compressedSize);
    for (const call of calls) call.cancel();
    for (const client of [...clients, last]) client.close();
  });
});
