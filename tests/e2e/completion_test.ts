/** What command lines are completed with from a real cluster, as a tenant. */
import assert from "node:assert/strict";
import { COMMON_EVENTS } from "../../proto/common_events.ts";
import { runCommand } from "../testing/client.ts";
import { readyNodes, waitForField } from "../testing/cluster.ts";
import { deployDaemons, removeDaemons, startOddDaemon } from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

let tenant: Tenant;
let nodes: string[];

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  nodes = await readyNodes();
  tenant = await createTenant();
  const containers = { app: TARGET.spin, sidecar: TARGET.idle };
  await startPods(
    tenant,
    targetPod(tenant.namespace, "web-0", containers, { nodeName: nodes[0] }),
    targetPod(tenant.namespace, "web-1", containers, { nodeName: nodes[1] }),
  );
});

Deno.test.afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** Completes the last of the words: the values. */
async function complete(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await runCommand(tenant.kubeconfig, ["__complete", ...words]);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines.pop()!, /^:\d+$/);
  return lines.map((line) => line.split("\t")[0]);
}

/**
 * Asserts what the last of the words is completed with, in any order. Nobody waits for candidates:
 * a cluster that takes longer to answer, on a machine with much else to do, is not waited for.
 */
async function assertCompleted(words: string[], expected: readonly string[]): Promise<void> {
  await eventually(
    async () => assert.deepEqual((await complete(...words)).sort(), expected.toSorted()),
    60,
  );
}

Deno.test("completion: pods, their containers, nodes, namespaces and contexts are the cluster's", async () => {
  await assertCompleted(["web"], ["web-0", "web-1"]);
  await assertCompleted(["-n", tenant.namespace, "pod/web-"], ["pod/web-0", "pod/web-1"]);
  await assertCompleted(["web-0", "-c", ""], ["app", "sidecar"]);
  await assertCompleted(["fetch", "--node", ""], nodes);
  // This tenant may not list namespaces; its own is known.
  await assertCompleted(["-n", "tenant-"], [tenant.namespace]);
  await assertCompleted(["--context", ""], ["tenant"]);
});

Deno.test("completion: events are those that the daemon of the pod's node allows", async () => {
  await using odd = await startOddDaemon(nodes[0], tenant, (container) => {
    container.args.push("--allowed-events=cpu-clock,minor-faults");
  });
  const ready = ".status.containerStatuses[0].ready";
  await waitForField(odd.namespace, "daemon", ready, "true");
  const access = ["--token-file", tenant.tokenFile, "--necoperf-namespace", odd.namespace];
  await assertCompleted([...access, "web-0", "-e", ""], ["cpu-clock", "minor-faults"]);
  await assertCompleted([...access, "web-0", "-e", "cpu-clock,m"], ["cpu-clock,minor-faults"]);
  // On that node is none.
  assert.deepEqual(await complete(...access, "web-1", "-e", ""), [...COMMON_EVENTS]);
});
