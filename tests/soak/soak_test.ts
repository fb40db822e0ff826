/**
 * The real daemon for SOAK_MINUTES (15) with a new client each second: clients that take a whole
 * profile, cancel, vanish, read slowly and leave the result, and ask for what cannot be.
 */
import assert from "node:assert/strict";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { assertNothingLeft, collect, deleteResult, fetchResult } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually, runLight, type Running } from "../testing/process.ts";
import { startProxy } from "../testing/proxy.ts";
import { bytesOfFiles, type Resources, resourcesOf } from "../testing/resources.ts";

const MINUTES = Number(Deno.env.get("SOAK_MINUTES") || 15);
/** What is taken once and kept is taken in this time. */
const WARM_UP = 1 / 4;
const MAX_CLIENTS = 20;
const CALL_DEADLINE_MS = 60_000;
const RETENTION_SECONDS = 5;

/**
 * The bounds. A client has a connection or two, each of them a socket, and those that record have
 * perfs with three pipes each. The runtime leaks for each connection: `docs/reliability.md`.
 */
const MAX_FDS = 200;
const MAX_THREADS = 40;
const MAX_WORK_DIR_BYTES = 10e6;
const LEAK_BYTES_PER_CLIENT = 60e3;
/** By how much resident memory goes up and down with what is going on. */
const NOISE_BYTES = 15e6;

const SECOND = { seconds: 1, nanos: 0 };
const LONG = { seconds: 60, nanos: 0 };

/** How a client takes part; rejects when it did not get what it should. */
type Visit = (address: string, target: Running) => Promise<void>;

/** A connection of its own for the time of a visit. */
async function connected<T>(
  address: string,
  use: (daemon: Pick<TestDaemon, "client">) => Promise<T>,
): Promise<T> {
  const client = new (loadNecoPerf().NecoPerf)(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    return await use({ client });
  } finally {
    client.close();
  }
}

const requestOf = ({ pid }: Running, duration = SECOND) => ({
  containerId: `${pid}`,
  duration,
  options: { frequency: 499 },
});

async function recordingOf(daemon: Pick<TestDaemon, "client">, target: Running): Promise<string> {
  const events = await collect(daemon, requestOf(target));
  assert.equal(events.at(-1)!.finished?.completeness, "COMPLETENESS_FULL");
  return events[0].accepted!.recordingId;
}

const whole: Visit = (address, target) =>
  connected(address, async (daemon) => {
    const recordingId = await recordingOf(daemon, target);
    await fetchResult(daemon, recordingId);
    await deleteResult(daemon, recordingId);
  });

/**
 * Starts a recording and resolves with how it has failed when `act` was called on its first event.
 */
function interrupted(
  { client }: Pick<TestDaemon, "client">,
  target: Running,
  act: (call: ReturnType<typeof client.StartRecording>) => void,
): Promise<number> {
  const deadline = Date.now() + CALL_DEADLINE_MS;
  const call = client.StartRecording(requestOf(target, LONG), { deadline });
  call.once("data", () => setTimeout(act, 500, call));
  call.on("data", () => {});
  return new Promise((resolve) => call.on("error", ({ code }: grpc.ServiceError) => resolve(code)));
}

const cancelling: Visit = (address, target) =>
  connected(address, async (daemon) => {
    const status = await interrupted(daemon, target, (call) => call.cancel());
    assert.equal(status, grpc.status.CANCELLED);
  });

const vanishing: Visit = async (address, target) => {
  await using proxy = await startProxy(address);
  await connected(proxy.address, async (daemon) => {
    const status = await interrupted(daemon, target, () => void proxy[Symbol.asyncDispose]());
    assert.notEqual(status, grpc.status.DEADLINE_EXCEEDED);
  });
};

/** Leaves the result, too: the daemon removes it in time. */
const readingSlowly: Visit = (address, target) =>
  connected(address, async (daemon) => {
    const recordingId = await recordingOf(daemon, target);
    const call = daemon.client.FetchResult({ recordingId });
    call.pause();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    let bytes = 0;
    for await (const { data } of call) bytes += data.length;
    assert.ok(bytes > 0);
  });

const asking: Visit = (address) =>
  connected(address, async (daemon) => {
    const nonsense = { containerId: "../nonsense", duration: SECOND };
    await assert.rejects(collect(daemon, nonsense), { code: grpc.status.INVALID_ARGUMENT });
    const endless = { containerId: "1", duration: { seconds: 1e9, nanos: 0 } };
    await assert.rejects(collect(daemon, endless), { code: grpc.status.INVALID_ARGUMENT });
    await assert.rejects(fetchResult(daemon, "none"), { code: grpc.status.NOT_FOUND });
    const [hostname, port] = address.split(":");
    using raw = await Deno.connect({ hostname, port: Number(port) });
    await raw.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    // Whatever it says to that.
    await raw.read(new Uint8Array(100)).catch(() => {});
  });

