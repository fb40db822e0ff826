/** Who can connect to the daemons under the policies of `deploy/`. */
import assert from "node:assert/strict";
import { assertBusy, clientPod, runInPod } from "../testing/client.ts";
import {
  apply,
  createNamespace,
  deleteNamespaces,
  kubectl,
  type KubernetesObject,
  readMinorVersion,
  readyNodes,
  waitUntilReady,
} from "../testing/cluster.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  MACHINE_POLICY,
  machinePolicy,
  removeDaemons,
} from "../testing/deployment.ts";
import { startPortForward } from "../testing/port_forward.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

const NAMESPACE = DAEMON_NAMESPACE.cgroup;
const PORTS = { grpc: 6543, metrics: 6541 };
/** Prometheus', by `deploy/base`. */
const MONITORING = "monitoring";

/** The oldest cluster of these tests has no network that enforces policies. */
const ignore = await readMinorVersion() <= 20;
const UNTIL = "where policies are enforced: not on Kubernetes 1.20";

let tenant: Tenant;
let stranger: string;
let nodes: string[];
let madeMonitoring = false;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  nodes = await readyNodes();
  await deployDaemons("cgroup");
  [tenant, stranger] = [await createTenant(), await createNamespace("stranger")];
  madeMonitoring = await createMonitoring();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "target", { spin: TARGET.spin }, { nodeName: nodes[0] }),
    clientPod(tenant, "client"),
  );
  for (const namespace of [tenant.namespace, stranger, MONITORING]) {
    await apply(...nodes.map((node) => caller(namespace, node)));
    await waitUntilReady(namespace, ...nodes.map(callerOn));
  }
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  if (stranger) await deleteNamespaces(stranger);
  if (madeMonitoring) await deleteNamespaces(MONITORING);
  await removeDaemons();
});

/** Makes the namespace of Prometheus, unless the cluster has one. */
async function createMonitoring(): Promise<boolean> {
  const there = await kubectl(["get", "namespace", MONITORING, "--ignore-not-found", "-o=name"]);
  if (there !== "") return false;
  await kubectl(["create", "namespace", MONITORING]);
  return true;
}

const callerOn = (node: string) => `caller-${node}`;

/** A pod that connections are made from. */
function caller(namespace: string, nodeName: string): KubernetesObject {
  return targetPod(namespace, callerOn(nodeName), { idle: TARGET.idle }, { nodeName });
}

/** The addresses of the daemons' pods, by node. */
async function daemonAddresses(): Promise<Record<string, string>> {
  const { items } = JSON.parse(
    await kubectl([
      ...["get", "pods", `--namespace=${NAMESPACE}`, "--output=json"],
      "--selector=app.kubernetes.io/name=necoperf-daemon",
    ]),
  );
  return Object.fromEntries(
    (items as KubernetesObject[]).map(({ spec, status }) => [spec.nodeName, status.podIP]),
  );
}

/** Which pods of a namespace can connect: `caller's node > daemon's node`, for all of them. */
async function connections(namespace: string, port: number): Promise<Record<string, boolean>> {
  const daemons = Object.entries(await daemonAddresses());
  const found: Record<string, boolean> = {};
  for (const from of nodes) {
    // `true` is what netcat becomes once it is connected.
    const script = `for address; do nc -w 3 $address ${port} -e true && echo $address; done; true`;
    const addresses = daemons.map(([, address]) => address);
    const { status, stdout, stderr } = await runInPod({ namespace }, callerOn(from), [
      ...["sh", "-c", script, "sh", ...addresses],
    ]);
    assert.equal(status, 0, stderr);
    const reached = stdout.split("\n");
    for (const [node, address] of daemons) found[`${from} > ${node}`] = reached.includes(address);
  }
  return found;
}

function everywhere(can: boolean): Record<string, boolean> {
  return Object.fromEntries(nodes.flatMap((a) => nodes.map((b) => [`${a} > ${b}`, can])));
}

/** Policies count a moment after they are made or a pod is started. */
async function assertConnections(namespace: string, port: number, can: boolean): Promise<void> {
  await eventually(
    async () => assert.deepEqual(await connections(namespace, port), everywhere(can)),
    60,
  );
}

