/**
 * The real daemon with the real perf, on processes of this machine instead of containers
 * (`--container-lookup pid`): how containers are found has tests of its own.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { fromDuration } from "../../proto/duration.ts";
import type { PerfProfileRequest } from "../../proto/gen/necoperf/PerfProfileRequest.ts";
import type { PerfProfileResponse__Output } from "../../proto/gen/necoperf/PerfProfileResponse.ts";
import type { PerfRecordRequest } from "../../proto/gen/necoperf/PerfRecordRequest.ts";
import type { StartRecordingRequest } from "../../proto/gen/necoperf/StartRecordingRequest.ts";
import { grpc } from "../../proto/grpc.ts";
import {
  assertNothingLeft,
  collect,
  deleteResult,
  fetchResult,
  findChildren,
} from "../testing/calls.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "../testing/daemon.ts";
import { eventually, processesIn, run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

function start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  return startDaemon({ ...options, args: ["--container-lookup", "pid", ...options.args ?? []] });
}

function record(
  daemon: TestDaemon,
  request: PerfRecordRequest,
): Promise<{ text: string; trailer: grpc.Metadata }> {
  return new Promise((resolve, reject) => {
    let text: string;
    daemon.client.Record(request, (error, response) => {
      if (error) reject(error);
      else text = response!.data.toString();
    }).on("status", ({ code, metadata }) => {
      if (code === grpc.status.OK) resolve({ text, trailer: metadata });
    });
  });
}

async function profile(daemon: TestDaemon, request: PerfProfileRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const responses: AsyncIterable<PerfProfileResponse__Output> = daemon.client.Profile(request);
  for await (const { data } of responses) chunks.push(data);
  return Buffer.concat(chunks);
}

const SECOND = { seconds: 1, nanos: 0 };
const LONG = { seconds: 60, nanos: 0 };

Deno.test("necoperf-daemon: Record and Profile answer with perf script text that names the busy function", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  const recorded = await record(daemon, { containerId, interval: 1 });
  assert.match(recorded.text, new RegExp(`^spin +${target.pid}/${target.pid} `));
  assert.ok(recorded.text.includes(BUSY_FUNCTION));
  assert.deepEqual(recorded.trailer.get("necoperf-partial"), []);
  const profiled = await profile(daemon, { containerId, timeout: SECOND });
  assert.ok(Buffer.from(profiled).includes(BUSY_FUNCTION));
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: Record refuses a text larger than it may answer with, Profile does not", async () => {
  await using daemon = await start({ args: ["--max-record-response", "1000"] });
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  await assert.rejects(record(daemon, { containerId, interval: 1 }), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.match(error.details, /above the limit of Record, 1000 /);
    return true;
  });
  assert.ok((await profile(daemon, { containerId, timeout: SECOND })).length > 1000);
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: StartRecording reports in order, and the result is what its digest says", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const events = await collect(daemon, {
    containerId: `${target.pid}`,
    duration: SECOND,
    options: { frequency: 499 },
  });
  const order = events.map(({ event }) => event);
  assert.deepEqual(order.slice(0, 2), ["accepted", "started"]);
  assert.deepEqual(order.slice(-2), ["converting", "finished"]);
  assert.ok(order.slice(2, -2).every((event) => event === "progress"), order.join());
  assert.equal(events[1].started?.processes, 1);
  assert.equal(events[1].started?.side, "SIDE_BOTH");
  assert.equal(events[1].started?.frequency, 499);
  const finished = events.at(-1)!.finished!;
  assert.equal(finished.completeness, "COMPLETENESS_FULL");
  assert.equal(fromDuration(finished.sampled), 1);
  assert.equal(events.at(-3)!.progress?.samples, finished.samples);

  const { recordingId } = events[0].accepted!;
  const compressed = await fetchResult(daemon, recordingId);
  assert.equal(compressed.length, finished.compressedSize);
  const text = gunzipSync(compressed);
  assert.equal(text.length, finished.size);
  assert.deepEqual(createHash("sha256").update(text).digest(), Buffer.from(finished.sha256));
  // perf script writes one header line a sample.
  const headers = text.toString().match(/^spin +\d+\/\d+ /gm) ?? [];
  assert.equal(headers.length, finished.samples);
  assert.deepEqual(await fetchResult(daemon, recordingId, 100), compressed.subarray(100));

  await deleteResult(daemon, recordingId);
  await assert.rejects(fetchResult(daemon, recordingId), { code: grpc.status.NOT_FOUND });
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: a result can be fetched while it is made", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  let fetched: Promise<Uint8Array> | undefined;
  let recordingId = "";
  const events = await collect(
    daemon,
    { containerId: `${target.pid}`, duration: SECOND },
    ({ event, accepted }) => {
      if (accepted) recordingId = accepted.recordingId;
      if (event === "started") fetched = fetchResult(daemon, recordingId);
    },
  );
  assert.equal((await fetched!).length, events.at(-1)!.finished!.compressedSize);
});

Deno.test("necoperf-daemon: each option changes what is recorded", async () => {
  await using daemon = await start();
  // Not the static one: perf finds no unwind tables in that.
  await using target = run(targets.spinDynamic);
  const containerId = `${target.pid}`;
  const text = async (options: StartRecordingRequest["options"]) =>
    Buffer.from(await profile(daemon, { containerId, timeout: SECOND, options })).toString();
  const frames = /^\s+[0-9a-f]+ \S/m;

  const dwarf = await text({ callGraph: "CALL_GRAPH_DWARF", stackSize: 16384, frequency: 199 });
  assert.match(dwarf, new RegExp(`${BUSY_FUNCTION}[^]*? main\\+`));
  const none = await text({ callGraph: "CALL_GRAPH_NONE" });
  assert.ok(none.includes(BUSY_FUNCTION) && !frames.test(none), none.slice(0, 300));
  const event = await text({ events: ["task-clock"] });
  assert.match(event, /task-clock/);
  const user = await text({ side: "SIDE_USER" });
  assert.match(user, / (cpu-clock|cycles):u\w*: /);
  const slow = await text({ frequency: 20 });
  const fast = await text({ frequency: 500 });
  const samples = (text: string) => text.match(/^spin-dynamic /gm)?.length ?? 0;
  assert.ok(samples(fast) > samples(slow) * 3, `${samples(fast)} and ${samples(slow)} samples`);
});

Deno.test("necoperf-daemon: perf.data is one that perf reads, with as many samples as were counted", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const events = await collect(daemon, {
    containerId: `${target.pid}`,
    duration: SECOND,
    options: { format: "FORMAT_DATA" },
  });
  const data = gunzipSync(await fetchResult(daemon, events[0].accepted!.recordingId));
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, data);
    const perf = await new Deno.Command("perf", {
      args: ["script", "--input", file, "--fields", "comm,ip,sym"],
    }).output();
    const text = new TextDecoder().decode(perf.stdout);
    assert.ok(text.includes(BUSY_FUNCTION), text.slice(0, 300));
    assert.equal(text.match(/^spin/gm)?.length, events.at(-1)!.finished!.samples);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("necoperf-daemon: a request beyond a limit is refused with field, value and limit", async () => {
  await using daemon = await start({
    args: ["--max-duration", "30s", "--max-frequency", "100", "--allowed-events", "cpu-clock"],
  });
  const refused = async (request: StartRecordingRequest, words: RegExp) =>
    await assert.rejects(collect(daemon, request), (error: grpc.ServiceError) => {
      assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
      assert.match(error.details, words);
      return true;
    });
  const containerId = "1";
  await refused({ containerId, duration: { seconds: 31 } }, /^duration: 31s .* limit of 30s/);
  await refused({ containerId, duration: { seconds: -1 } }, /^duration: -1s is not above zero/);
  await refused({ containerId }, /^duration: 0ms is not above zero/);
  const duration = SECOND;
  await refused(
    { containerId, duration, options: { frequency: 101 } },
    /^frequency: 101 Hz .* limit of 100 Hz/,
  );
  await refused(
    { containerId, duration, options: { events: ["cycles"] } },
    /^events: "cycles" is not among .*: cpu-clock$/,
  );
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
  assert.match(metrics, /necoperf_recordings_total\{outcome="invalid_argument"\} 5/);
});

Deno.test("necoperf-daemon: no text of a request reaches a command line or a file name", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const mark = `${daemon.workDir}/smuggled`;
  const texts = [
    `--output=${mark}`,
    `-o ${mark}`,
    `1; touch ${mark}`,
    `$(touch ${mark})`,
    `1 --output=${mark}`,
    `1,2`,
    `../../${mark}`,
    mark,
    "1\0",
    "1\n2",
    "-1",
    "all",
    "",
    "x".repeat(10_000),
  ];
  for (const text of texts) {
    const refused = (error: grpc.ServiceError) => {
      assert.equal(error.code, grpc.status.INVALID_ARGUMENT, `${text}: ${error.details}`);
      return true;
    };
    await assert.rejects(collect(daemon, { containerId: text, duration: SECOND }), refused);
    await assert.rejects(record(daemon, { containerId: text, interval: 1 }), refused);
    const options = { events: [text] };
    const containerId = `${target.pid}`;
    await assert.rejects(collect(daemon, { containerId, duration: SECOND, options }), refused);
    // The ids of recordings are looked up, never used as names.
    await assert.rejects(fetchResult(daemon, text), { code: grpc.status.NOT_FOUND });
  }
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: a process that sleeps gives no sample and says what that means", async () => {
  await using daemon = await start();
  await using target = run(targets.idle);
  const request = { containerId: `${target.pid}`, duration: SECOND };
  await assert.rejects(collect(daemon, request), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
    assert.match(error.details, /no sample .* sleeps or waits/);
    return true;
  });
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: a process that ends halfway gives what was recorded, with its symbols", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const request = { containerId: `${target.pid}`, duration: LONG };
  let killed = false;
  const events = await collect(daemon, request, ({ progress }) => {
    if (killed || !progress || progress.samples < 20) return;
    target.kill("SIGKILL");
    killed = true;
  });
  const finished = events.at(-1)!.finished!;
  assert.equal(finished.completeness, "COMPLETENESS_TARGET_ENDED");
  assert.ok(fromDuration(finished.sampled) < 60);
  const text = gunzipSync(await fetchResult(daemon, events[0].accepted!.recordingId)).toString();
  const samples = text.match(/^spin /gm)!.length;
  const named = text.match(new RegExp(`^\\s+[0-9a-f]+ ${BUSY_FUNCTION}\\+`, "gm"))!.length;
  assert.equal(samples, finished.samples);
  assert.ok(named > samples * 0.8, `${named} of ${samples} samples have their function's name`);
});

Deno.test("necoperf-daemon: a process that is not there is NOT_FOUND", async () => {
  await using daemon = await start();
  const target = run(targets.idle);
  await target[Symbol.asyncDispose]();
  const request = { containerId: `${target.pid}`, duration: SECOND };
  await assert.rejects(collect(daemon, request), { code: grpc.status.NOT_FOUND });
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: a process that vanishes while perf reads its maps makes it list them again", async () => {
  // The real perf ends with 255 and without a word then. A script that does so once and is the real
  // perf after that stands in for it: the moment cannot be met on command.
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${directory}/perf`,
      `#!/bin/sh
case "$*" in
  *--control*) [ -e ${directory}/vanished ] || { : >${directory}/vanished; exit 255; } ;;
esac
exec ${directory}/real "$@"
`,
      { mode: 0o755 },
    );
    await using daemon = await start({
      prepare: `cp "$(command -v perf)" ${directory}/real
        mount --bind ${directory}/perf "$(command -v perf)"`,
    });
    await using target = run(targets.spin);
    const events = await collect(daemon, { containerId: `${target.pid}`, duration: SECOND });
    assert.equal(events.at(-1)!.finished?.completeness, "COMPLETENESS_FULL");
    assert.ok(await Deno.stat(`${directory}/vanished`));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("necoperf-daemon: StopRecording ends the sampling and delivers what there is", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  let recordingId = "";
  const request = { containerId: `${target.pid}`, duration: LONG };
  const events = await collect(daemon, request, ({ accepted, progress }) => {
    if (accepted) recordingId = accepted.recordingId;
    if (progress && progress.samples > 0) daemon.client.StopRecording({ recordingId }, () => {});
  });
  const finished = events.at(-1)!.finished!;
  assert.equal(finished.completeness, "COMPLETENESS_STOPPED");
  const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
  assert.ok(text.includes(BUSY_FUNCTION));
  await deleteResult(daemon, recordingId);
  await assertNothingLeft(daemon);
});

/** Whose files those of a test's own perf are: others on this machine run perf, too. */
const PERF_GROUP = 65_432;

