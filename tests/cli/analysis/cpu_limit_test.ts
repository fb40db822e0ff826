import assert from "node:assert/strict";
import { type CpuLimit, findCpuLimit } from "../../../cli/analysis/cpu_limit.ts";
import type { CpuBandwidth, CpuCounters } from "../../../proto/cpu_counters.ts";
import { documentedJson, fieldsOf } from "../../testing/documented_json.ts";
import { SUMMARY } from "../summary.ts";

/** What a limit of 200m counted in 10 s. */
function limited(more: Partial<CpuBandwidth> = {}): CpuBandwidth {
  return {
    quotaSeconds: 0.02,
    periodSeconds: 0.1,
    periods: 100,
    throttledPeriods: 0,
    throttledSeconds: 0,
    ...more,
  };
}

const NO_LIMIT = limited({ quotaSeconds: undefined, periods: 0 });
const SPINNING = limited({ throttledPeriods: 100, throttledSeconds: 8 });

function find(cpu: Partial<CpuCounters>, resources = {}, cpuUnknown?: string): CpuLimit {
  const summary = { ...SUMMARY, cpu: { elapsedSeconds: 10, ...cpu }, cpuUnknown };
  return findCpuLimit(summary, resources)!;
}

Deno.test("findCpuLimit: a container that wants a processor and may have a fifth of it", () => {
  const cpu = { bandwidth: SPINNING, usedSeconds: 2, pressureSeconds: 8 };
  assert.deepEqual(find(cpu, { limitCpus: 0.2, requestCpus: 0.01 }), {
    heldBackBy: "limit",
    limitCpus: 0.2,
    requestCpus: 0.01,
    usedCpus: 0.2,
    elapsedSeconds: 10,
    periods: 100,
    throttledPeriods: 100,
    throttledSeconds: 8,
    waitedSeconds: 8,
    enoughCpus: 1,
  });
});

for (
  const [what, bandwidth, enoughCpus] of [
    // 8 threads on 8 processors use 200 ms up in 25 ms and are stopped on each for 75.
    [
      "all processors",
      { quotaSeconds: 0.2, throttledPeriods: 100, throttledSeconds: 0.075 * 8 * 100 },
      8,
    ],
    // It works in half of the periods, in which it lacks 10 ms.
    ["a little more at times", { throttledPeriods: 50, throttledSeconds: 0.5 }, 0.3],
    ["rounded up", { throttledPeriods: 50, throttledSeconds: 5.07 }, 1.3],
    ["rounded up below 1", { throttledPeriods: 50, throttledSeconds: 3.676 }, 0.94],
    ["hardly more", { throttledPeriods: 50, throttledSeconds: 0 }, 0.2],
  ] as const
) {
  Deno.test(`findCpuLimit: estimates what would have been enough: ${what}`, () => {
    assert.equal(find({ bandwidth: limited(bandwidth) }).enoughCpus, enoughCpus);
  });
}

Deno.test("findCpuLimit: an idle container is not held back by its limit", () => {
  const idle = find({ bandwidth: limited({ periods: 12 }), pressureSeconds: 0.001 });
  assert.equal(idle.heldBackBy, "nothing");
  assert.equal(idle.limitCpus, 0.2);
  assert.equal(idle.enoughCpus, undefined);
});

Deno.test("findCpuLimit: a limit that is used up now and then holds nobody back", () => {
  const rare = limited({ throttledPeriods: 4, throttledSeconds: 0.1 });
  assert.equal(find({ bandwidth: rare, pressureSeconds: 0.1 }).heldBackBy, "nothing");
  const often = limited({ throttledPeriods: 5, throttledSeconds: 0.1 });
  assert.equal(find({ bandwidth: often, pressureSeconds: 0.1 }).heldBackBy, "limit");
  const few = limited({ periods: 4, throttledPeriods: 2, throttledSeconds: 0.1 });
  assert.equal(find({ bandwidth: few, pressureSeconds: 0.1 }).heldBackBy, "nothing");
});

Deno.test("findCpuLimit: a busy node is not the limit's fault", () => {
  assert.equal(find({ bandwidth: NO_LIMIT, pressureSeconds: 6 }).heldBackBy, "node");
  const limitNotReached = find({ bandwidth: limited(), pressureSeconds: 6 });
  assert.equal(limitNotReached.heldBackBy, "node");
  assert.equal(limitNotReached.throttledPeriods, 0);
  assert.equal(find({ bandwidth: NO_LIMIT, pressureSeconds: 0.9 }).heldBackBy, "nothing");
});

Deno.test("findCpuLimit: what the limit stopped is not what the node did", () => {
  // All of the time that it waited, it was stopped.
  const rare = limited({ throttledPeriods: 4, periods: 300, throttledSeconds: 0.3 });
  assert.equal(find({ bandwidth: rare, pressureSeconds: 1.25 }).heldBackBy, "nothing");
  // On 8 processors at a time, for 100 ms each.
  const wide = limited({ throttledPeriods: 3, periods: 300, throttledSeconds: 2.4 });
  assert.equal(find({ bandwidth: wide, pressureSeconds: 2.4 }).heldBackBy, "node");
});

Deno.test("findCpuLimit: of a limit and a busy node, it is what made it wait longer", () => {
  const bandwidth = limited({ throttledPeriods: 10, throttledSeconds: 0.4 });
  const mostlyNode = find({ bandwidth, pressureSeconds: 8 });
  assert.deepEqual([mostlyNode.heldBackBy, mostlyNode.enoughCpus], ["node", undefined]);
  const both = limited({ throttledPeriods: 60, throttledSeconds: 5 });
  assert.equal(find({ bandwidth: both, pressureSeconds: 9.5 }).heldBackBy, "limit");
  // Less than a tenth of the time is not worth a word.
  assert.equal(find({ bandwidth, pressureSeconds: 1.3 }).heldBackBy, "limit");
});

