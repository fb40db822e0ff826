import assert from "node:assert/strict";
import { ErrorGroup } from "../../../daemon/recordings/error_group.ts";

Deno.test("ErrorGroup: the first failure is the one that is kept", async () => {
  const group = new ErrorGroup();
  assert.equal(await group.run(Promise.resolve(1)), 1);
  assert.equal(group.signal.aborted, false);
  const [first, second] = [new Error("first"), new Error("second")];
  await assert.rejects(group.run(Promise.reject(first)), first);
  await assert.rejects(group.run(Promise.reject(second)), second);
  assert.equal(group.signal.reason, first);
});

Deno.test("ErrorGroup: when a chunk cannot be handed on, the source is read to its end all the same", async () => {
  const group = new ErrorGroup();
  let read = 0;
  async function* source() {
    for (; read < 5; read++) yield new Uint8Array([read]);
  }
  const handedOn: number[] = [];
  const failure = new Error("no space");
  await assert.rejects(
    group.readThrough(source(), ([byte]) => {
      handedOn.push(byte);
      return byte === 1 ? Promise.reject(failure) : Promise.resolve();
    }),
    failure,
  );
  assert.deepEqual(handedOn, [0, 1]);
  assert.equal(read, 5);
});

Deno.test("ErrorGroup: what is read after another part has failed is dropped", async () => {
  const group = new ErrorGroup();
  const failure = new Error("perf script went away");
  group.fail(failure);
  let handedOn = 0;
  async function* source() {
    yield new Uint8Array(1);
  }
  const reading = group.readThrough(source(), () => {
    handedOn++;
    return Promise.resolve();
  });
  await assert.rejects(reading, failure);
  assert.equal(handedOn, 0);
});
