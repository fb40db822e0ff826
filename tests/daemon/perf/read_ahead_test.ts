import assert from "node:assert/strict";
import { ReadAhead } from "../../../daemon/perf/read_ahead.ts";

const KB = 1 << 10;

/** A stream of bytes that counts what is taken of it, by `step` bytes at a time. */
function counting(totalBytes: number, step: number) {
  const state = { taken: 0 };
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const view = controller.byobRequest!.view!;
      const length = Math.min(step, view.byteLength, totalBytes - state.taken);
      if (length === 0) {
        controller.close();
        controller.byobRequest!.respond(0);
        return;
      }
      const bytes = new Uint8Array(view.buffer, view.byteOffset, length);
      for (let index = 0; index < length; index++) bytes[index] = (state.taken + index) % 251;
      state.taken += length;
      controller.byobRequest!.respond(length);
    },
  });
  return { stream, state };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("all bytes come in order, also when buffers are used again", async () => {
  const { stream } = counting(1000 * KB, 10 * KB);
  const ahead = new ReadAhead(stream, 64 * KB);
  ahead.bound();
  let position = 0;
  for await (const chunk of ahead) {
    // Whoever reads takes time: nothing may be written over meanwhile.
    if (position % (100 * KB) === 0) await new Promise((resolve) => setTimeout(resolve));
    for (const byte of chunk) assert.equal(byte, position++ % 251);
  }
  assert.equal(position, 1000 * KB);
});

Deno.test("what waits is bounded once that is asked for, and goes on when there is room", async () => {
  const { stream, state } = counting(1000 * KB, 10 * KB);
  const ahead = new ReadAhead(stream, 100 * KB);
  ahead.bound();
  await settled();
  assert.equal(state.taken, 100 * KB);
  assert.ok(ahead.isFull);
  const chunks = ahead[Symbol.asyncIterator]();
  await chunks.next();
  assert.ok(ahead.isFull, "a chunk that is in use takes no room");
  await chunks.next();
  await settled();
  assert.equal(state.taken, 110 * KB);
});

Deno.test("everything is held as long as it is not bounded", async () => {
  const { stream, state } = counting(1000 * KB, 10 * KB);
  const ahead = new ReadAhead(stream, 100 * KB);
  await settled();
  assert.equal(state.taken, 1000 * KB);
  assert.ok(!ahead.isFull);
});

Deno.test("what the source fails with comes after what it gave", async () => {
  let given = false;
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (given) controller.error(new Error("the source broke"));
      else controller.byobRequest!.respond(5);
      given = true;
    },
  });
  let bytes = 0;
  const read = async () => {
    for await (const chunk of new ReadAhead(stream, KB)) bytes += chunk.length;
  };
  await assert.rejects(read(), /the source broke/);
  assert.equal(bytes, 5);
});
