import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { Admission } from "../../../daemon/access/admission.ts";
import type { Caller, Grant } from "../../../daemon/caller.ts";
import { CONFIRM_INTERVAL_MS, Downloads } from "../../../daemon/recordings/downloads.ts";
import type { Call } from "../../../daemon/recordings/recording_call.ts";
import { Result } from "../../../daemon/results/result.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const ALICE: Caller = { user: "alice", uid: "1", groups: [], extra: {} };
const GRANT: Grant = { podNamespace: "mine", podName: "p", side: "both" };
const CREDENTIALS = { authorization: ["Bearer x"] };
const SUMMARY = {
  completeness: "full",
  ...{ samples: 1, lostSamples: 0, throttled: 0, missedProcesses: 0, sampledSeconds: 1 },
} as const;
const DENIED = new StatusError("PERMISSION_DENIED", "not any more");

/** A result that a test writes while it is read, by a caller whose right it decides about. */
async function withResult(
  grant: Grant | undefined,
  test: (parts: {
    read(signal?: AbortSignal): AsyncGenerator<Uint8Array>;
    write(bytes: Uint8Array): Promise<void>;
    finish(): Promise<void>;
    answer(error?: unknown): void;
    asked: Parameters<Admission["confirm"]>[];
    pass(milliseconds: number): void;
  }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const result = await Result.create("r", `${directory}/r`, ALICE, grant);
    const writer = result.writable(() => Promise.resolve()).getWriter();
    let now = 0;
    let failure: unknown;
    const asked: Parameters<Admission["confirm"]>[] = [];
    const downloads = new Downloads({
      confirm(...question) {
        asked.push(question);
        if (failure instanceof Promise) return failure;
        return failure ? Promise.reject(failure) : Promise.resolve();
      },
    }, () => now);
    await test({
      read: (signal = new AbortController().signal) => {
        const call = {
          method: "FetchResult",
          peer: "10.0.0.1:1",
          credentials: CREDENTIALS,
          signal,
        };
        return downloads.read(result, 0, ALICE, call as Call);
      },
      write: (bytes) => writer.write(bytes),
      async finish() {
        await writer.close();
        result.finish(result.describe(SUMMARY));
      },
      answer: (error) => failure = error,
      asked,
      pass: (milliseconds) => now += milliseconds,
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** More than is written to the file at a time, and not to be compressed. */
function randomBytes(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(64 << 10));
}

Deno.test("Downloads.read: who may not see a result any more gets nothing of it", async () => {
  await withResult(GRANT, async ({ read, write, finish, answer, asked }) => {
    await write(randomBytes());
    await finish();
    answer(DENIED);
    await assert.rejects(read().next(), DENIED);
    assert.deepEqual(asked, [[ALICE, CREDENTIALS, GRANT]]);
    // Nobody can tell: nothing is begun.
    answer(new StatusError("UNAVAILABLE", "down"));
    await assert.rejects(read().next(), { status: "UNAVAILABLE" });
  });
});

Deno.test("Downloads.read: a right that is taken away ends a download, also of a result that is made", async () => {
  await withResult(GRANT, async ({ read, write, finish, answer, pass }) => {
    const download = read();
    await write(randomBytes());
    assert.ok((await download.next()).value!.length > 0);
    // Until it is time to ask again.
    answer(DENIED);
    assert.ok((await download.next()).value!.length > 0);
    pass(CONFIRM_INTERVAL_MS);
    await assert.rejects(async () => {
      for await (const _ of download);
    }, DENIED);
    await finish();
  });
});

Deno.test("Downloads.read: a download that was allowed goes on while nobody can be asked", async () => {
  await withResult(GRANT, async ({ read, write, finish, answer, asked, pass }) => {
    const bytes = randomBytes();
    await write(bytes);
    await finish();
    const chunks: Uint8Array[] = [];
    for await (const chunk of read()) {
      chunks.push(chunk);
      answer(new StatusError("UNAVAILABLE", "down"));
      pass(CONFIRM_INTERVAL_MS);
    }
    assert.ok(gunzipSync(Buffer.concat(chunks)).equals(bytes));
    assert.equal(asked.length, chunks.length);
  });
});

Deno.test("Downloads.read: where nobody is asked who they are, nobody is asked about", async () => {
  await withResult(undefined, async ({ read, write, finish, asked }) => {
    await write(randomBytes());
    await finish();
    assert.ok((await Array.fromAsync(read())).length > 1);
    assert.deepEqual(asked, []);
  });
});

Deno.test("Downloads.read: a caller who gives up while nobody answers is let go", async () => {
  await withResult(GRANT, async ({ read, write, finish, answer }) => {
    await write(randomBytes());
    await finish();
    const abort = new AbortController();
    answer(new Promise(() => {}));
    const download = read(abort.signal).next();
    abort.abort();
    await assert.rejects(download, { status: "CANCELLED" });
  });
});
