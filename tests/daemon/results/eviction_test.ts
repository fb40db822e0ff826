import assert from "node:assert/strict";
import { pickEviction } from "../../../daemon/results/eviction.ts";

const ALICE = { user: "alice", uid: "1" };
const BOB = { user: "bob", uid: "2" };
const CAROL = { user: "carol", uid: "3" };

function holding(owner: typeof ALICE, sizeBytes: number, expiresAt?: number) {
  return { owner, sizeBytes, expiresAt };
}

Deno.test("pickEviction: the oldest result of the owner that holds most goes", () => {
  const oldest = holding(BOB, 30, 5);
  const all = [holding(ALICE, 50, 1), holding(BOB, 30, 9), oldest];
  assert.equal(pickEviction(all, { owner: CAROL, bytes: 10 }), oldest);
});

Deno.test("pickEviction: who asks gives way before others who hold no more", () => {
  const own = holding(ALICE, 40, 9);
  const all = [holding(BOB, 50, 1), own];
  assert.equal(pickEviction(all, { owner: ALICE, bytes: 10 }), own);
  assert.equal(pickEviction([all[0]], { owner: ALICE, bytes: 50 }), undefined);
  assert.equal(pickEviction([all[0]], { owner: ALICE, bytes: 49 }), all[0]);
});

Deno.test("pickEviction: what is still written counts, but does not go", () => {
  const whole = holding(ALICE, 10, 1);
  const all = [holding(ALICE, 90), whole, holding(BOB, 50, 0)];
  assert.equal(pickEviction(all, { owner: CAROL, bytes: 1 }), whole);
  assert.equal(pickEviction([all[0]], { owner: CAROL, bytes: 1 }), undefined);
});

Deno.test("pickEviction: users of one name that are not the same hold their own", () => {
  const reborn = { user: "alice", uid: "4" };
  const all = [holding(ALICE, 60, 1), holding(reborn, 50, 0), holding(BOB, 70, 2)];
  assert.equal(pickEviction(all, { owner: CAROL, bytes: 1 }), all[2]);
});
