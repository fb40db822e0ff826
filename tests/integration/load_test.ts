/** The real daemon when far more clients come at once than it serves at a time. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { assertNothingLeft, collect, deleteResult, fetchResult } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually, runLight, type Running } from "../testing/process.ts";
import { startProxy } from "../testing/proxy.ts";
import { resourcesOf } from "../testing/resources.ts";

const CLIENTS = 200;
const TENANTS = 4;
const CONTAINERS = 8;
const MAX_QUEUE = 16;
/**
 * A client that has no answer by then hangs: the last one's comes after 10 s on an idle machine.
 */
const DEADLINE_MS = 300_000;
const SECOND = { seconds: 1, nanos: 0 };

type Client = Pick<TestDaemon, "client">;

/** Takes a profile with one of the methods, and deletes what the daemon keeps of it. */
async function profile(daemon: Client, containerId: string, method: number): Promise<string> {
  const { client } = daemon;
  const options = { frequency: 999 };
  switch (method) {
    case 0:
      return await new Promise((resolve, reject) =>
        client.Record({ containerId, interval: 1, options }, (error, response) => {
          if (error) reject(error);
          else resolve(response!.data.toString());
        })
      );
    case 1: {
      let text = "";
      for await (const { data } of client.Profile({ containerId, timeout: SECOND, options })) {
        text += data;
      }
      return text;
    }
    default: {
      const events = await collect(daemon, { containerId, duration: SECOND, options });
      const { recordingId } = events[0].accepted!;
      const text = gunzipSync(await fetchResult(daemon, recordingId)).toString();
      await deleteResult(daemon, recordingId);
      return text;
    }
  }
}

/** What becomes of a client with a connection of its own: a result, or how it was refused. */
async function clientAt(address: string, target: Running, method: number): Promise<string> {
  const client = new (loadNecoPerf().NecoPerf)(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    const text = await profile({ client }, `${target.pid}`, method);
    return /^sh +\d/m.test(text) ? "result" : `a text without samples: ${text}`;
  } catch (error) {
    const { code, details, metadata } = error as grpc.ServiceError;
    if (code !== grpc.status.RESOURCE_EXHAUSTED) return `${error}`;
    const [retryMs] = metadata.get("grpc-retry-pushback-ms");
    return Number(retryMs) > 0 ? "refused" : `refused without a time to try again: ${details}`;
  } finally {
    client.close();
  }
}

Deno.test(`necoperf-daemon: each of ${CLIENTS} clients at once gets a result or is refused`, async () => {
  await using daemon = await startDaemon({
    args: ["--container-lookup", "pid", "--max-concurrent", "4", "--max-queue", `${MAX_QUEUE}`],
  });
  await using stack = new AsyncDisposableStack();
  const containers = Array.from({ length: CONTAINERS }, () => stack.use(runLight()));
  // Without authentication, who is at another address is somebody else.
  const tenants: string[] = [];
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    tenants.push(
      stack.use(await startProxy(daemon.address, { from: `127.0.0.${tenant + 2}` })).address,
    );
  }
  assert.equal(await clientAt(tenants[0], containers[0], 0), "result");
  const before = await eventually(() => resourcesAtRest(daemon));

  const ends = new Map<string, number>();
  const timer = Promise.withResolvers<never>();
  const late = setTimeout(
    () => timer.reject(new Error(`some clients hang; the others: ${JSON.stringify([...ends])}`)),
    DEADLINE_MS,
  );
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const container = containers[index % CONTAINERS];
    const end = await clientAt(tenants[index % TENANTS], container, index % 3);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  });
  await Promise.race([Promise.all(clients), timer.promise]).finally(() => clearTimeout(late));

  const { result = 0, refused = 0, ...others } = Object.fromEntries(ends);
  console.log(`${result} results, ${refused} refused`);
  assert.deepEqual(others, {});
  assert.ok(result > MAX_QUEUE, "all that ran or waited have a result");
  assert.ok(refused > 0, "more came than may wait");

  const after = await eventually(() => resourcesAtRest(daemon));
  assert.ok(after.fds <= before.fds + 2, `open files: ${before.fds} before, ${after.fds} after`);
  assert.equal(await clientAt(daemon.address, containers[0], 2), "result");
});

/** What the daemon takes when nothing of any recording is left. */
async function resourcesAtRest(daemon: TestDaemon): Promise<{ fds: number }> {
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
  assert.match(metrics, /^necoperf_recordings_running 0$/m);
  assert.match(metrics, /^necoperf_queue_length 0$/m);
  await assertNothingLeft(daemon);
  return await resourcesOf(daemon.pid);
}
