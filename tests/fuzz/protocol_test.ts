/** Whatever bytes arrive as a request, the real daemon answers with a status and goes on. */
import assert from "node:assert/strict";
import type { RecordOptions } from "../../proto/gen/necoperf/RecordOptions.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { startDaemon } from "../testing/daemon.ts";
import { CASES, createRandom, type Random, SEED } from "./random.ts";

const ID = "0f".repeat(32);
const DEADLINE_MS = 20_000;
/** Each is a call to a daemon, so fewer than of what stays in the process. */
const CALLS = Math.ceil(CASES / 4);

const { service } = loadNecoPerf().NecoPerf;

/** Requests in which every field is set, to start from. */
const OPTIONS: RecordOptions = {
  frequency: 99,
  events: ["cycles", "page-faults"],
  callGraph: "CALL_GRAPH_DWARF",
  stackSize: 8192,
  side: "SIDE_USER",
  inline: true,
  format: "FORMAT_DATA",
  mainProcess: true,
};
const REQUESTS: Record<keyof typeof service, Uint8Array> = {
  Record: service.Record.requestSerialize({ containerId: ID, interval: 1, options: OPTIONS }),
  Profile: service.Profile.requestSerialize({
    containerId: ID,
    timeout: { seconds: 1, nanos: 5 },
    options: OPTIONS,
  }),
  StartRecording: service.StartRecording.requestSerialize({
    containerId: ID,
    duration: { seconds: 1, nanos: 5 },
    options: OPTIONS,
  }),
  StopRecording: service.StopRecording.requestSerialize({ recordingId: crypto.randomUUID() }),
  FetchResult: service.FetchResult.requestSerialize({
    recordingId: crypto.randomUUID(),
    offset: 2 ** 40,
  }),
  DeleteResult: service.DeleteResult.requestSerialize({ recordingId: crypto.randomUUID() }),
};

function mutate(random: Random, message: Uint8Array): Uint8Array {
  const bytes = [...message];
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(bytes.length + 1);
    const inserted = random.integer(3) ? [random.integer(256)] : [...random.bytes(20)];
    bytes.splice(at, random.integer(4), ...inserted);
  }
  return Uint8Array.from(bytes);
}

/** Sends bytes as the request of a method and resolves with the status that comes back. */
function send(client: grpc.Client, path: string, bytes: Uint8Array): Promise<grpc.StatusObject> {
  return new Promise((resolve) => {
    const asIs = (bytes: Uint8Array) => Buffer.from(bytes);
    const call = client.makeServerStreamRequest(path, asIs, asIs, bytes, new grpc.Metadata(), {
      deadline: Date.now() + DEADLINE_MS,
    });
    call.on("data", () => {});
    call.on("error", () => {});
    call.on("status", resolve);
  });
}

Deno.test("fuzz: every request of any bytes gets a status, and nothing is left", async () => {
  const random = createRandom(SEED);
  // By their cgroup no container has the id of these requests: nothing is recorded.
  await using daemon = await startDaemon({ args: ["--container-lookup", "cgroup"] });
  const client = new grpc.Client(daemon.address, grpc.credentials.createInsecure());
  const refusals = [
    grpc.status.INVALID_ARGUMENT,
    grpc.status.NOT_FOUND,
    grpc.status.FAILED_PRECONDITION,
    grpc.status.OK,
  ];
  try {
    for (let count = 0; count < CALLS; count++) {
      const method = random.pick(Object.keys(REQUESTS) as (keyof typeof service)[]);
      const bytes = random.integer(4) ? mutate(random, REQUESTS[method]) : random.bytes(300);
      const { code, details } = await send(client, service[method].path, bytes);
      const what = `seed ${SEED}, case ${count}: ${String(method)} ${
        Buffer.from(bytes).toString("hex")
      }`;
      assert.ok(refusals.includes(code), `${what}: ${grpc.status[code]} ${details}`);
      assert.ok(details.length < 2000, what);
      assert.doesNotMatch(details, /see the daemon's log/, what);
    }
  } finally {
    client.close();
  }
  // Whether perf may sample process 1 of this machine is another matter.
  const errors = daemon.log.filter(({ level, message }) =>
    level === "ERROR" && message !== "not ready"
  );
  assert.deepEqual(errors, []);
  assert.deepEqual([...Deno.readDirSync(daemon.workDir)], []);
  assert.equal((await fetch(`${daemon.http}/healthz`)).status, 200);
});
