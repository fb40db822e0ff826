/**
 * Results of 1 GB and readers that are slower than the daemon: it must not take the difference into
 * its memory.
 *
 * The daemon, perf record and the readers are real. perf script is not: see `withLargePerf`.
 *
 * It fails on a Deno that does not hold a writer back: on 2.9.3 the daemon took 1488 MB for the ten
 * readers and 922 MB for the one of Profile.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { FetchResultResponse__Output } from "../../proto/gen/necoperf/FetchResultResponse.ts";
import type { RecordingEvent__Output } from "../../proto/gen/necoperf/RecordingEvent.ts";
import { grpc } from "../../proto/grpc.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import {
  encryptedTo,
  SERVER_NAME,
  startEncrypted,
  withAuthority,
} from "../testing/encrypted_daemon.ts";
import { withLargePerf } from "../testing/large_perf.ts";
import { eventually, run } from "../testing/process.ts";
import { bytesOfFiles, peakBytes } from "../testing/resources.ts";
import { startSlowReaders } from "../testing/slow_readers.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();

const MB = 1e6;
const RESULT_BYTES = 1000 * MB;
const PEAK_BYTES = 160 * MB;
const BYTES_PER_SECOND = 1 * MB;
/** Room in the work directory: enough for the result, compressed, and not for two. */
const WORK_DIR_BYTES = 128 * 2 ** 20;
/** So much of the result is with a slow reader when the daemon's memory is looked at. */
const TAKEN_BYTES = 8 * MB;
const SECOND = { seconds: 1, nanos: 0 };

type Start = NonNullable<Parameters<typeof withLargePerf>[0]["start"]>;

/** The SHA-256 of the text's first bytes, from the program that prints it. */
async function digestOfText(bytes: number): Promise<string> {
  const pipe = `"$1" ${RESULT_BYTES} | head -c ${bytes} | sha256sum`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", pipe, "sh", targets.scriptText] })
    .output();
  return new TextDecoder().decode(stdout).slice(0, 64);
}

async function digestOfFile(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  if (bytes > 0) await pipeline(createReadStream(path, { end: bytes - 1 }), hash);
  return hash.digest("hex");
}

function assertMemory(name: string, bytes: number): void {
  console.log(`${name}: at most ${Math.round(bytes / MB)} MB resident`);
  assert.ok(bytes < PEAK_BYTES, `${name}: the daemon took ${Math.round(bytes / MB)} MB`);
}

/** Ten readers of 1 MB/s and a fast one of a result of 1 GB; `start` makes the daemon. */
async function readByMany(start: Start, caFile?: string): Promise<void> {
  await withLargePerf({ bytes: RESULT_BYTES, start }, async (daemon) => {
    await using target = run(targets.spin);
    const recording: AsyncIterable<RecordingEvent__Output> = daemon.client
      .StartRecording({ containerId: `${target.pid}`, duration: SECOND });
    const events = recording[Symbol.asyncIterator]();
    const { recordingId } = (await events.next()).value!.accepted!;
    while ((await events.next()).value!.event !== "converting");

    await using readers = startSlowReaders(daemon.address, {
      ...{ method: "FetchResult", request: { recordingId } },
      ...{ count: 10, bytesPerSecond: BYTES_PER_SECOND, caFile },
    });
    const path = await Deno.makeTempFile();
    try {
      const fast = fetchTo(path, daemon, recordingId);
      let finished: RecordingEvent__Output["finished"];
      for (let next = await events.next(); !next.done; next = await events.next()) {
        finished = next.value.finished;
      }
      await fast;
      assert.ok(finished!.size >= RESULT_BYTES);
      const text = createHash("sha256");
      await pipeline(createReadStream(path), createGunzip(), text);
      assert.equal(text.digest("hex"), await digestOfText(finished!.size));
      assert.equal((await Deno.stat(path)).size, finished!.compressedSize);
      assert.ok(bytesOfFiles(daemon.workDir) <= WORK_DIR_BYTES);

      const states = await eventually(async () => {
        const states = await readers.states();
        for (const { bytes } of states) assert.ok(bytes >= TAKEN_BYTES, `only ${bytes} bytes`);
        return states;
      }, 60);
      for (const { bytes, sha256, ended } of states) {
        assert.equal(ended, undefined, "a slow reader has read on");
        assert.equal(sha256, await digestOfFile(path, bytes));
      }
      assertMemory("ten slow readers of FetchResult", await peakBytes(daemon.pid));
    } finally {
      await Deno.remove(path);
    }
  });
}

Deno.test("FetchResult: ten readers of 1 MB/s and a fast one of a result of 1 GB", () =>
  readByMany(startDaemon));

Deno.test("FetchResult: ten readers of 1 MB/s and a fast one of a result of 1 GB, by TLS", () =>
  withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    const connection = encryptedTo(authority);
    await readByMany(
      (options) => startEncrypted(directory, "server", { ...options, ...connection }),
      authority.certFile,
    );
  }));

async function fetchTo(path: string, daemon: TestDaemon, recordingId: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  const stream: AsyncIterable<FetchResultResponse__Output> = daemon.client
    .FetchResult({ recordingId });
  for await (const { data } of stream) {
    for (let written = 0; written < data.length;) {
      written += await file.write(data.subarray(written));
    }
  }
}

Deno.test("FetchResult: a reader of 1 MB/s of a text of 1 GB from Profile", async () => {
  await withLargePerf({ bytes: RESULT_BYTES }, async (daemon) => {
    await using target = run(targets.spin);
    await using readers = startSlowReaders(daemon.address, {
      ...{ method: "Profile", request: { containerId: `${target.pid}`, timeout: SECOND } },
      ...{ count: 1, bytesPerSecond: BYTES_PER_SECOND },
    });
    const [{ bytes, sha256, ended }] = await eventually(async () => {
      const states = await readers.states();
      assert.ok(states[0].bytes >= TAKEN_BYTES, JSON.stringify(states));
      return states;
    }, 60);
    assert.equal(ended, undefined, "the slow reader has read on");
    assert.equal(sha256, await digestOfText(bytes));
    assertMemory("a slow reader of Profile", await peakBytes(daemon.pid));
  });
});

Deno.test("FetchResult: a text of 1 GB from Record is refused", async () => {
  await withLargePerf({ bytes: RESULT_BYTES }, async (daemon) => {
    await using target = run(targets.spin);
    const error = await new Promise<grpc.ServiceError | null>((resolve) =>
      daemon.client.Record({ containerId: `${target.pid}`, interval: 1 }, resolve)
    );
    assert.equal(error?.code, grpc.status.RESOURCE_EXHAUSTED);
    assertMemory("Record", await peakBytes(daemon.pid));
  });
});
