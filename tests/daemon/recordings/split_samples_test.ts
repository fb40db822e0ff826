import assert from "node:assert/strict";
import { splitSamples } from "../../../daemon/recordings/split_samples.ts";

async function cut(text: string, chunkSize: number, callGraph: boolean): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize) {
    chunks.push(bytes.subarray(at, at + chunkSize));
  }
  const cut: string[] = [];
  for await (const chunk of splitSamples(ReadableStream.from(chunks), callGraph)) {
    cut.push(new TextDecoder().decode(chunk));
  }
  return cut;
}

const SAMPLE = "burn 1/1 1.0: cpu-clock:\n\t 1140 hot (/burn)\n\t 2724 main (/burn)\n\n";
const LINE = "burn 1/1 1.0: cpu-clock: 1140 hot (/burn)\n";

Deno.test("splitSamples: the text stays the same whatever the chunks are", async () => {
  for (const [sample, callGraph] of [[SAMPLE, true], [LINE, false]] as const) {
    const text = sample.repeat(3) + "an unfinished end";
    for (let size = 1; size <= text.length; size++) {
      assert.equal((await cut(text, size, callGraph)).join(""), text, `chunks of ${size}`);
    }
  }
});

Deno.test("splitSamples: every chunk holds whole samples only, but for an unfinished end", async () => {
  for (const [sample, callGraph] of [[SAMPLE, true], [LINE, false]] as const) {
    for (let size = 1; size <= sample.length * 2; size++) {
      const chunks = await cut(sample.repeat(4) + "an unfinished end", size, callGraph);
      assert.equal(chunks.pop(), "an unfinished end");
      for (const chunk of chunks) {
        assert.equal(chunk, sample.repeat(chunk.length / sample.length), `chunks of ${size}`);
      }
    }
  }
});

Deno.test("splitSamples: small chunks are joined, and a joined chunk also ends with a whole sample", async () => {
  for (const [sample, callGraph] of [[SAMPLE, true], [LINE, false]] as const) {
    const text = sample.repeat(5000);
    for (const size of [100, 4096, 50_000]) {
      const chunks = await cut(text, size, callGraph);
      assert.equal(chunks.join(""), text);
      assert.ok(chunks.length > 1, "all of it was held");
      for (const chunk of chunks) {
        assert.equal(chunk.length % sample.length, 0, `chunks of ${size}`);
      }
      for (const chunk of chunks.slice(0, -1)) assert.ok(chunk.length >= 64 * 1024);
    }
  }
});

Deno.test("splitSamples: text without an end does not pile up", async () => {
  const chunks = await cut("x".repeat(3 << 20), 64 * 1024, true);
  assert.ok(chunks.length > 1);
  assert.equal(chunks.join("").length, 3 << 20);
});
