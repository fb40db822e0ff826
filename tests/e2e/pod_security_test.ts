/** What Pod Security admission makes of the daemons and of a tenant's pods. */
import assert from "node:assert/strict";
import { assertBusy, clientPod, onlyResult, runClient, runInPod } from "../testing/client.ts";
import {
  createNamespace,
  deleteNamespaces,
  get,
  kubectl,
  type KubernetesObject,
  readMinorVersion,
  runKubectl,
} from "../testing/cluster.ts";
import { DAEMON_NAMESPACE, deployDaemons, removeDaemons } from "../testing/deployment.ts";
import { applyKustomization } from "../testing/kustomize.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

/** It is on by default then. */
const ignore = await readMinorVersion() < 23;
const SINCE = "Kubernetes 1.23";

let tenant: Tenant;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  await deployDaemons("cgroup");
  tenant = await createTenant();
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** Labels a namespace with a profile that is enforced, or only warned about. */
async function label(namespace: string, mode: "enforce" | "warn", profile: string): Promise<void> {
  const pair = `pod-security.kubernetes.io/${mode}=${profile}`;
  await kubectl(["label", "--overwrite", "namespace", namespace, pair]);
}

/** What the API server says of the daemons' pods in a namespace with a label. */
async function tryDaemonPod(mode: "enforce" | "warn", profile: string) {
  const namespace = await createNamespace("security");
  try {
    await label(namespace, mode, profile);
    const { spec } = await get("daemonset", "necoperf-daemon", DAEMON_NAMESPACE.cgroup);
    const { serviceAccount: _, serviceAccountName: __, ...podSpec } = spec.template.spec;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "daemon", namespace },
      spec: podSpec,
    };
    // Made a moment after its namespace.
    await eventually(() => get("serviceaccount", "default", namespace));
    return await runKubectl(["create", "--dry-run=server", "--filename=-"], {
      input: JSON.stringify(pod),
    });
  } finally {
    await deleteNamespaces(namespace);
  }
}

Deno.test({
  name: `Pod Security: less than the profile privileged refuses the daemons (${SINCE})`,
  ignore,
  fn: async () => {
    const refused = await tryDaemonPod("enforce", "baseline");
    assert.equal(refused.success, false);
    const admitted = await tryDaemonPod("enforce", "privileged");
    assert.deepEqual([admitted.success, admitted.stderr], [true, ""]);
  },
});

Deno.test({
  name: `Pod Security: the labels of deploy/base leave nothing to warn about (${SINCE})`,
  ignore,
  fn: async () => {
    const warned = await tryDaemonPod("warn", "baseline");
    assert.equal(warned.success, true);
    assert.notEqual(warned.stderr, "", "the API server warns of nothing");
    // Fails on any warning.
    await applyKustomization("tests/e2e/deploy/cgroup", "--dry-run=server");
    const { metadata } = await get("namespace", DAEMON_NAMESPACE.cgroup, "");
    for (const mode of ["enforce", "audit", "warn"]) {
      assert.equal(metadata.labels?.[`pod-security.kubernetes.io/${mode}`], "privileged");
    }
  },
});

Deno.test({
  name: `Pod Security: a tenant whose namespace enforces restricted profiles (${SINCE})`,
  ignore,
  fn: async () => {
    const { namespace } = tenant;
    await label(namespace, "enforce", "restricted");
    const restricted = (pod: KubernetesObject) => {
      pod.spec.securityContext.seccompProfile = { type: "RuntimeDefault" };
      return pod;
    };
    await startPods(
      tenant,
      restricted(targetPod(namespace, "target", { spin: TARGET.spin })),
      restricted(clientPod(tenant, "client")),
    );
    assertBusy(onlyResult(await runClient(tenant, ["target", "-d", "1s"])));
    const args = ["-n", namespace, "target", "-d", "1s", "-o", "-"];
    // The network knows a new pod a moment later.
    const run = await eventually(async () => {
      const run = await runInPod(tenant, "client", ["necoperf-client", ...args]);
      assert.equal(run.status, 0, run.stderr);
      return run;
    }, 60);
    assertBusy(run.stdout);
  },
});
