import assert from "node:assert/strict";
import {
  serviceAccountGroups,
  serviceAccountUser,
  toTokenRights,
} from "../../../../cli/client/cluster/service_accounts.ts";

const TOKENS = { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] };

function rightsOf(...resourceRules: Parameters<typeof toTokenRights>[0]["resourceRules"]) {
  return toTokenRights({ resourceRules, incomplete: false });
}

Deno.test("toTokenRights: a rule without names is for any account, others for those they name", () => {
  assert.deepEqual(rightsOf(), { any: false, names: [] });
  assert.deepEqual(rightsOf(TOKENS), { any: true, names: [] });
  const named = { ...TOKENS, resourceNames: ["a", "b"] };
  assert.deepEqual(rightsOf(named, { ...TOKENS, resourceNames: ["c"] }), {
    any: false,
    names: ["a", "b", "c"],
  });
  assert.deepEqual(rightsOf(named, { ...TOKENS, resourceNames: [] }).any, true);
});

Deno.test("toTokenRights: knows the wildcards of RBAC, and what is another right", () => {
  for (
    const rule of [
      { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
      { ...TOKENS, resources: ["*/token"] },
      { ...TOKENS, resources: ["pods", "serviceaccounts/token"], verbs: ["get", "create"] },
    ]
  ) assert.equal(rightsOf(rule).any, true, JSON.stringify(rule));
  for (
    const rule of [
      { ...TOKENS, verbs: ["get"] },
      { ...TOKENS, apiGroups: ["apps"] },
      { ...TOKENS, resources: ["serviceaccounts"] },
      { ...TOKENS, resources: ["serviceaccounts/*"] },
      { verbs: ["create"] },
    ]
  ) assert.equal(rightsOf(rule).any, false, JSON.stringify(rule));
});

Deno.test("toTokenRights: takes a list that is not complete for one that may leave the right out", () => {
  assert.deepEqual(toTokenRights({ resourceRules: [], incomplete: true }), {
    any: true,
    names: [],
  });
});

Deno.test("serviceAccountGroups: are those of service accounts alone", () => {
  assert.deepEqual(serviceAccountGroups(serviceAccountUser("shop", "profiler")), [
    "system:serviceaccounts",
    "system:serviceaccounts:shop",
    "system:authenticated",
  ]);
  for (const user of ["alice", "system:serviceaccount:shop", "x:system:serviceaccount:shop:a"]) {
    assert.equal(serviceAccountGroups(user), undefined, user);
  }
});
