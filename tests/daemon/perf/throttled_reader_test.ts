import assert from "node:assert/strict";
import { throttledReader } from "../../../daemon/perf/throttled_reader.ts";

const NEVER = new AbortController().signal;

/** A stream of bytes that gives chunks of these lengths, each byte with the chunk's number. */
function streamOf(lengths: number[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const view = controller.byobRequest!.view!;
      if (next === lengths.length) {
        controller.close();
        controller.byobRequest!.respond(0);
        return;
      }
      new Uint8Array(view.buffer).fill(next, 0, lengths[next]);
      controller.byobRequest!.respond(lengths[next++]);
    },
  });
}

Deno.test("throttledReader: every chunk comes as it is read, in the same memory", async () => {
  const lengths = [100, 65_536, 40_000, 1];
  const seen: [number, number][] = [];
  for await (const chunk of throttledReader(streamOf(lengths), 1, NEVER)) {
    assert.ok(chunk.every((byte) => byte === chunk[0]));
    assert.equal(chunk.buffer.byteLength, 65_536);
    seen.push([chunk.length, chunk[0]]);
  }
  assert.deepEqual(seen, lengths.map((length, index) => [length, index]));
});

Deno.test("throttledReader: a short chunk is followed by a pause, until the writer has ended", async () => {
  const ended = new AbortController();
  const chunks = throttledReader(streamOf([40_000, 40_000, 1, 1, 1]), 60_000, ended.signal);
  for (let full = 0; full < 2; full++) await chunks.next();
  await chunks.next();
  let next: unknown;
  const read = chunks.next().then(({ value }) => next = value);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
  assert.equal(next, undefined, "there was no pause");
  ended.abort();
  await read;
  assert.ok(next);
  await chunks.next();
  assert.deepEqual(await chunks.next(), { value: undefined, done: true });
});
