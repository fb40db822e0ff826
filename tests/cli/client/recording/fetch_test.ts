import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { fetchResult } from "../../../../cli/client/recording/fetch.ts";
import { PendingResultError } from "../../../../cli/client/recording/pending_result.ts";
import { grpc } from "../../../../proto/grpc.ts";
import { type FetchCall, startStandInDaemon } from "../../stand_in_daemon.ts";

/** Waits of 10 ms each, in functions of ever other names so that gzip does not make it small. */
const ROUNDS = 400;
const SWITCHES = "# necoperf: thread-time off-cpu\n" +
  Array.from({ length: ROUNDS }, (_, round) => {
    const at = (ms: number) => (10 + round * 0.02 + ms / 1000).toFixed(9);
    const symbol = crypto.randomUUID();
    return `web 7/8 ${at(0)}: 1 context-switches: \n\t55d0 ${symbol}+0x1 (/web)\n\n` +
      `web 7/8 ${at(0)}: PERF_RECORD_SWITCH OUT        \n` +
      `web 7/8 ${at(10)}: PERF_RECORD_SWITCH IN         \n`;
  }).join("");

Deno.test("fetchResult: makes time text of what arrives in two attempts", async () => {
  const result = new TextEncoder().encode(SWITCHES);
  const packed = gzipSync(result);
  const half = packed.length >> 1;
  let isBack = false;
  let lastOffset = 0;
  const fetch = (call: FetchCall) => {
    const { offset } = call.request;
    lastOffset = offset;
    if (!isBack) {
      if (offset < half) call.write({ data: packed.subarray(offset, half) });
      call.emit("error", { code: grpc.status.UNAVAILABLE, details: "going away" });
      return;
    }
    const sha256 = createHash("sha256").update(result).digest();
    const sampled = { seconds: 2, nanos: 0 };
    const completeness = "COMPLETENESS_FULL";
    call.write({ data: packed.subarray(offset) });
    call.write({
      finished: { completeness, samples: ROUNDS, sampled, size: result.length, sha256 },
    });
    call.end();
  };
  await using daemon = await startStandInDaemon({ start: () => assert.fail(), fetch });
  const outputDirectory = await Deno.makeTempDir();
  try {
    const options = {
      daemon: { endpoint: { address: daemon.address } },
      retryTimeoutSeconds: 1,
      recordingId: "4c1e",
      outputDirectory,
    };
    await assert.rejects(fetchResult(options), PendingResultError);
    isBack = true;
    const { path } = await fetchResult({ ...options, countStacks: true });
    assert.equal(lastOffset, half);
    const text = await Deno.readTextFile(path!);
    assert.equal(text.match(/^web 7\/8 \d+\.\d{9}: {3}10000000 offcpu-time: $/gm)?.length, ROUNDS);
    assert.doesNotMatch(text, /PERF_RECORD|context-switches|thread-time/);
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
});
