import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { ANYONE, type Owner } from "../../../daemon/caller.ts";
import type { Log } from "../../../daemon/operations/log.ts";
import type { RecordingSummary } from "../../../daemon/recording.ts";
import type { Result } from "../../../daemon/results/result.ts";
import type { StatusError } from "../../../daemon/status_error.ts";
import { ResultStore, type ResultStoreOptions } from "../../../daemon/results/result_store.ts";

/** Names of results are ids of recordings. */
const [A, B, C] = ["a", "b", "c"].map((digit) =>
  `${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}`
);
const NEVER = new AbortController().signal;

const ALICE = { user: "alice", uid: "1" };
const BOB = { user: "bob", uid: "2" };

type Options = Partial<ResultStoreOptions>;

async function withDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What the store has said, and where. */
const LOG: Log & { warnings: unknown[] } = {
  warnings: [],
  info() {},
  warning: (_message, properties) => void LOG.warnings.push(properties),
  error() {},
};

async function openStore(directory: string, options: Options = {}): Promise<ResultStore> {
  LOG.warnings.length = 0;
  const store = new ResultStore({
    directory,
    retentionSeconds: 60,
    maxResultsBytes: 2 ** 30,
    maxResultBytes: 2 ** 30,
    log: LOG,
    ...options,
  });
  await store.open();
  return store;
}

/** A store that is to be empty again at its end. */
function withStore(
  test: (store: ResultStore, directory: string) => Promise<void>,
  options: Options = {},
): Promise<void> {
  return withDirectory(async (directory) => {
    const store = await openStore(directory, options);
    await test(store, directory);
    for (const name of [A, B, C]) await store.delete(name);
    assert.deepEqual(filesOf(directory), [], "the store left files behind");
    assert.equal(store.sizeBytes, 0);
  });
}

function filesOf(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
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
  throttled: 2,
  missedProcesses: 3,
  sampledSeconds: 1.5,
  cpu: {
    elapsedSeconds: 1.6,
    usedSeconds: 0.3,
    pressureSeconds: 1.2,
    delaySeconds: 2.5,
    bandwidth: {
      quotaSeconds: 0.02,
      periodSeconds: 0.1,
      periods: 16,
      throttledPeriods: 15,
      throttledSeconds: 1.1,
    },
    podBandwidth: { periodSeconds: 0.1, periods: 0, throttledPeriods: 0, throttledSeconds: 0 },
  },
  cpuUnknown: "so far",
};

async function write(
  store: ResultStore,
  name: string,
  bytes: Uint8Array,
  owner: Owner = ANYONE,
): Promise<Result> {
  const result = await store.create(name, owner);
  await ReadableStream.from([bytes]).pipeTo(store.writable(result));
  await store.keep(result, SUMMARY);
  return result;
}

async function read(result: Result, offset = 0): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.read(offset, NEVER)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

Deno.test("ResultStore: a result comes back as it was written, from any offset", async () => {
  await withStore(async (store) => {
    const bytes = randomBytes(300_000);
    const result = await write(store, A, bytes);
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

Deno.test("ResultStore: a chunk that is written may be used for the next one", async () => {
  await withStore(async (store) => {
    const result = await store.create(A, ANYONE);
    const writer = store.writable(result).getWriter();
    const bytes = randomBytes(300_000);
    const buffer = new Uint8Array(50_000);
    for (let at = 0; at < bytes.length; at += buffer.length) {
      buffer.set(bytes.subarray(at, at + buffer.length));
      await writer.write(buffer);
    }
    await writer.close();
    await store.keep(result, SUMMARY);
    // A comparison that shows all bytes that differ would take minutes.
    assert.ok(gunzipSync(await read(result)).equals(bytes));
  });
});

Deno.test("ResultStore: a reader follows a result while it is written", async () => {
  await withStore(async (store) => {
    const result = await store.create(A, ANYONE);
    const writer = store.writable(result).getWriter();
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
    await store.keep(result, SUMMARY);
    await rest;
    assert.equal(gunzipSync(Buffer.concat(parts)).length, 400_000);
  });
});

Deno.test("ResultStore: a reader hears of a failure, and one that gives up ends", async () => {
  await withStore(async (store) => {
    const result = await store.create(A, ANYONE);
    const writer = store.writable(result).getWriter();
    const failed = assert.rejects(read(result), /perf died/);
    const gaveUp = new AbortController();
    const ended = (async () => {
      for await (const _ of result.read(0, gaveUp.signal));
    })();
    gaveUp.abort();
    await ended;
    await writer.abort(new Error("perf died"));
    await failed;
  });
});

Deno.test("ResultStore: a deleted result is gone, also for a reader that comes later", async () => {
  await withStore(async (store, directory) => {
    const result = await write(store, A, randomBytes(100));
    await store.delete(A);
    await store.delete(A);
    assert.equal(store.get(A), undefined);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    await assert.rejects(read(result));
  });
});

Deno.test("ResultStore: a result that nobody deletes is gone after its time", async () => {
  await withStore(async (store, directory) => {
    await write(store, A, randomBytes(100));
    assert.ok(store.get(A));
    await store.drained(60);
    assert.equal(store.get(A), undefined);
    assert.deepEqual(filesOf(directory), []);
  }, { retentionSeconds: 0.5 });
});

Deno.test("ResultStore: results are not there for others of the node's users", async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory);
    await write(store, A, randomBytes(100));
    assert.deepEqual(filesOf(directory), [`${A}.result.gz`, `${A}.result.json`]);
    for (const name of filesOf(directory)) {
      assert.equal(Deno.statSync(`${directory}/${name}`).mode! & 0o777, 0o600);
    }
    await store.close();
  });
});