/** What perf has in its directory for temporary files, whose place is fixed. */
function filesOfPerf(): string[] {
  const names = [...Deno.readDirSync("/tmp")].map(({ name }) => name);
  return names.filter((name) => name.startsWith("perf-") && groupOf(`/tmp/${name}`) === PERF_GROUP);
}

function groupOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).gid;
  } catch (error) {
    // It has gone since.
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

Deno.test("necoperf-daemon: a caller that cancels leaves nothing behind, not even of perf's own", async () => {
  await using daemon = await start({
    wrapper: ["setpriv", `--regid=${PERF_GROUP}`, "--clear-groups"],
  });
  await using target = run(targets.spin);
  const call = daemon.client.StartRecording({ containerId: `${target.pid}`, duration: LONG });
  const cancelled = new Promise<grpc.ServiceError>((resolve) => call.on("error", resolve));
  call.on("data", ({ event }) => event === "progress" && call.cancel());
  assert.equal((await cancelled).code, grpc.status.CANCELLED);
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  await assertNothingLeft(daemon);
  // perf script keeps a copy of the kernel's vDSO there while it runs.
  assert.deepEqual(filesOfPerf(), []);
});

Deno.test("necoperf-daemon: recordings beyond --max-concurrent wait, and say how many go first", async () => {
  await using daemon = await start({ args: ["--max-concurrent", "1", "--max-queue", "1"] });
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  const first = daemon.client.StartRecording({ containerId, duration: LONG });
  await new Promise<void>((resolve) => {
    first.on("data", ({ event }) => event === "started" && resolve());
    first.on("error", () => {});
  });
  const second = collect(daemon, { containerId, duration: SECOND }, ({ queued }) => {
    if (!queued) return;
    assert.equal(queued.ahead, 0);
    const third = collect(daemon, { containerId, duration: SECOND });
    assert.rejects(third, { code: grpc.status.RESOURCE_EXHAUSTED }).finally(() => first.cancel());
  });
  const order = (await second).map(({ event }) => event);
  assert.deepEqual(order.slice(0, 3), ["accepted", "queued", "started"]);
});

Deno.test("necoperf-daemon: SIGTERM lets a running recording end, takes no other, and leaves nothing", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  const duration = { seconds: 3, nanos: 0 };
  let recordingId = "";
  let fetched: Promise<Uint8Array> | undefined;
  const events = await collect(daemon, { containerId, duration }, ({ event, accepted }) => {
    if (accepted) recordingId = accepted.recordingId;
    if (event !== "started") return;
    fetched = fetchResult(daemon, recordingId);
    daemon.kill("SIGTERM");
    daemon.logged(({ message }) => message === "shutting down").then(async () => {
      const readyz = await fetch(`${daemon.http}/readyz`);
      assert.equal(readyz.status, 503);
      assert.match(await readyz.text(), /shutting down/);
      await assert.rejects(collect(daemon, { containerId, duration }), {
        code: grpc.status.UNAVAILABLE,
      });
    });
  });
  assert.equal(events.at(-1)!.finished!.completeness, "COMPLETENESS_FULL");
  assert.ok(gunzipSync(await fetched!).includes(BUSY_FUNCTION));
  await deleteResult(daemon, recordingId);
  daemon.client.close();
  assert.equal((await daemon.status).code, 0);
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: after the grace period a recording is stopped and delivers what it has", async () => {
  await using daemon = await start({ args: ["--shutdown-grace", "1s"] });
  await using target = run(targets.spin);
  let recordingId = "";
  let fetched: Promise<Uint8Array> | undefined;
  const request = { containerId: `${target.pid}`, duration: LONG };
  const events = await collect(daemon, request, ({ event, accepted, progress }) => {
    if (accepted) recordingId = accepted.recordingId;
    if (event === "started") fetched = fetchResult(daemon, recordingId);
    if (progress && progress.samples > 0) daemon.kill("SIGTERM");
  });
  assert.equal(events.at(-1)!.finished!.completeness, "COMPLETENESS_SHUTDOWN");
  assert.ok(gunzipSync(await fetched!).includes(BUSY_FUNCTION));
  await deleteResult(daemon, recordingId);
  daemon.client.close();
  assert.equal((await daemon.status).code, 0);
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: perf ends by itself when the daemon is killed, and the next one cleans up", async () => {
  await using target = run(targets.spin);
  const workDir = await Deno.makeTempDir();
  try {
    {
      await using daemon = await start({ binds: { "/var/necoperf": workDir } });
      // It and all that it starts are in a namespace that nobody else is in.
      const namespace = await Deno.readLink(`/proc/${daemon.pid}/ns/mnt`);
      const request = { containerId: `${target.pid}`, duration: { seconds: 5, nanos: 0 } };
      let running: Promise<string[]> | undefined;
      const events = collect(daemon, request, ({ event }) => {
        if (event !== "progress") return;
        running ??= processesIn(namespace).finally(() => daemon.kill("SIGKILL"));
      });
      await assert.rejects(events);
      await daemon.status;
      assert.match((await running!).join("\n"), /^\S*perf record /m);
      await eventually(async () => assert.deepEqual(await processesIn(namespace), []));
    }
    assert.equal([...Deno.readDirSync(workDir)].length, 1);
    await using _next = await start({ binds: { "/var/necoperf": workDir } });
    assert.deepEqual([...Deno.readDirSync(workDir)], []);
  } finally {
    await Deno.remove(workDir, { recursive: true });
  }
});