Deno.test("findCpuLimit: a container without a limit has none to tell of", () => {
  const { heldBackBy, limitCpus, periods } = find({ bandwidth: NO_LIMIT, pressureSeconds: 0 });
  assert.deepEqual([heldBackBy, limitCpus, periods], ["nothing", undefined, undefined]);
});

Deno.test("findCpuLimit: the limit of the pod, where the container has none or uses less of its own", () => {
  const podBandwidth = limited({
    quotaSeconds: 0.05,
    throttledPeriods: 90,
    throttledSeconds: 4.5,
  });
  for (const bandwidth of [NO_LIMIT, limited()]) {
    const found = find({ bandwidth, podBandwidth, pressureSeconds: 5 });
    assert.equal(found.heldBackBy, "pod limit");
    assert.deepEqual([found.limitCpus, found.isOfPod, found.enoughCpus], [0.5, true, 1]);
  }
  const own = find({ bandwidth: SPINNING, podBandwidth, pressureSeconds: 8 });
  assert.deepEqual([own.heldBackBy, own.limitCpus, own.isOfPod], ["limit", 0.2, undefined]);
  // As Kubernetes sets it for a pod: the sum of its containers' limits.
  const unused = find({ bandwidth: limited(), podBandwidth: limited({ quotaSeconds: 0.04 }) });
  assert.deepEqual([unused.limitCpus, unused.isOfPod], [0.2, undefined]);
});

Deno.test("findCpuLimit: counters that cannot be read are told, with the limit of the cluster", () => {
  const summary = { ...SUMMARY, cpuUnknown: "nothing is mounted" };
  assert.deepEqual(findCpuLimit(summary, { limitCpus: 0.2 }), {
    heldBackBy: "unknown",
    limitCpus: 0.2,
    unknown: "nothing is mounted",
  });
  assert.deepEqual(findCpuLimit(summary), {
    heldBackBy: "unknown",
    unknown: "nothing is mounted",
  });
  assert.deepEqual(findCpuLimit(summary, { podLimitCpus: 2 }), {
    heldBackBy: "unknown",
    limitCpus: 2,
    isOfPod: true,
    unknown: "nothing is mounted",
  });
});

Deno.test("findCpuLimit: of a daemon that says nothing there is something to tell only for a limit", () => {
  assert.equal(findCpuLimit(SUMMARY), undefined);
  assert.equal(findCpuLimit(SUMMARY, {}), undefined);
  assert.match(findCpuLimit(SUMMARY, { limitCpus: 1 })!.unknown!, /older than this client/);
});

Deno.test("findCpuLimit: without the kernel's limit, only the pressure decides", () => {
  const unknown = "the kernel has no CPU limit among what it counts";
  const waited = { pressureSeconds: 6 };
  assert.equal(find(waited, {}, unknown).heldBackBy, "node");
  const limit = find(waited, { limitCpus: 0.2 }, unknown);
  assert.deepEqual([limit.heldBackBy, limit.limitCpus, limit.unknown], ["unknown", 0.2, unknown]);
  const summary = { ...SUMMARY, cpu: { elapsedSeconds: 10, ...waited }, cpuUnknown: unknown };
  assert.equal(findCpuLimit(summary)!.heldBackBy, "unknown");
  // Nobody waited, be it for what it may.
  assert.equal(find({ pressureSeconds: 0.1 }, { limitCpus: 0.2 }, unknown).heldBackBy, "nothing");
});

Deno.test("findCpuLimit: without the pressure, a limit that was not used up says nothing of the node", () => {
  const found = find({ bandwidth: limited() });
  assert.equal(found.heldBackBy, "unknown");
  assert.match(found.unknown!, /does not say who waits for a processor/);
  assert.equal(find({ bandwidth: SPINNING }).heldBackBy, "limit");
});

Deno.test("findCpuLimit: has the fields that docs/reference/json.md has", () => {
  const cpu = {
    elapsedSeconds: 30,
    usedSeconds: 5.7,
    pressureSeconds: 9,
    podBandwidth: SPINNING,
    bandwidth: limited({ quotaSeconds: undefined }),
  };
  const resources = { requestCpus: 0.01 };
  const fields = [
    ...fieldsOf(find(cpu, resources)),
    ...fieldsOf(find({ pressureSeconds: 30 }, { limitCpus: 1 }, "it is not mounted")),
    ...fieldsOf(find({ bandwidth: limited(), delaySeconds: 1 })),
  ];
  const documented = fieldsOf(documentedJson("The CPU limit"));
  assert.deepEqual(
    [...new Set(fields)].sort(),
    [...documented, "isOfPod", "unknown", "delaySeconds"].sort(),
  );
});

Deno.test("findCpuLimit: without the pressure, threads' delays show that the node was busy", () => {
  const used = { bandwidth: limited(), usedSeconds: 1 };
  assert.equal(find({ ...used, delaySeconds: 6 }).heldBackBy, "node");
  assert.equal(find({ ...used, delaySeconds: 0.9 }).heldBackBy, "nothing");
  // 100 threads that wait for 20 ms each while they use 8 processors.
  const many = { bandwidth: NO_LIMIT, usedSeconds: 80, delaySeconds: 2 };
  assert.equal(find(many).heldBackBy, "nothing");
  assert.equal(find({ ...many, delaySeconds: 20 }).heldBackBy, "node");
});
