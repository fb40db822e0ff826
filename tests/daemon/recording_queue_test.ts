import assert from "node:assert/strict";
import { RecordingQueue } from "../../daemon/recording_queue.ts";

const NEVER = new AbortController().signal;

/** Waits until everything that can go on without an event has gone on. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("as many run as there are places, the others in the order they came", async () => {
  const queue = new RecordingQueue({ maxConcurrent: 2, maxWaiting: 9 });
  const admitted: string[] = [];
  const enter = (name: string) =>
    queue.enter(NEVER, () => {}).then((leave) => {
      admitted.push(name);
      return leave;
    });
  const [a, b, c, d] = ["a", "b", "c", "d"].map(enter);
  await settled();
  assert.deepEqual(admitted, ["a", "b"]);
  assert.deepEqual([queue.running, queue.waiting], [2, 2]);

  (await b)();
  await settled();
  assert.deepEqual(admitted, ["a", "b", "c"]);
  (await a)();
  (await c)();
  (await d)();
  assert.deepEqual(admitted, ["a", "b", "c", "d"]);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("a place that is given back twice is one place", async () => {
  const queue = new RecordingQueue({ maxConcurrent: 1, maxWaiting: 9 });
  const leave = await queue.enter(NEVER, () => {});
  leave();
  leave();
  await queue.enter(NEVER, () => {});
  assert.equal(queue.running, 1);
});

Deno.test("those who wait hear how many go first", async () => {
  const queue = new RecordingQueue({ maxConcurrent: 1, maxWaiting: 9 });
  const heard: number[] = [];
  const leave = await queue.enter(NEVER, () => assert.fail("there was a place"));
  const second = queue.enter(NEVER, () => {});
  const third = queue.enter(NEVER, (ahead) => heard.push(ahead));
  await settled();
  assert.deepEqual(heard, [1]);
  leave();
  await settled();
  assert.deepEqual(heard, [1, 0]);
  (await second)();
  await third;
});

Deno.test("one who gives up is no longer waited for", async () => {
  const queue = new RecordingQueue({ maxConcurrent: 1, maxWaiting: 9 });
  const heard: number[] = [];
  const leave = await queue.enter(NEVER, () => {});
  const gaveUp = new AbortController();
  const second = queue.enter(gaveUp.signal, () => {});
  const third = queue.enter(NEVER, (ahead) => heard.push(ahead));
  gaveUp.abort();
  await assert.rejects(second, { status: "CANCELLED" });
  assert.deepEqual(heard, [1, 0]);
  assert.equal(queue.waiting, 1);
  leave();
  (await third)();
  await assert.rejects(queue.enter(AbortSignal.abort(), () => {}), { status: "CANCELLED" });
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("beyond the queue's length one is sent away", async () => {
  const queue = new RecordingQueue({ maxConcurrent: 1, maxWaiting: 1 });
  const leave = await queue.enter(NEVER, () => {});
  const waiting = queue.enter(NEVER, () => {});
  await assert.rejects(queue.enter(NEVER, () => {}), { status: "RESOURCE_EXHAUSTED" });
  leave();
  (await waiting)();
});
