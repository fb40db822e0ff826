import assert from "node:assert/strict";
import {
  formatCpuQuantity,
  parseCpuQuantity,
} from "../../../../cli/client/cluster/cpu_quantity.ts";

// The forms of k8s.io/apimachinery/pkg/api/resource, Quantity.
const QUANTITIES: [text: string | undefined, cpus: number | undefined][] = [
  ["200m", 0.2],
  ["0.5", 0.5],
  [".5", 0.5],
  ["2", 2],
  ["2.", 2],
  ["+2", 2],
  ["1500m", 1.5],
  ["1e-1", 0.1],
  ["5E2", 500],
  ["1k", 1000],
  ["250u", 0.00025],
  ["1000000n", 0.001],
  [undefined, undefined],
  ["", undefined],
  ["m", undefined],
  ["-1", undefined],
  ["1 ", undefined],
  ["1x", undefined],
  ["1e", undefined],
  ["1.2.3", undefined],
];

for (const [text, cpus] of QUANTITIES) {
  Deno.test(`parseCpuQuantity: ${JSON.stringify(text)} are ${cpus} CPUs`, () => {
    const parsed = parseCpuQuantity(text);
    if (cpus === undefined) assert.equal(parsed, undefined);
    else assert.ok(Math.abs(parsed! - cpus) < 1e-12);
  });
}

Deno.test("formatCpuQuantity: writes what Kubernetes writes", () => {
  assert.deepEqual([0.2, 1, 1.5, 12, 0].map(formatCpuQuantity), ["200m", "1", "1500m", "12", "0"]);
});
