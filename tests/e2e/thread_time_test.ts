/**
 * Threads' time (`--wall`, `--off-cpu`) of a container of the cluster, by the daemon as it is
 * deployed: under its own seccomp profile and with its own rights.
 */
import assert from "node:assert/strict";
import { isKernelAddress } from "../../cli/script/frame_kind.ts";
import type { Sample } from "../../cli/script/sample.ts";
import { onlyResult, runClient } from "../testing/client.ts";
import { apply, kubectl } from "../testing/cluster.ts";
import { deployDaemons, removeDaemons } from "../testing/deployment.ts";
import {
  createTenant,
  startPods,
  TARGET,
  targetPod,
  type Tenant,
  TENANT_ACCOUNT,
} from "../testing/tenant.ts";
import { assertWaits, samplesOf } from "../testing/thread_time.ts";

let tenant: Tenant;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  tenant = await createTenant();
  await startPods(tenant, podOf("target", TARGET.waits));
});

Deno.test.afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** A pod that runs what it wants to, and not what a limit lets it. */
function podOf(name: string, command: string[]) {
  const pod = targetPod(tenant.namespace, name, { waits: command });
  for (const container of pod.spec.containers) delete container.resources.limits.cpu;
  return pod;
}

const isInKernel = ({ frames }: Sample) => frames.some(({ address }) => isKernelAddress(address));

/** Reads what a pod's `waits` has printed. */
const logsOf = (pod: string) => () => kubectl(["logs", `--namespace=${tenant.namespace}`, pod]);

Deno.test("profile: --wall without profiles/kernel has the user's side of all of the time", async () => {
  const run = await runClient(tenant, ["target", "--wall", "-d", "8s"]);
  const text = onlyResult(run);
  const samples = await samplesOf(text);
  await assertWaits(samples, logsOf("target"));
  assert.deepEqual(samples.filter(isInKernel), []);
  assert.doesNotMatch(text, /\[kernel|\.ko\b/);
  assert.match(run.stderr, /running, .*blocked, .*waiting for a processor/);
});

Deno.test("profile: --wall with profiles/kernel also has where in the kernel threads wait", async () => {
  const metadata = { name: "profile-kernel", namespace: tenant.namespace };
  const apiVersion = "rbac.authorization.k8s.io/v1";
  await apply({
    ...{ apiVersion, kind: "Role", metadata },
    rules: [
      { apiGroups: ["necoperf.cybozu.io"], resources: ["profiles/kernel"], verbs: ["create"] },
    ],
  }, {
    ...{ apiVersion, kind: "RoleBinding", metadata },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
    subjects: [
      { kind: "ServiceAccount", name: TENANT_ACCOUNT, namespace: tenant.namespace },
    ],
  });
  const samples = await samplesOf(
    onlyResult(await runClient(tenant, ["target", "--wall", "-d", "8s"])),
  );
  await assertWaits(samples, logsOf("target"));
  const locked = samples.filter(({ event, frames }) =>
    event === "offcpu-time" && frames.some(({ symbol }) => symbol === "waits_lock")
  );
  assert.ok(locked.length > 0 && locked.every(isInKernel));
});

Deno.test("profile: --off-cpu has what blocked alone, and pods with merged results", async () => {
  const run = await runClient(tenant, ["target", "--off-cpu", "-d", "1s", "--format", "folded"]);
  const folded = onlyResult(run);
  assert.match(folded, /^locker;.*waits_lock.* \d{8,}$/m);
  assert.doesNotMatch(folded, /waits_spin/);
});

Deno.test("profile: --wall has the waits of threads beside others that switch too often", async () => {
  const [namespace, name] = [tenant.namespace, "chatty"];
  await startPods(tenant, podOf(name, [...TARGET.waits, "chatty"]));
  try {
    const run = await runClient(tenant, [name, "--wall", "-d", "15s"]);
    assert.match(run.stderr, /thinned: threads that switch often were watched for/);
    await assertWaits(await samplesOf(onlyResult(run)), logsOf(name), { isThinned: true });
  } finally {
    await kubectl(["delete", "pod", `--namespace=${namespace}`, name, "--wait=false"]);
  }
});
