/** What callers of Record that do not take their answers hold of the real daemon. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import type { PerfRecordResponse__Output } from "../../proto/gen/necoperf/PerfRecordResponse.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { assertNothingLeft } from "../testing/calls.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually, run } from "../testing/process.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

/** What an answer has at least; two of that size fit into twice 64 Ki, three do not. */
const ANSWER_BYTES = 60_000;

/**
 * Starts a daemon whose `perf script` prints an answer's text: the real one's has no fixed size.
 */
async function withDaemon(use: (daemon: TestDaemon) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const script = `#!/bin/sh
[ "$1" = script ] || exec ${directory}/real "$@"
cat >/dev/null
exec ${targets.scriptText} ${ANSWER_BYTES}
`;
    await Deno.writeTextFile(`${directory}/perf`, script, { mode: 0o755 });
    await using daemon = await startDaemon({
      args: ["--container-lookup", "pid", "--max-record-response", "64Ki"],
      prepare: `cp "$(command -v perf)" ${directory}/real
        mount --bind ${directory}/perf "$(command -v perf)"`,
    });
    await use(daemon);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Calls Record and takes nothing of the answer; resolves when that has begun. */
async function recordAndTakeNothing(
  { address }: TestDaemon,
  containerId: string,
): Promise<ClientHttp2Session> {
  const { requestSerialize } = loadNecoPerf().NecoPerf.service.Record;
  const message = requestSerialize({ containerId, interval: 1 });
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
  const stream = session.request({
    ":method": "POST",
    ":path": "/necoperf.NecoPerf/Record",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end(frame);
  await once(stream, "response");
  return session;
}

function record({ client }: TestDaemon, containerId: string): Promise<number> {
  return new Promise((resolve, reject) =>
    client.Record(
      { containerId, interval: 1 },
      (error, response?: PerfRecordResponse__Output) =>
        error ? reject(error) : resolve(response!.data.length),
    )
  );
}

Deno.test("Record: answers of Record that nobody takes are bounded, and forgotten with their calls", async () => {
  await withDaemon(async (daemon) => {
    await using target = run(targets.spin);
    const containerId = `${target.pid}`;
    // An answer that is taken makes place for the next.
    for (let count = 0; count < 3; count++) {
      assert.ok(await record(daemon, containerId) >= ANSWER_BYTES);
    }
    const sessions: ClientHttp2Session[] = [];
    for (let count = 0; count < 2; count++) {
      sessions.push(await recordAndTakeNothing(daemon, containerId));
    }
    await assert.rejects(record(daemon, containerId), (error: grpc.ServiceError) => {
      assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
      assert.match(error.details, /have not read yet.*use Profile or StartRecording/);
      return true;
    });
    for (const session of sessions) session.destroy();
    await eventually(async () => assert.ok(await record(daemon, containerId) >= ANSWER_BYTES));
    await assertNothingLeft(daemon);
  });
});