Deno.test("necoperf-daemon: a work directory that is full is told, and the daemon goes on", async () => {
  await using daemon = await start({
    prepare: "mount -t tmpfs -o size=4k,mode=777 tmpfs /var/necoperf",
  });
  await using target = run(targets.spin);
  const options = {
    format: "FORMAT_DATA",
    callGraph: "CALL_GRAPH_DWARF",
    frequency: 999,
  } as const;
  const request = { containerId: `${target.pid}`, duration: SECOND, options };
  await assert.rejects(collect(daemon, request), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.match(error.details, /cannot write to its work directory: .*[Nn]o space/);
    return true;
  });
  assert.deepEqual(await findChildren(daemon.pid), []);
  assert.equal((await fetch(`${daemon.http}/healthz`)).status, 200);
});

Deno.test("necoperf-daemon: without a perf the daemon serves, is not ready and says why", async () => {
  // An empty directory stands in for those where perf would be.
  await using daemon = await start({
    prepare: "mkdir -p /tmp/none && mount -t tmpfs none /usr/bin",
  });
  const readyz = await fetch(`${daemon.http}/readyz`);
  assert.equal(readyz.status, 503);
  assert.match(await readyz.text(), /\[-\]perf failed: there is no perf/);
  assert.equal((await fetch(`${daemon.http}/healthz`)).status, 200);
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
  assert.match(metrics, /^necoperf_perf_usable 0$/m);
  await using target = run(targets.idle);
  const request = { containerId: `${target.pid}`, duration: SECOND };
  await assert.rejects(collect(daemon, request), { code: grpc.status.FAILED_PRECONDITION });
});

