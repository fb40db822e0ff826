import assert from "node:assert/strict";
import { ByteBudget } from "../../../daemon/recordings/byte_budget.ts";

const NEVER = new AbortController().signal;

Deno.test("ByteBudget: it saves two seconds' bytes, and no more", () => {
  const clock = { now: 5000 };
  const budget = new ByteBudget(1000, () => clock.now);
  clock.now += 60_000;
  budget.take(2000);
  assert.equal(budget.isOverdrawn, false);
  clock.now += 100;
  budget.take(101);
  assert.equal(budget.isOverdrawn, true);
  clock.now += 1;
  assert.equal(budget.isOverdrawn, false);
});

Deno.test("ByteBudget: as much a second as there is never overdraws it", () => {
  const clock = { now: 0 };
  const budget = new ByteBudget(1000, () => clock.now);
  for (; clock.now < 60_000; clock.now += 100) {
    budget.take(100);
    assert.equal(budget.isOverdrawn, false);
  }
});

Deno.test("ByteBudget: it is full again when all that was taken has come back", async () => {
  const clock = { now: 0 };
  const budget = new ByteBudget(100_000, () => clock.now);
  budget.take(201_000);
  let isFull = false;
  const full = budget.full(NEVER).then(() => isFull = true);
  // What is told late has to come back, too.
  budget.take(4000);
  clock.now += 2049;
  await new Promise((resolve) => setTimeout(resolve, 2020));
  assert.equal(isFull, false);
  clock.now += 1;
  await full;
  budget.take(200_000);
  assert.equal(budget.isOverdrawn, false);
});

Deno.test("ByteBudget: who gives up waits no longer", async () => {
  const budget = new ByteBudget(1000);
  budget.take(1_000_000);
  const given = new AbortController();
  const full = budget.full(given.signal);
  given.abort();
  await full;
});
