import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { ANYONE } from "../../daemon/caller.ts";
import type { RecordingSummary } from "../../daemon/recorder.ts";
import type { Result } from "../../daemon/result.ts";
import { ResultStore } from "../../daemon/result_store.ts";

const NEVER = new AbortController().signal;

async function withStore(
  test: (store: ResultStore, directory: string) => Promise<void>,
  retentionSeconds = 60,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const store = new ResultStore(directory, retentionSeconds);
    await store.open();
    await test(store, directory);
    await store.close();
    assert.deepEqual([...Deno.readDirSync(directory)], [], "the store left files behind");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Bytes that gzip cannot shrink, so that they reach the file in many pieces. */
function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

const SUMMARY: RecordingSummary = {
  completeness: "full",
  samples: 3,
  lostSamples: 1,
  throttled: 0,
  sampledSeconds: 1.5,
};

async function write(store: ResultStore, name: string, bytes: Uint8Array): Promise<Result> {
  const result = await store.create(name, ANYONE);
  await ReadableStream.from([bytes]).pipeTo(result.writable());
  await store.finish(name, SUMMARY);
  return result;
}

async function read(result: Result, offset = 0): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.read(offset, NEVER)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

Deno.test("a result comes back as it was written, from any offset", async () => {
  await withStore(async (store) => {
    const bytes = randomBytes(300_000);
    const result = await write(store, "a", bytes);
    const whole = await read(result);
    assert.deepEqual(new Uint8Array(gunzipSync(whole)), bytes);
    const { sha256, ...rest } = result.whole!;
    const [sizeBytes, compressedSizeBytes] = [bytes.length, whole.length];
    assert.deepEqual(rest, { ...SUMMARY, sizeBytes, compressedSizeBytes });
    assert.deepEqual(Buffer.from(sha256), createHash("sha256").update(bytes).digest());
    assert.deepEqual(await read(result, 200_000), whole.subarray(200_000));
    assert.equal((await read(result, whole.length)).length, 0);
  });
});

Deno.test("a reader follows a result while it is written", async () => {
  await withStore(async (store) => {
    const result = await store.create("a", ANYONE);
    const writer = result.writable().getWriter();
    const reader = result.read(0, NEVER);
    const first = reader.next();
    const bytes = randomBytes(200_000);
    await writer.write(bytes);
    const parts = [(await first).value!];
    assert.equal(result.whole, undefined);
    const rest = (async () => {
      for await (const chunk of reader) parts.push(chunk);
    })();
    await writer.write(bytes);
    await writer.close();
    await store.finish("a", SUMMARY);
    await rest;
    assert.equal(gunzipSync(Buffer.concat(parts)).length, 400_000);
  });
});

Deno.test("a reader hears of a failure, and one that gives up ends", async () => {
  await withStore(async (store) => {
    const result = await store.create("a", ANYONE);
    const writer = result.writable().getWriter();
    const failed = read(result);
    const gaveUp = new AbortController();
    const ended = (async () => {
      for await (const _ of result.read(0, gaveUp.signal));
    })();
    gaveUp.abort();
    await ended;
    await writer.abort(new Error("perf died"));
    await assert.rejects(failed, /perf died/);
  });
});

Deno.test("a deleted result is gone, also for a reader that comes later", async () => {
  await withStore(async (store, directory) => {
    const result = await write(store, "a", randomBytes(100));
    await store.delete("a");
    await store.delete("a");
    assert.equal(store.get("a"), undefined);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    await assert.rejects(read(result));
  });
});

Deno.test("a result that nobody deletes is gone after its time", async () => {
  await withStore(async (store, directory) => {
    await write(store, "a", randomBytes(100));
    const watcher = Deno.watchFs(directory);
    assert.ok(store.get("a"));
    for await (const event of watcher) if (event.kind === "remove") break;
    assert.equal(store.get("a"), undefined);
  }, 0.5);
});

Deno.test("what an earlier daemon left is removed, and nothing else", async () => {
  await withStore(async (_, directory) => {
    await Deno.writeTextFile(`${directory}/old.result.gz`, "x");
    await Deno.writeTextFile(`${directory}/notes`, "x");
    await new ResultStore(directory, 60).open();
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["notes"]);
    await Deno.remove(`${directory}/notes`);
  });
});

Deno.test("a work directory that cannot be used is named", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(new ResultStore(`${file}/work`, 60).open(), (error: Error) => {
    assert.ok(error.message.includes(`${file}/work`), error.message);
    return true;
  });
  await Deno.remove(file);
});

Deno.test("a work directory that takes no files is found out at the start", async () => {
  // No one can make a file there, not even root.
  await assert.rejects(new ResultStore("/proc/self", 60).open(), {
    message: /^the work directory \/proc\/self cannot be used: /,
  });
});