// Still root, who may read the sources and Deno wherever they are, in a home directory, too.
const WITHOUT_CAPABILITIES = ["--bounding-set", "--inh-caps", "--ambient-caps"]
  .reduce((words, set) => [...words, set, "-all"], ["setpriv"]);

Deno.test("necoperf-daemon: where perf is not permitted the daemon is not ready and says why", async () => {
  // By process id the daemon tries perf on itself, otherwise on process 1, which is root's.
  await using daemon = await startDaemon({
    wrapper: WITHOUT_CAPABILITIES,
    args: ["--container-lookup", "cgroup"],
  });
  const readyz = await fetch(`${daemon.http}/readyz`);
  assert.equal(readyz.status, 503);
  assert.match(await readyz.text(), /\[-\]perf failed: perf may not record on this node: Access/);
});

Deno.test("necoperf-daemon: a recording that perf is not permitted to make is refused with perf's words", async () => {
  await using daemon = await start({ wrapper: WITHOUT_CAPABILITIES });
  await using target = run(targets.spin);
  const request = { containerId: `${target.pid}`, duration: SECOND };
  await assert.rejects(collect(daemon, request), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
    assert.match(error.details, /perf may not record on this node: Access/);
    return true;
  });
  await assertNothingLeft(daemon);
});

Deno.test("necoperf-daemon: versions, metrics, log and readiness say what is going on", async () => {
  await using daemon = await start();
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  await profile(daemon, { containerId, timeout: SECOND });
  const line = await daemon.logged(({ message }) => message === "recording finished");
  assert.equal(line.containerId, containerId);
  assert.equal(line.outcome, "full");
  assert.match(String(line.requestId), /^[0-9a-f-]{36}$/);
  assert.ok(Number(line.durationSeconds) >= 1);
  assert.equal((line.options as Record<string, unknown>).frequencyHz, 99);

  const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
  assert.match(metrics, /^necoperf_recordings_total\{outcome="full"\} 1$/m);
  assert.match(metrics, /^necoperf_recording_duration_seconds_count\{outcome="full"\} 1$/m);
  assert.match(metrics, /^necoperf_queue_length 0$/m);
  const perf = await new Deno.Command("perf", { args: ["version"] }).output();
  const perfVersion = new TextDecoder().decode(perf.stdout).trim().split(" ").at(-1);
  assert.ok(
    metrics.includes(
      `necoperf_perf_info{perf_version="${perfVersion}",kernel_version="${Deno.osRelease()}"} 1`,
    ),
    metrics,
  );
  const readyz = await fetch(`${daemon.http}/readyz`);
  assert.equal(readyz.status, 200);
  assert.match(await readyz.text(), /^\[\+\]perf ok\n/);
  assert.equal((await fetch(`${daemon.http}/nothing`)).status, 404);
});
