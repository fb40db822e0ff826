import assert from "node:assert/strict";
import { formatLabelSelector } from "../../../../cli/client/cluster/label_selector.ts";

// The expected texts are what `labels.Selector.String` of k8s.io/apimachinery gives, by its source;
// tests/e2e/workloads_test.ts compares with the queries of a real kubectl.

Deno.test("formatLabelSelector: each operator, in the order of the keys", () => {
  assert.equal(
    formatLabelSelector({
      matchLabels: { tier: "web", app: "shop" },
      matchExpressions: [
        { key: "zone", operator: "In", values: ["b", "a"] },
        { key: "canary", operator: "DoesNotExist" },
        { key: "track", operator: "NotIn", values: ["beta", "alpha"] },
        { key: "example.com/owner", operator: "Exists" },
      ],
    }),
    "app=shop,!canary,example.com/owner,tier=web,track notin (alpha,beta),zone in (a,b)",
  );
});

Deno.test("formatLabelSelector: one value, and an empty one", () => {
  const matchExpressions = [{ key: "a", operator: "In", values: ["x"] }];
  assert.equal(formatLabelSelector({ matchLabels: { a: "" }, matchExpressions }), "a=,a in (x)");
});

Deno.test("formatLabelSelector: no requirement selects everything", () => {
  assert.equal(formatLabelSelector({}), "");
  assert.equal(formatLabelSelector({ matchLabels: {}, matchExpressions: [] }), "");
});

Deno.test("formatLabelSelector: refuses an operator that Kubernetes does not have", () => {
  const matchExpressions = [{ key: "a", operator: "Gt", values: ["1"] }];
  assert.throws(() => formatLabelSelector({ matchExpressions }), RangeError);
});