const VISITS = { whole, cancelling, vanishing, readingSlowly, asking };

interface Look extends Resources {
  seconds: number;
  clients: number;
  workDirBytes: number;
}

function tableOf(looks: Look[]): string {
  const rows = looks.map(({ seconds, clients, rssBytes, fds, threads, workDirBytes }) => [
    ...[(seconds / 60).toFixed(1), clients, (rssBytes / 1e6).toFixed(0), fds, threads],
    (workDirBytes / 1e3).toFixed(0),
  ]);
  return [
    ["minutes", "clients", "RSS MB", "open files", "threads", "work dir KB"],
    Array(6).fill("--:"),
    ...rows,
  ].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The middle of the RSS of looks, which garbage that waits to be collected does not move. */
function medianRss(looks: Look[]): number {
  return looks.map(({ rssBytes }) => rssBytes).sort((a, b) => a - b)[looks.length >> 1];
}

Deno.test(`soak: ${MINUTES} minutes with a new client each second`, async () => {
  await using daemon = await startDaemon({
    args: ["--container-lookup", "pid", "--result-retention", `${RETENTION_SECONDS}s`],
  });
  await using stack = new AsyncDisposableStack();
  const targets = Array.from({ length: 4 }, () => stack.use(runLight()));
  const before = await resourcesOf(daemon.pid);

  const under = new Set<Promise<void>>();
  const failures: string[] = [];
  const looks: Look[] = [];
  let clients = 0;
  const startedAt = performance.now();
  for (let second = 1; second <= MINUTES * 60; second++) {
    const dueMs = startedAt + second * 1000 - performance.now();
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    if (under.size < MAX_CLIENTS) {
      const [name, visit] = Object.entries(VISITS)[second % 5];
      const visited = visit(daemon.address, targets[second % 4])
        .catch((error) => void failures.push(`${name}: ${error.stack}`))
        .finally(() => under.delete(visited));
      under.add(visited);
      clients++;
    }
    if (second % 5 === 0) {
      const resources = await resourcesOf(daemon.pid);
      looks.push({
        ...{ seconds: second, clients, workDirBytes: bytesOfFiles(daemon.workDir) },
        ...resources,
      });
    }
    if (second % 60 === 0) console.log(tableOf(looks.slice(-1)).split("\n").at(-1));
  }
  await Promise.all(under);
  await eventually(() => assertNothingLeft(daemon), RETENTION_SECONDS + 30);
  const after = await eventually(async () => {
    const after = await resourcesOf(daemon.pid);
    // Of the runtime's own, a few come when they are first needed.
    assert.ok(after.fds <= before.fds + 5, `open files: ${before.fds} before, ${after.fds} after`);
    return after;
  });

  const warm = looks.filter(({ seconds }) => seconds >= MINUTES * 60 * WARM_UP);
  const tenth = Math.ceil(warm.length / 10);
  const [first, last] = [warm.slice(0, tenth), warm.slice(-tenth)];
  const grownBytes = medianRss(last) - medianRss(first);
  const grownClients = last[0].clients - first[0].clients;
  console.log(tableOf(looks.filter(({ seconds }) => seconds % 60 === 0)));
  console.log(
    `RSS ${before.rssBytes / 1e6} MB before, ${after.rssBytes / 1e6} MB after; after warm-up it ` +
      `grew by ${grownBytes / 1e6} MB with ${grownClients} clients, ` +
      `${Math.round(grownBytes / grownClients / 1e3)} KB for each`,
  );

  assert.deepEqual(failures, []);
  for (const { seconds, fds, threads, workDirBytes } of looks) {
    assert.ok(fds <= MAX_FDS, `${fds} open files after ${seconds} s`);
    assert.ok(threads <= MAX_THREADS, `${threads} threads after ${seconds} s`);
    assert.ok(workDirBytes <= MAX_WORK_DIR_BYTES, `${workDirBytes} bytes after ${seconds} s`);
  }
  assert.ok(
    grownBytes <= grownClients * LEAK_BYTES_PER_CLIENT + NOISE_BYTES,
    `it grew by ${grownBytes} bytes with ${grownClients} clients`,
  );
});
