/**
 * The real daemon when more is asked of it than it does at a time, and when those who wait give up.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import type { RecordingEvent__Output } from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { StartRecordingRequest } from "../../proto/gen/necoperf/StartRecordingRequest.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { assertNothingLeft, collect, findChildren } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually, run } from "../testing/process.ts";
import { startProxy } from "../testing/proxy.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const SECOND = { seconds: 1, nanos: 0 };
const LONG = { seconds: 60, nanos: 0 };

function start(...args: string[]): Promise<TestDaemon> {
  return startDaemon({ args: ["--container-lookup", "pid", ...args] });
}

/** The same daemon, called by way of another address. */
function through(daemon: TestDaemon, address: string): TestDaemon {
  const client = new (loadNecoPerf().NecoPerf)(address, grpc.credentials.createInsecure());
  return { ...daemon, client };
}

/** Starts a recording and resolves with its call when it reports this. */
function startAndHear(
  daemon: TestDaemon,
  request: StartRecordingRequest,
  event: RecordingEvent__Output["event"],
  options: grpc.CallOptions = {},
): Promise<grpc.ClientReadableStream<RecordingEvent__Output>> {
  const call = daemon.client.StartRecording(request, new grpc.Metadata(), options);
  return new Promise((resolve, reject) => {
    call.on("error", reject);
    call.on("data", (message: RecordingEvent__Output) => message.event === event && resolve(call));
  });
}

async function assertIdle(daemon: TestDaemon): Promise<void> {
  await eventually(async () => {
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
    assert.match(metrics, /^necoperf_recordings_running 0$/m);
    assert.match(metrics, /^necoperf_queue_length 0$/m);
  });
  await assertNothingLeft(daemon);
}

Deno.test("RecordingQueue: who asks for much does not hold up who asks for the first time", async () => {
  await using daemon = await start("--max-concurrent", "1");
  await using proxy = await startProxy(daemon.address, { from: "127.0.0.2" });
  const other = through(daemon, proxy.address);
  await using one = run(targets.spin);
  await using two = run(targets.spin);
  await using three = run(targets.spin);
  const running = await startAndHear(
    daemon,
    { containerId: `${one.pid}`, duration: LONG },
    "started",
  );
  const order: string[] = [];
  const note = (who: string) => ({ event }: { event?: string }) => {
    if (event === "started") order.push(who);
  };
  const mine = { containerId: `${two.pid}`, duration: SECOND };
  const theirs = { containerId: `${three.pid}`, duration: SECOND };
  const queued = Promise.withResolvers<void>();
  const second = collect(daemon, mine, (message) => {
    note("the same caller")(message);
    if (message.queued) queued.resolve();
  });
  await queued.promise;
  const first = collect(other, theirs, (message) => {
    note("another")(message);
    if (message.queued) running.cancel();
  });
  const [mineEvents, theirEvents] = await Promise.all([second, first]);
  assert.deepEqual(order, ["another", "the same caller"]);
  assert.equal(theirEvents[1].queued?.ahead, 0);
  const ahead = mineEvents.flatMap(({ queued }) => queued ? [queued.ahead] : []);
  assert.deepEqual(ahead, [0, 1, 0]);
  other.client.close();
});

Deno.test("RecordingQueue: a container that is recorded is not recorded twice at a time", async () => {
  await using daemon = await start("--max-concurrent", "3");
  await using target = run(targets.spin);
  await using other = run(targets.spin);
  const containerId = `${target.pid}`;
  const first = await startAndHear(daemon, { containerId, duration: LONG }, "started");
  const second = collect(daemon, { containerId, duration: SECOND }, async ({ queued }) => {
    if (!queued) return;
    assert.deepEqual(queued, { ahead: 0, sameContainer: true });
    // It holds nobody up who came later.
    await collect(daemon, { containerId: `${other.pid}`, duration: SECOND });
    first.cancel();
  });
  const order = (await second).map(({ event }) => event);
  assert.deepEqual(order.slice(0, 3), ["accepted", "queued", "started"]);
});

Deno.test("RecordingQueue: beyond the queue's length one is refused, and told when to try again", async () => {
  await using daemon = await start("--max-concurrent", "1", "--max-queue", "1");
  await using target = run(targets.spin);
  const containerId = `${target.pid}`;
  await startAndHear(daemon, { containerId, duration: LONG }, "started");
  await startAndHear(daemon, { containerId, duration: LONG }, "queued");
  await assert.rejects(
    collect(daemon, { containerId, duration: SECOND }),
    ({ code, details, metadata }: grpc.ServiceError) => {
      assert.equal(code, grpc.status.RESOURCE_EXHAUSTED);
      assert.match(
        details,
        /^this node has no place .*: 1 run and 1 wait; try again in \d+ s/,
      );
      const milliseconds = Number(metadata.get("grpc-retry-pushback-ms")[0]);
      assert.ok(milliseconds >= 1000 && milliseconds <= 60_000, `${milliseconds} ms`);
      return true;
    },
  );
});

Deno.test("RecordingQueue: a caller's deadline ends its waiting, and leaves nothing", async () => {
  await using daemon = await start("--max-concurrent", "1");
  await using target = run(targets.spin);
  const request = { containerId: `${target.pid}`, duration: LONG };
  const first = await startAndHear(daemon, request, "started");
  const second = await startAndHear(daemon, request, "queued", { deadline: Date.now() + 3000 });
  const [error] = await once(second, "error") as [grpc.ServiceError];
  assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  first.cancel();
  await assertIdle(daemon);
});

Deno.test("RecordingQueue: a caller that is cut off without a word is found out, and its recording ended", async () => {
  await using daemon = await start();
  await using proxy = await startProxy(daemon.address);
  const caller = through(daemon, proxy.address);
  await using target = run(targets.spin);
  const duration = { seconds: 600, nanos: 0 };
  await startAndHear(caller, { containerId: `${target.pid}`, duration }, "progress");
  proxy.cut();
  assert.notDeepEqual(await findChildren(daemon.pid), []);
  // The daemon asks for a sign of life each 5 s and waits 10 s for one.
  await daemon.logged(({ outcome }) => outcome === "cancelled");
  await assertIdle(daemon);
  caller.client.close();
});

/** Starts a recording as a peer that takes nothing: its window of HTTP/2 has no room. */
function startUntaken({ address, client }: TestDaemon, request: StartRecordingRequest): Disposable {
  const { path, requestSerialize } = client.StartRecording as unknown as grpc.MethodDefinition<
    StartRecordingRequest,
    RecordingEvent__Output
  >;
  const message = requestSerialize(request);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
  session.on("error", () => {});
  const stream = session.request({
    ...{ ":method": "POST", ":path": path, "te": "trailers" },
    "content-type": "application/grpc",
  });
  stream.on("error", () => {});
  stream.end(Buffer.concat([prefix, message]));
  return { [Symbol.dispose]: () => session.destroy() };
}

Deno.test("RecordingQueue: a caller that takes no events loses its recording, and the log says why once", async () => {
  await using daemon = await start("--stall-timeout", "1s");
  await using target = run(targets.spin);
  const duration = { seconds: 600, nanos: 0 };
  using _caller = startUntaken(daemon, { containerId: `${target.pid}`, duration });
  const line = await daemon.logged(({ method }) => method === "StartRecording");
  assert.equal(line.outcome, "cancelled");
  assert.match(String(line.reason), /took nothing for 1s \(--stall-timeout\)/);
  await assertIdle(daemon);
  assert.deepEqual(daemon.log.filter(({ level }) => level === "ERROR"), []);
});