/** The policy that `deploy/tenant` makes, for a namespace. */
async function tenantPolicy(namespace: string): Promise<KubernetesObject> {
  const name = `necoperf-client-${tenant.namespace}`;
  const made = JSON.parse(
    await kubectl(["get", "networkpolicy", name, `--namespace=${NAMESPACE}`, "--output=json"]),
  );
  const { apiVersion, kind, spec } = JSON.parse(
    JSON.stringify(made).replaceAll(tenant.namespace, namespace),
  );
  return { apiVersion, kind, metadata: { name: "another-tenant", namespace: NAMESPACE }, spec };
}

Deno.test({
  name: `NetworkPolicy: a tenant's pods connect to the daemons, and profile (${UNTIL})`,
  ignore,
  fn: async () => {
    await assertConnections(tenant.namespace, PORTS.grpc, true);
    const args = ["-n", tenant.namespace, "target", "-d", "1s", "-o", "-"];
    const run = await eventually(async () => {
      const run = await runInPod(tenant, "client", ["necoperf-client", ...args]);
      assert.equal(run.status, 0, run.stderr);
      return run;
    }, 60);
    assertBusy(run.stdout);
    await assertConnections(tenant.namespace, PORTS.metrics, false);
  },
});

Deno.test({
  name: `NetworkPolicy: other namespaces' pods connect once they are a tenant's (${UNTIL})`,
  ignore,
  fn: async () => {
    await assertConnections(stranger, PORTS.grpc, false);
    await assertConnections(stranger, PORTS.metrics, false);
    const policy = await tenantPolicy(stranger);
    await apply(policy);
    try {
      await assertConnections(stranger, PORTS.grpc, true);
      await assertConnections(stranger, PORTS.metrics, false);
    } finally {
      const { name } = policy.metadata;
      await kubectl(["delete", "networkpolicy", name, `--namespace=${NAMESPACE}`]);
    }
    await assertConnections(stranger, PORTS.grpc, false);
  },
});

Deno.test({
  name: `NetworkPolicy: Prometheus reads the metrics, and connects to nothing else (${UNTIL})`,
  ignore,
  fn: async () => {
    await assertConnections(MONITORING, PORTS.metrics, true);
    await assertConnections(MONITORING, PORTS.grpc, false);
    const [address] = Object.values(await daemonAddresses());
    // The static busybox has no wget that works.
    const request = "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' | nc -w 10 $0 $1";
    const { stdout, stderr } = await runInPod({ namespace: MONITORING }, callerOn(nodes[0]), [
      ...["sh", "-c", request, address, `${PORTS.metrics}`],
    ]);
    assert.match(stdout, /^necoperf_perf_usable 1$/m, stderr);
  },
});

Deno.test({
  name: `NetworkPolicy: direct calls from outside are refused, port-forward passes (${UNTIL})`,
  ignore,
  fn: async () => {
    await kubectl(["delete", "networkpolicy", MACHINE_POLICY, `--namespace=${NAMESPACE}`]);
    try {
      await eventually(async () => {
        for (const hostname of Object.values(await daemonAddresses())) {
          for (const port of Object.values(PORTS)) {
            await assert.rejects(Deno.connect({ hostname, port }), `${hostname}:${port}`);
          }
        }
      }, 60);
      const daemon = `daemonset/necoperf-daemon`;
      await using forward = await startPortForward(NAMESPACE, daemon, PORTS.metrics);
      const response = await fetch(`http://127.0.0.1:${forward.port}/healthz`);
      assert.deepEqual([response.status, await response.text()], [200, "ok\n"]);
    } finally {
      await apply(await machinePolicy(NAMESPACE));
    }
  },
});

Deno.test({
  name: `NetworkPolicy: the kubelet's probes find a new daemon ready (${UNTIL})`,
  ignore,
  fn: async () => {
    await kubectl(["delete", "networkpolicy", MACHINE_POLICY, `--namespace=${NAMESPACE}`]);
    try {
      const before = await daemonAddresses();
      await kubectl([
        "rollout",
        "restart",
        "daemonset/necoperf-daemon",
        `--namespace=${NAMESPACE}`,
      ]);
      await kubectl([
        ...["rollout", "status", "daemonset/necoperf-daemon", `--namespace=${NAMESPACE}`],
        "--timeout=100s",
      ]);
      for (const [node, address] of Object.entries(await daemonAddresses())) {
        assert.notEqual(address, before[node]);
      }
    } finally {
      await apply(await machinePolicy(NAMESPACE));
    }
  },
});