Deno.test("ResultStore: whole results outlive the process, for the rest of their time", async () => {
  await withDirectory(async (directory) => {
    const first = await openStore(directory);
    const bytes = randomBytes(100_000);
    const before = await write(first, A, bytes, ALICE);
    await (await first.create(B, ALICE)).writable(() => Promise.resolve()).getWriter().write(bytes);
    // No close(): the process was killed.
    before.release();
    const second = await openStore(directory);
    const after = second.get(A)!;
    assert.deepEqual(after.owner, ALICE);
    assert.deepEqual(after.whole, before.whole);
    assert.ok(after.keptSeconds <= 60 && after.keptSeconds > 30, `${after.keptSeconds}`);
    assert.deepEqual(new Uint8Array(gunzipSync(await read(after))), bytes);
    assert.equal(second.sizeBytes, before.whole!.compressedSizeBytes);
    // The one that was not whole is gone, and nothing was wrong with it.
    assert.equal(second.get(B), undefined);
    assert.deepEqual(LOG.warnings, []);
    await second.close();
    assert.deepEqual(filesOf(directory), [`${A}.result.gz`, `${A}.result.json`]);
  });
});

for (const completeness of ["stopped", "target-ended", "shutdown", "perf-failed"] as const) {
  Deno.test(`ResultStore: a result that is partial, ${completeness}, also outlives the process`, async () => {
    await withDirectory(async (directory) => {
      const first = await openStore(directory);
      const result = await first.create(A, ALICE);
      await ReadableStream.from([randomBytes(100)]).pipeTo(first.writable(result));
      await first.keep(result, { ...SUMMARY, completeness });
      await first.close();
      const second = await openStore(directory);
      assert.equal(second.get(A)?.whole?.completeness, completeness);
      await second.close();
    });
  });
}

Deno.test("create: what its owner had to be allowed outlives the process with the result", async () => {
  await withDirectory(async (directory) => {
    const first = await openStore(directory);
    const grant = { podNamespace: "shop", podName: "web-0", side: "both" } as const;
    const result = await first.create(A, ALICE, grant);
    await ReadableStream.from([randomBytes(100)]).pipeTo(first.writable(result));
    await first.keep(result, SUMMARY);
    assert.deepEqual(result.grant, grant);
    await first.close();
    const second = await openStore(directory);
    assert.deepEqual(second.get(A)?.grant, grant);
    await second.close();
  });
});

