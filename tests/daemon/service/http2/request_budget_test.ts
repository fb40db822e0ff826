import assert from "node:assert/strict";
import { RequestBudget } from "../../../../daemon/service/http2/request_budget.ts";

function openAccounts(maxBytes: number, count: number) {
  const budget = new RequestBudget(maxBytes);
  const evicted: number[] = [];
  const held = new Set<number>();
  const accounts = Array.from(
    { length: count },
    (_, index) =>
      budget.open({ isHeld: () => held.has(index), evict: () => void evicted.push(index) }),
  );
  return { budget, accounts, evicted, held };
}

Deno.test("RequestBudget: the connection that takes most has to end when it is too much", () => {
  const { budget, accounts, evicted } = openAccounts(100, 3);
  accounts[0].add(20);
  accounts[1].add(50);
  accounts[2].add(30);
  assert.deepEqual(evicted, []);
  accounts[0].add(1);
  assert.deepEqual(evicted, [1]);
  assert.equal(budget.sizeBytes, 51);
  // What an ended connection still says counts no more.
  accounts[1].add(1000);
  accounts[1].close();
  assert.equal(budget.sizeBytes, 51);
});

Deno.test("RequestBudget: what is given back may be taken again", () => {
  const { budget, accounts, evicted } = openAccounts(100, 2);
  for (let round = 0; round < 10; round++) {
    accounts[0].add(90);
    accounts[0].add(-90);
  }
  accounts[0].add(90);
  accounts[0].close();
  accounts[1].add(90);
  assert.equal(budget.sizeBytes, 90);
  assert.deepEqual(evicted, []);
});

Deno.test("RequestBudget: whose caller is known may take four times as much", () => {
  const { accounts, evicted, held } = openAccounts(100, 3);
  held.add(0);
  accounts[0].add(70);
  accounts[1].add(20);
  accounts[2].add(20);
  assert.deepEqual(evicted, [1]);
  held.delete(0);
  accounts[2].add(20);
  assert.deepEqual(evicted, [1, 0]);
});
