import assert from "node:assert/strict";
import { AbandonmentTimer } from "../../../daemon/recordings/abandonment_timer.ts";

const MILLISECONDS = 20;

/** Resolves when nothing can be under way any more that was to happen after `MILLISECONDS`. */
function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5 * MILLISECONDS));
}

function create(): { timer: AbandonmentTimer; gaveUp: Promise<void>; count: () => number } {
  const { promise: gaveUp, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const timer = new AbandonmentTimer(() => {
    count++;
    resolve();
  }, MILLISECONDS);
  return { timer, gaveUp, count: () => count };
}

Deno.test("AbandonmentTimer: gives up when the caller is lost and nobody reads", async () => {
  const { timer, gaveUp, count } = create();
  const ended = timer.read();
  ended();
  await later();
  assert.equal(count(), 0, "the caller is there");
  timer.lost();
  await gaveUp;
  await later();
  assert.equal(count(), 1);
});

Deno.test("AbandonmentTimer: gives nothing up as long as one of several reads", async () => {
  const { timer, gaveUp, count } = create();
  const ends = [timer.read(), timer.read()];
  timer.lost();
  ends[0]();
  await later();
  assert.equal(count(), 0);
  ends[1]();
  await gaveUp;
});

Deno.test("AbandonmentTimer: one that comes back in time ends the wait", async () => {
  const { timer, gaveUp, count } = create();
  timer.lost();
  const ended = timer.read();
  await later();
  assert.equal(count(), 0);
  ended();
  await gaveUp;
});

Deno.test("AbandonmentTimer: gives nothing up after its end", async () => {
  const { timer, count } = create();
  timer.lost();
  timer.end();
  timer.read()();
  await later();
  assert.equal(count(), 0);
});
