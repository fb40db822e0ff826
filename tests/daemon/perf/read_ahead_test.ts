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

Deno.test("ReadAhead: all bytes come in order, also when buffers are used again", async () => {
  const { stream } = counting(1000 * KB, 10 * KB);
  const ahead = new ReadAhead(stream, 64 * KB);
  let position = 0;
  for await (const chunk of ahead) {
    // Whoever reads takes time: nothing may be written over meanwhile.
    if (position % (100 * KB) === 0) await new Promise((resolve) => setTimeout(resolve));
    for (const byte of chunk) assert.equal(byte, position++ % 251);
  }
  assert.equal(position, 1000 * KB);
});

Deno.test("ReadAhead: what waits is bounded, and goes on when there is room", async () => {
  const { stream, state } = counting(1000 * KB, 10 * KB);
  const ahead = new ReadAhead(stream, 128 * KB);
  let given = 0;
  await settled();
  for await (const chunk of ahead) {
    await settled();
    const held = state.taken - given - chunk.length;
    assert.ok(held <= 192 * KB, `${held} bytes wait`);
    assert.ok(state.taken === 1000 * KB || (ahead.isFull && held > 100 * KB), `${held} bytes wait`);
    given += chunk.length;
  }
  assert.equal(given, 1000 * KB);
});

Deno.test("ReadAhead: what comes in small pieces takes no more memory than in large ones", async () => {
  const ahead = new ReadAhead(counting(100 * KB, 100).stream, 128 * KB);
  for (let turn = 0; turn < 20; turn++) await settled();
  const chunks = [];
  for await (const chunk of ahead) chunks.push(chunk.length);
  assert.equal(chunks.length, 2, chunks.join());
});

Deno.test("ReadAhead: reports the first byte, and the first time that the writer has to wait", async () => {
  for (
    const [totalBytes, maxBytes, told] of [
      [0, KB, []],
      [KB, 64 * KB, ["begun"]],
      [1000 * KB, 64 * KB, ["begun", "full"]],
    ] as const
  ) {
    const ahead = new ReadAhead(counting(totalBytes, 10 * KB).stream, maxBytes);
    const heard: string[] = [];
    ahead.begun.then(() => heard.push("begun"));
    ahead.full.then(() => heard.push("full"));
    await settled();
    assert.deepEqual(heard, told);
  }
});

Deno.test("ReadAhead: what the source fails with comes after what it gave", async () => {
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
