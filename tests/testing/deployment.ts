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
    if (lookup !== "cgroup") {
      await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    await kubectl(["apply", "--kustomize", `tests/e2e/deploy/${lookup}`]);
    await makeCertificates(name);
  }
  for (const lookup of lookups) {
    const namespace = `--namespace=${DAEMON_NAMESPACE[lookup]}`;
    const daemonSet = "daemonset/necoperf-daemon";
    await kubectl(["rollout", "status", daemonSet, namespace, "--timeout=100s"]);
  }
}

/** Makes the daemons' certificate and the clients' ConfigMap, as an administrator does. */
export async function makeCertificates(namespace: string): Promise<void> {
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

/**
 * Starts a daemon pod on a node, made from the DaemonSet's template and then changed, in a namespace
 * where the tenant's client may look for it. Resolves when it runs; it need not get ready.
 */
export async function startOddDaemon(
  node: string,
  tenant: Tenant,
  // deno-lint-ignore no-explicit-any -- a container, see KubernetesObject
  change: (container: any, pod: KubernetesObject) => void,
): Promise<OddDaemon> {
  const { spec } = await get("daemonset", "necoperf-daemon", DAEMON_NAMESPACE.cgroup);
  const { serviceAccount: _, serviceAccountName: __, ...podSpec } = spec.template.spec;
  const namespace = await createNamespace("necoperf-odd");
  const pod: KubernetesObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "daemon", namespace, labels: spec.template.metadata.labels },
    spec: { ...podSpec, nodeName: node, terminationGracePeriodSeconds: 0 },
  };
  change(pod.spec.containers[0], pod);
  await makeCertificates(namespace);
  await apply(...allowDaemons(tenant, namespace), pod);
  await waitForField(namespace, "daemon", ".status.phase", "Running");
  const { status } = await get("pod", "daemon", namespace);
  return {
    namespace,
    http: `http://${status.podIP}:6541`,
    [Symbol.asyncDispose]: () => deleteNamespaces(namespace),
  };
}
