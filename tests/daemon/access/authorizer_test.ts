import assert from "node:assert/strict";
import { createAuthorizer } from "../../../daemon/access/authorizer.ts";
import type { Caller } from "../../../daemon/caller.ts";
import type { AccessQuestion } from "../../../daemon/access/kubernetes_api.ts";

const ALICE: Caller = { user: "alice", uid: "1", groups: ["g"], extra: {} };
const QUESTION: AccessQuestion = { resource: "profiles", namespace: "a", name: "pod" };

function create(allowed: boolean) {
  let now = 0;
  const asked: [Caller, AccessQuestion][] = [];
  const authorizer = createAuthorizer({
    reviewAccess(...question) {
      asked.push(question);
      return Promise.resolve(allowed);
    },
  }, { now: () => now, maxCached: 10 });
  return { asked, authorizer, pass: (seconds: number) => now += seconds * 1000 };
}

Deno.test("createAuthorizer: yes stands for ten seconds, no for two", async () => {
  for (const [allowed, seconds] of [[true, 10], [false, 2]] as const) {
    const { asked, authorizer, pass } = create(allowed);
    assert.equal(await authorizer.allows(ALICE, QUESTION), allowed);
    pass(seconds - 0.1);
    assert.equal(await authorizer.allows(ALICE, QUESTION), allowed);
    assert.equal(asked.length, 1);
    pass(0.1);
    await authorizer.allows(ALICE, QUESTION);
    assert.equal(asked.length, 2);
  }
});

Deno.test("createAuthorizer: an answer is for one user with all that counts of them, and for one question", async () => {
  const { asked, authorizer } = create(true);
  const callers: Caller[] = [
    ALICE,
    { ...ALICE, user: "bob" },
    { ...ALICE, uid: "2" },
    { ...ALICE, groups: ["g", "h"] },
    { ...ALICE, groups: [] },
    { ...ALICE, extra: { scopes: ["x"] } },
  ];
  const questions: AccessQuestion[] = [
    { ...QUESTION, resource: "profiles/kernel" },
    { ...QUESTION, namespace: "b" },
    { ...QUESTION, namespace: "" },
    { ...QUESTION, name: "other" },
  ];
  for (const caller of callers) await authorizer.allows(caller, QUESTION);
  for (const question of questions) await authorizer.allows(ALICE, question);
  assert.equal(asked.length, callers.length + questions.length);
  assert.deepEqual(asked[0], [ALICE, QUESTION]);
});