Deno.test("ResultStore: a clock that was set keeps a result no longer than any, and no shorter than a minute", async () => {
  const options = { retentionSeconds: 200 };
  await withDirectory(async (directory) => {
    const first = await openStore(directory, options);
    for (const name of [A, B, C]) await write(first, name, randomBytes(100));
    await first.close();
    const setWholeAt = async (name: string, seconds: number) => {
      const path = `${directory}/${name}.result.json`;
      const metadata = JSON.parse(await Deno.readTextFile(path));
      metadata.wholeAt = new Date(Date.now() + seconds * 1000).toISOString();
      await Deno.writeTextFile(path, JSON.stringify(metadata));
    };
    await setWholeAt(A, 86400);
    await setWholeAt(B, -100);
    await setWholeAt(C, -86400);
    const second = await openStore(directory, options);
    const kept = (name: string) => second.get(name)?.keptSeconds ?? 0;
    assert.ok(kept(A) > 170 && kept(A) <= 200, `${kept(A)}`);
    assert.ok(kept(B) > 70 && kept(B) <= 100, `${kept(B)}`);
    assert.ok(kept(C) > 30 && kept(C) <= 60, `${kept(C)}`);
    await second.close();
  });
});

Deno.test("ResultStore: a result of less than a minute's time gets no more by a restart", async () => {
  await withDirectory(async (directory) => {
    const first = await openStore(directory, { retentionSeconds: 0.5 });
    await write(first, A, randomBytes(100));
    await first.close();
    const second = await openStore(directory, { retentionSeconds: 0.5 });
    assert.ok(second.get(A)!.keptSeconds <= 0.5);
    await second.drained(60);
    assert.deepEqual(filesOf(directory), []);
  });
});

const DAMAGES: Record<string, (data: string, metadata: string) => Promise<unknown>> = {
  "its data are too short": (data) => Deno.truncate(data, 50),
  "its data are too long": (data) => Deno.writeTextFile(data, "x", { append: true }),
  "its data are missing": (data) => Deno.remove(data),
  "its data are a symbolic link": async (data) => {
    await Deno.rename(data, `${data}.moved`);
    await Deno.symlink(`${data}.moved`, data);
  },
  "its data are another user's": (data) => Deno.chown(data, 65534, 65534),
  "its metadata are cut off": (_, metadata) => Deno.truncate(metadata, 50),
  "its metadata are empty": (_, metadata) => Deno.truncate(metadata, 0),
  "its metadata are null": (_, metadata) => Deno.writeTextFile(metadata, "null"),
  "its metadata are a directory": async (_, metadata) => {
    await Deno.remove(metadata);
    await Deno.mkdir(metadata);
  },
  "its metadata have no side in the grant": (_, metadata) =>
    edit(metadata, { grant: { podNamespace: "ns", podName: "p" } }),
  "its metadata have an unknown side in the grant": (_, metadata) =>
    edit(metadata, { grant: { podNamespace: "ns", podName: "p", side: "toString" } }),
  "its metadata have no grant but null": (_, metadata) => edit(metadata, { grant: null }),
  "its metadata are of another version": (_, metadata) => edit(metadata, { version: 1 }),
  "its metadata have no owner": (_, metadata) => edit(metadata, { owner: { user: "alice" } }),
  "its metadata have no time": (_, metadata) => edit(metadata, { wholeAt: "yesterday" }),
  "its metadata have a text for a number": async (_, metadata) => {
    const { whole } = JSON.parse(await Deno.readTextFile(metadata));
    await edit(metadata, { whole: { ...whole, samples: "3" } });
  },
  "its metadata are endless": (_, metadata) => Deno.truncate(metadata, 1 << 30),
};

async function edit(path: string, changes: Record<string, unknown>): Promise<void> {
  const metadata = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...metadata, ...changes }));
}

for (const [damage, make] of Object.entries(DAMAGES)) {
  Deno.test(`ResultStore: a result is removed with a warning when ${damage}`, async () => {
    await withDirectory(async (directory) => {
      const first = await openStore(directory);
      await write(first, A, randomBytes(100));
      await first.close();
      await make(`${directory}/${A}.result.gz`, `${directory}/${A}.result.json`);
      const second = await openStore(directory);
      assert.equal(second.get(A), undefined);
      assert.equal(LOG.warnings.length, 1);
      assert.deepEqual(filesOf(directory).filter((name) => !name.endsWith(".moved")), []);
    });
  });
}

Deno.test("ResultStore: what an earlier daemon did not finish is removed, and nothing else", async () => {
  await withDirectory(async (directory) => {
    const outside = `${directory}/notes`;
    await Deno.writeTextFile(outside, "x");
    await Deno.writeTextFile(`${directory}/${A}.result.gz`, "x");
    await Deno.writeTextFile(`${directory}/${A}.result.json.new`, "x");
    await Deno.writeTextFile(`${directory}/x.result.json`, "{}");
    await Deno.symlink(outside, `${directory}/${B}.result.gz`);
    await openStore(directory);
    assert.deepEqual(filesOf(directory), ["notes"]);
    assert.equal(await Deno.readTextFile(outside), "x");
  });
});

