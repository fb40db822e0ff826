import assert from "node:assert/strict";
import { type QueuePlace, RecordingQueue } from "../../../daemon/recordings/recording_queue.ts";
import type { StatusError } from "../../../daemon/status_error.ts";

/** Waits until everything that can go on without an event has gone on. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A queue whose recordings are named: the first letter is the owner, the name the container. */
function queueOf(
  limits: { maxConcurrent?: number; maxWaiting?: number },
  now: () => number = () => 0,
) {
  const queue = new RecordingQueue({ maxConcurrent: 1, maxWaiting: 99, ...limits }, now);
  /** The names of those that were admitted, in order. */
  const admitted: string[] = [];
  const refused: [string, StatusError][] = [];
  const places: Record<string, QueuePlace[]> = {};
  const leaves = new Map<string, () => void>();
  const enter = (
    name: string,
    options: { signal?: AbortSignal; containerId?: string; durationSeconds?: number } = {},
  ) => {
    const { signal = new AbortController().signal, containerId = name, durationSeconds = 1 } =
      options;
    places[name] = [];
    queue.enter(
      { owner: name[0], containerId, durationSeconds },
      signal,
      (place) => places[name].push(place),
    ).then(
      (leave) => {
        admitted.push(name);
        leaves.set(name, leave);
      },
      (error) => refused.push([name, error]),
    );
    return settled();
  };
  const leave = (name: string) => {
    leaves.get(name)!();
    return settled();
  };
  const ahead = (name: string) => places[name].map(({ ahead }) => ahead);
  return { queue, admitted, refused, places, enter, leave, ahead };
}

Deno.test("RecordingQueue: as many run as there are places, the others in the order they came", async () => {
  const { queue, admitted, enter, leave } = queueOf({ maxConcurrent: 2 });
  for (const name of ["a", "b", "c", "d"]) await enter(name);
  assert.deepEqual(admitted, ["a", "b"]);
  assert.deepEqual([queue.running, queue.waiting], [2, 2]);
  await leave("b");
  assert.deepEqual(admitted, ["a", "b", "c"]);
  for (const name of ["a", "c", "d"]) await leave(name);
  assert.deepEqual(admitted, ["a", "b", "c", "d"]);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("RecordingQueue: a place that is given back twice is one place", async () => {
  const { queue, enter, leave } = queueOf({ maxConcurrent: 2 });
  for (const name of ["a", "b", "c", "d"]) await enter(name);
  await leave("a");
  await leave("a");
  assert.deepEqual([queue.running, queue.waiting], [2, 1]);
});

Deno.test("RecordingQueue: owners take turns, however much one of them asks for", async () => {
  const { admitted, enter, leave } = queueOf({});
  for (const name of ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]) await enter(name);
  for (const name of ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]) {
    assert.equal(admitted.at(-1), name);
    await leave(name);
  }
});

Deno.test("RecordingQueue: the last place is for those of whom nothing runs", async () => {
  const { admitted, enter, leave } = queueOf({ maxConcurrent: 3 });
  for (const name of ["a1", "a2", "a3", "a4"]) await enter(name);
  assert.deepEqual(admitted, ["a1", "a2"]);
  await enter("b1");
  assert.deepEqual(admitted, ["a1", "a2", "b1"]);
  await enter("b2");
  await enter("c1");
  await leave("a1");
  assert.deepEqual(admitted, ["a1", "a2", "b1", "c1"]);
  await leave("c1");
  assert.equal(admitted.length, 4, "both owners that wait have one that runs");
  await leave("b1");
  assert.deepEqual(admitted, ["a1", "a2", "b1", "c1", "b2"]);
});

