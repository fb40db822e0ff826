import assert from "node:assert/strict";
import { coalesceChunks } from "../../../daemon/results/coalesce_chunks.ts";

async function gather(lengths: number[], minBytes: number): Promise<number[][]> {
  let next = 0;
  const chunks = lengths.map((length) => Uint8Array.from({ length }, () => next++));
  const joined: number[][] = [];
  for await (const chunk of coalesceChunks(ReadableStream.from(chunks), minBytes)) {
    joined.push([...chunk]);
  }
  return joined;
}

Deno.test("coalesceChunks: chunks are joined until they are large enough, and the rest comes at the end", async () => {
  assert.deepEqual(await gather([1, 1, 1, 3, 1], 3), [[0, 1, 2], [3, 4, 5], [6]]);
  assert.deepEqual(await gather([2, 5], 3), [[0, 1, 2, 3, 4, 5, 6]]);
  assert.deepEqual(await gather([1], 3), [[0]]);
  assert.deepEqual(await gather([], 3), []);
});

Deno.test("coalesceChunks: what the source fails with goes on", async () => {
  const failing = async function* () {
    yield new Uint8Array(1);
    await Promise.reject(new Error("the source broke"));
  };
  await assert.rejects(Array.fromAsync(coalesceChunks(failing(), 3)), /the source broke/);
});