Deno.test("ResultStore: a result that needs room takes it from the owner that holds most", async () => {
  await withStore(async (store, directory) => {
    await write(store, A, randomBytes(4000), ALICE);
    await write(store, B, randomBytes(4000), ALICE);
    await write(store, C, randomBytes(4000), BOB);
    assert.equal(store.get(A), undefined);
    assert.ok(store.get(B) && store.get(C));
    assert.ok(store.sizeBytes <= 10_000);
    assert.equal(filesOf(directory).length, 4);
  }, { maxResultsBytes: 10_000 });
});

Deno.test("ResultStore: no result takes the room of an owner that holds less: it fails", async () => {
  await withStore(async (store, directory) => {
    await write(store, A, randomBytes(3000), BOB);
    await assert.rejects(write(store, B, randomBytes(8000), ALICE), (error: StatusError) => {
      assert.equal(error.status, "RESOURCE_EXHAUSTED");
      assert.match(
        error.message,
        /take 10000 compressed, .*--max-results-size.* shorter time.*call-graph fp/s,
      );
      return true;
    });
    assert.ok(store.get(A));
    await store.delete(B);
    assert.equal(filesOf(directory).length, 2);
  }, { maxResultsBytes: 10_000 });
});

Deno.test("ResultStore: a result that is too large by itself fails, and no other goes for it", async () => {
  await withStore(async (store) => {
    await write(store, A, randomBytes(100), ALICE);
    await assert.rejects(
      write(store, B, randomBytes(5000), ALICE),
      /larger than 4Ki compressed, .*--max-result-size.* shorter time/s,
    );
    assert.ok(store.get(A));
  }, { maxResultBytes: 4096 });
});

Deno.test("ResultStore: who reads a result that has to go is told, and its room is free at once", async () => {
  await withStore(async (store) => {
    const result = await write(store, A, randomBytes(200_000), ALICE);
    const reader = result.read(0, NEVER);
    await reader.next();
    await store.delete(A);
    assert.equal(store.sizeBytes, result.whole!.compressedSizeBytes, "it is still on the disk");
    await write(store, B, randomBytes(200_000), BOB);
    await assert.rejects(reader.next(), { status: "NOT_FOUND" });
  }, { maxResultsBytes: 300_000 });
});

Deno.test("ResultStore: the room of a deleted result is free when its last reader has ended", async () => {
  await withStore(async (store) => {
    const result = await write(store, A, randomBytes(200_000));
    const reader = result.read(0, NEVER);
    await reader.next();
    await store.delete(A);
    assert.equal(store.get(A), undefined);
    let length = 0;
    for await (const chunk of reader) length += chunk.length;
    assert.ok(length > 100_000);
    await store.drained(60);
    assert.equal(store.sizeBytes, 0);
  });
});

Deno.test("ResultStore: results that an earlier daemon had more room for go, the oldest first", async () => {
  await withDirectory(async (directory) => {
    const retentionSeconds = 200;
    const first = await openStore(directory, { retentionSeconds });
    for (const name of [A, B, C]) await write(first, name, randomBytes(4000), ALICE);
    await first.close();
    await edit(`${directory}/${B}.result.json`, {
      wholeAt: new Date(Date.now() - 30_000).toISOString(),
    });
    const second = await openStore(directory, { retentionSeconds, maxResultsBytes: 10_000 });
    assert.equal(second.get(B), undefined);
    assert.ok(second.get(A) && second.get(C));
    await second.close();
  });
});

Deno.test("ResultStore: a work directory that cannot be used is named", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(openStore(`${file}/work`), (error: Error) => {
    assert.ok(error.message.includes(`${file}/work`), error.message);
    return true;
  });
  await Deno.remove(file);
});

Deno.test("ResultStore: a work directory that takes no files is found out at the start", async () => {
  // No one can make a file there, not even root.
  await assert.rejects(openStore("/proc/self"), {
    message: /^the work directory \/proc\/self cannot be used: /,
  });
});