Deno.test("RecordingQueue: those who wait hear how many go first, whenever that changes", async () => {
  const { places, ahead, enter, leave } = queueOf({});
  for (const name of ["a1", "a2", "a3", "b1"]) await enter(name);
  assert.deepEqual(places.a1, [], "there was a place");
  // b1 goes in front, as nothing of b runs.
  assert.deepEqual([ahead("a2"), ahead("a3"), ahead("b1")], [[0, 1], [1, 2], [0]]);
  await leave("a1");
  assert.deepEqual([ahead("a2"), ahead("a3")], [[0, 1, 0], [1, 2, 1]]);
  await leave("b1");
  assert.deepEqual([ahead("a2"), ahead("a3")], [[0, 1, 0], [1, 2, 1, 0]]);
});

Deno.test("RecordingQueue: one of a container that is being recorded waits and lets others pass", async () => {
  const { admitted, places, enter, leave } = queueOf({ maxConcurrent: 3 });
  await enter("a1", { containerId: "x" });
  await enter("b1", { containerId: "x" });
  await enter("c1");
  assert.deepEqual(admitted, ["a1", "c1"]);
  assert.deepEqual(places.b1, [{ ahead: 0, sameContainer: true }]);
  await enter("d1");
  await enter("e1");
  assert.deepEqual(admitted, ["a1", "c1", "d1"]);
  assert.deepEqual(places.e1, [{ ahead: 0, sameContainer: false }], "b1 has to wait for a1");
  await leave("c1");
  assert.deepEqual(admitted, ["a1", "c1", "d1", "e1"]);
  await leave("d1");
  await leave("a1");
  assert.deepEqual(admitted, ["a1", "c1", "d1", "e1", "b1"]);
});

Deno.test("RecordingQueue: a caller that gives up is no longer waited for", async () => {
  const { queue, admitted, refused, ahead, enter, leave } = queueOf({});
  const gaveUp = new AbortController();
  await enter("a");
  await enter("b", { signal: gaveUp.signal });
  await enter("c");
  gaveUp.abort();
  await settled();
  await enter("d", { signal: AbortSignal.abort() });
  assert.deepEqual(refused.map(([name, { status }]) => `${name} ${status}`), [
    "b CANCELLED",
    "d CANCELLED",
  ]);
  assert.deepEqual(ahead("c"), [1, 0]);
  assert.equal(queue.waiting, 1);
  await leave("a");
  await leave("c");
  assert.deepEqual(admitted, ["a", "c"]);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("RecordingQueue: when the queue is full one hears how full, and when to try again", async () => {
  let now = 0;
  const { refused, places, enter, leave } = queueOf({ maxConcurrent: 2, maxWaiting: 1 }, () => now);
  await enter("a", { durationSeconds: 60 });
  await enter("b", { durationSeconds: 30 });
  await enter("c");
  now = 10_000;
  await enter("d");
  const [name, error] = refused[0];
  assert.equal(name, "d");
  assert.equal(error.status, "RESOURCE_EXHAUSTED");
  assert.match(error.message, /: 2 run and 1 wait; try again in 20 s/);
  assert.equal(error.retryAfterSeconds, 20);
  assert.deepEqual(places.d, []);

  // What is over its time is being converted.
  now = 99_000;
  await enter("e");
  assert.equal(refused[1][1].retryAfterSeconds, 1);
  await leave("a");
  await enter("f");
  assert.equal(refused.length, 2, "there is room again");
});

Deno.test("RecordingQueue: when the queue is full, the caller with the most in it gives way to others", async () => {
  const { queue, refused, admitted, enter, leave } = queueOf({ maxWaiting: 3 });
  for (const name of ["a1", "a2", "a3", "a4", "a5"]) await enter(name);
  assert.deepEqual(refused.map(([name]) => name), ["a5"], "nobody else has more");
  await enter("b1");
  assert.deepEqual(refused.map(([name]) => name), ["a5", "a4"]);
  await enter("b2");
  assert.deepEqual(refused.map(([name]) => name), ["a5", "a4", "b2"], "as many as a");
  await enter("c1");
  assert.deepEqual(refused.map(([name]) => name), ["a5", "a4", "b2", "a3"]);
  assert.equal(queue.waiting, 3);
  for (const name of ["a1", "b1", "c1", "a2"]) await leave(name);
  assert.deepEqual(admitted, ["a1", "b1", "c1", "a2"]);
});
