/**
 * The daemons, as `deploy/` puts them on every node.
 *
 * @module
 */
import {
  apply,
  createNamespace,
  deleteNamespaces,
  get,
  kubectl,
  type KubernetesObject,
  ROOT,
  waitForField,
} from "./cluster.ts";
import { applyKustomization } from "./kustomize.ts";
import { eventually } from "./process.ts";
import { allowDaemons, type Tenant } from "./tenant.ts";

/** The ways to find containers for which `deploy/` has something. */
export type DeployedLookup = "cgroup" | "cri";

/** The namespace of the daemons that use a lookup. */
export const DAEMON_NAMESPACE: Record<DeployedLookup, string> = {
  cgroup: "necoperf",
  cri: "necoperf-cri",
};

/** Deploys the daemons with these lookups; resolves when they are ready on every node. */
export async function deployDaemons(...lookups: DeployedLookup[]): Promise<void> {
  for (const lookup of lookups) {
    const name = DAEMON_NAMESPACE[lookup];
    await waitUntilGone(name);
    await applyKustomization(`tests/e2e/deploy/${lookup}`);
    await apply(await machinePolicy(name));
    await makeCertificates(name);
  }
  for (const lookup of lookups) {
    const namespace = `--namespace=${DAEMON_NAMESPACE[lookup]}`;
    const daemonSet = "daemonset/necoperf-daemon";
    await kubectl(["rollout", "status", daemonSet, namespace, "--timeout=100s"]);
  }
}

/** The name of {@linkcode machinePolicy}. */
export const MACHINE_POLICY = "test-machine";

/**
 * Lets this machine connect to the daemons of a namespace, as `deploy/README.md` has it for people
 * who have a route to pods.
 */
export async function machinePolicy(namespace: string): Promise<KubernetesObject> {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: MACHINE_POLICY, namespace },
    spec: {
      podSelector: { matchLabels: { "app.kubernetes.io/name": "necoperf-daemon" } },
      policyTypes: ["Ingress"],
      ingress: [{
        from: [{ ipBlock: { cidr: `${await machineAddress()}/32` } }],
        ports: [6543, 6541].map((port) => ({ protocol: "TCP", port })),
      }],
    },
  };
}

/** The address that packets to the cluster's nodes have as their source. */
async function machineAddress(): Promise<string> {
  const node = await kubectl([
    ...["get", "nodes", "--output"],
    'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
  ]);
  const { stdout } = await new Deno.Command("ip", { args: ["-json", "route", "get", node] })
    .output();
  const [{ prefsrc }] = JSON.parse(new TextDecoder().decode(stdout));
  return prefsrc;
}

/** Waits for a namespace that another test is deleting. */
async function waitUntilGone(namespace: string): Promise<void> {
  const phase = await kubectl([
    ...["get", "namespace", namespace, "--ignore-not-found", "--output=jsonpath={.status.phase}"],
  ]);
  if (phase !== "Terminating") return;
  await kubectl(["wait", "--for=delete", `namespace/${namespace}`, "--timeout=100s"]);
}

/** Makes the daemons' certificate and the clients' ConfigMap, as an administrator does. */
async function makeCertificates(namespace: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("deploy/make-certificates", {
    args: [namespace],
    cwd: ROOT,
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Takes away all that {@linkcode deployDaemons} may have made. */
export async function removeDaemons(): Promise<void> {
  for (const namespace of Object.values(DAEMON_NAMESPACE)) {
    // With its pods, and first: a namespace that is deleted with pods in it looks for them again
    // only after half of their grace period, which is minutes here.
    await kubectl([
      ...["delete", "daemonset", "necoperf-daemon", `--namespace=${namespace}`],
      ...["--ignore-not-found", "--cascade=foreground", "--timeout=100s"],
    ]);
  }
  await deleteNamespaces(...Object.values(DAEMON_NAMESPACE));
}

/** A daemon pod that is not as it should be, alone in a namespace. */
export interface OddDaemon extends AsyncDisposable {
  namespace: string;
  /** For HTTP requests: `http://address:6541`. */
  http: string;
}

/** Makes a daemon pod odd. */
export type Oddity = (
  // deno-lint-ignore no-explicit-any -- a container, see KubernetesObject
  container: any,
  pod: KubernetesObject,
  role: KubernetesObject,
) => void | Promise<void>;

/**
 * Gives a daemon's container, whose image has no shell, the targets' shell and commands in `/bin`.
 */
export const addShell: Oddity = (container, pod) => {
  pod.spec.volumes.push({ name: "commands", emptyDir: {} });
  pod.spec.initContainers = [{
    name: "commands",
    image: "necoperf-target:e2e",
    imagePullPolicy: "Never",
    command: ["cp", "-a", "/bin/.", "/commands"],
    volumeMounts: [{ name: "commands", mountPath: "/commands" }],
  }];
  container.volumeMounts.push({ name: "commands", mountPath: "/bin" });
};

/**
 * Starts a daemon pod on a node, made from the DaemonSet's template, with the rights of the
 * daemons, and then changed, in a namespace where the tenant's client may look for it. Resolves
 * when it has been started; it need not get ready, nor stay up.
 */
export async function startOddDaemon(
  node: string,
  tenant: Tenant,
  change: Oddity,
): Promise<OddDaemon> {
  const { spec } = await get("daemonset", "necoperf-daemon", DAEMON_NAMESPACE.cgroup);
  const { serviceAccount: _, serviceAccountName: __, ...podSpec } = spec.template.spec;
  const namespace = await createNamespace("necoperf-odd");
  const { rules } = JSON.parse(
    await kubectl(["get", "clusterrole", "necoperf-daemon", "-o", "json"]),
  );
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const role: KubernetesObject = {
    apiVersion,
    kind: "ClusterRole",
    metadata: { name: namespace },
    rules,
  };
  const binding: KubernetesObject = {
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { name: namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace },
    subjects: [{ kind: "ServiceAccount", name: "default", namespace }],
  };
  const pod: KubernetesObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "daemon", namespace, labels: spec.template.metadata.labels },
    spec: { ...podSpec, nodeName: node, terminationGracePeriodSeconds: 0 },
  };
  await change(pod.spec.containers[0], pod, role);
  await makeCertificates(namespace);
  await waitUntilThere("serviceaccount", "default", namespace);
  await apply(...allowDaemons(tenant, namespace), role, binding, pod);
  await waitForField(namespace, "daemon", ".status.phase", "Running");
  const { status } = await get("pod", "daemon", namespace);
  return {
    namespace,
    http: `http://${status.podIP}:6541`,
    async [Symbol.asyncDispose]() {
      await kubectl(["delete", "clusterrolebinding,clusterrole", namespace]);
      await deleteNamespaces(namespace);
    },
  };
}

/** The controllers make some objects of a namespace a moment after it. */
async function waitUntilThere(kind: string, name: string, namespace: string): Promise<void> {
  await eventually(() => get(kind, name, namespace));
}
