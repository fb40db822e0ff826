/** A daemon on a node whose processors others take: that is when people profile. */
import assert from "node:assert/strict";
import { assertBusy, onlyResult, runClient } from "../testing/client.ts";
import { get, readyNodes } from "../testing/cluster.ts";
import { deployDaemons, removeDaemons, startOddDaemon } from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

let tenant: Tenant;
let node: string;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  [node] = await readyNodes();
  tenant = await createTenant();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "target", { spin: TARGET.spin }, { nodeName: node }),
  );
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

Deno.test("starvation: a starved daemon starts, records and is not restarted", async () => {
  await using daemon = await startOddDaemon(node, tenant, (container) => {
    // What its share comes to beside some thirty busy processes on a processor.
    container.resources = { requests: { cpu: "10m" }, limits: { cpu: "30m", memory: "1Gi" } };
  });
  const restarts = async () => {
    const { status } = await get("pod", "daemon", daemon.namespace);
    const [{ restartCount, ready }] = status.containerStatuses;
    return { restartCount, ready };
  };
  await eventually(
    async () => assert.deepEqual(await restarts(), { restartCount: 0, ready: true }),
    300,
  );
  const run = await runClient(
    tenant,
    ["target", "-d", "20s", "--necoperf-namespace", daemon.namespace],
    { deadlineSeconds: 400 },
  );
  assertBusy(onlyResult(run));
  assert.doesNotMatch(run.stderr, /recording again/);
  assert.deepEqual(await restarts(), { restartCount: 0, ready: true });
});
