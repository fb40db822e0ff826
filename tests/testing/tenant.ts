/**
 * A tenant of the cluster: a namespace, a service account that may do what `deploy/tenant` allows,
 * and pods.
 *
 * @module
 */
import {
  apply,
  createNamespace,
  deleteNamespaces,
  kubectl,
  type KubernetesObject,
  waitUntilReady,
} from "./cluster.ts";
import { kustomizeText } from "./kustomize.ts";

/** A tenant; its namespace is deleted at the end. */
export interface Tenant extends AsyncDisposable {
  namespace: string;
  /** A kubeconfig file with the rights of the tenant's service account. */
  kubeconfig: string;
  /** A file with a token of that service account for the daemons, not for the API server. */
  tokenFile: string;
  /** What `deploy/tenant` makes, as YAML. */
  manifests: string;
}

/** The service account that `deploy/tenant` makes. */
export const TENANT_ACCOUNT = "necoperf-client";

/** Makes a tenant with the rights of `deploy/tenant`, and with those in further namespaces. */
export async function createTenant(
  { daemonNamespaces = [] }: { daemonNamespaces?: string[] } = {},
): Promise<Tenant> {
  const namespace = await createNamespace("tenant");
  // As deploy/tenant/tenant.yaml says to do it.
  const example = await kustomizeText("deploy/tenant");
  const manifests = example.replaceAll("tenant-example", namespace);
  await kubectl(["apply", "--filename=-"], manifests);
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  await writeKubeconfig(kubeconfig, namespace);
  const tokenFile = await Deno.makeTempFile({ prefix: "necoperf-token-" });
  await Deno.writeTextFile(tokenFile, await requestToken(namespace, ["necoperf"]));
  const tenant = {
    namespace,
    kubeconfig,
    tokenFile,
    manifests,
    async [Symbol.asyncDispose]() {
      await Deno.remove(kubeconfig);
      await Deno.remove(tokenFile);
      await kubectl(["delete", "--ignore-not-found", "--filename=-"], manifests);
      await deleteNamespaces(namespace);
    },
  };
  for (const each of daemonNamespaces) await apply(...allowDaemons(tenant, each));
  return tenant;
}

async function writeKubeconfig(file: string, namespace: string): Promise<void> {
  const view = await kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
  const { cluster } = JSON.parse(view).clusters[0];
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster }],
    users: [{ name: "tenant", user: { token: await requestToken(namespace) } }],
    contexts: [{ name: "tenant", context: { cluster: "test", user: "tenant", namespace } }],
    "current-context": "tenant",
  };
  await Deno.writeTextFile(file, JSON.stringify(config));
}

/** Requests a token of the tenant's service account. Without audiences it is for the API server. */
export async function requestToken(namespace: string, audiences?: string[]): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${TENANT_ACCOUNT}/token`;
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences },
  };
  const answer = await kubectl(
    ["create", `--raw=${path}`, "--filename=-"],
    JSON.stringify(request),
  );
  return JSON.parse(answer).status.token;
}

/** What `deploy/tenant` allows a tenant in the daemons' namespace, for another such namespace. */
export function allowDaemons(tenant: Tenant, namespace: string): KubernetesObject[] {
  return allow(tenant, `${TENANT_ACCOUNT}-daemons`, namespace, [
    { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
    {
      apiGroups: [""],
      resources: ["configmaps"],
      resourceNames: ["necoperf-ca"],
      verbs: ["get"],
    },
  ]);
}

/** A Role and its binding that let the tenant's service account do something in a namespace. */
export function allow(
  tenant: Tenant,
  name: string,
  namespace: string,
  rules: Record<string, string[]>[],
): KubernetesObject[] {
  const metadata = { name, namespace };
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const subjects = [{
    kind: "ServiceAccount",
    name: TENANT_ACCOUNT,
    namespace: tenant.namespace,
  }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
  return [
    { apiVersion, kind: "Role", metadata, rules },
    { apiVersion, kind: "RoleBinding", metadata, roleRef, subjects },
  ];
}

/** A container of a target pod: its name and its command. */
type TargetCommands = Record<string, string[]>;

/** Commands of containers of the image `necoperf-target:e2e`. */
export const TARGET = {
  spin: ["/opt/necoperf/bin/spin"],
  spinDynamic: ["/opt/necoperf/bin/spin-dynamic"],
  idle: ["/opt/necoperf/bin/idle"],
  waits: ["/opt/necoperf/bin/waits"],
  forker: ["/opt/necoperf/bin/forker"],
  /** A first process that does nothing, with a child that does the work. */
  supervisor: ["sh", "-c", "/opt/necoperf/bin/spin & wait"],
};

/** A pod of target containers. They run as a user without rights, with little processor time. */
export function targetPod(
  namespace: string,
  name: string,
  commands: TargetCommands,
  more: Record<string, unknown> = {},
): KubernetesObject {
  const containers = Object.entries(commands).map(([name, command]) => ({
    name,
    command,
    image: "necoperf-target:e2e",
    imagePullPolicy: "Never",
    resources: { requests: { cpu: "10m" }, limits: { cpu: "150m", memory: "64Mi" } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: {
      containers,
      automountServiceAccountToken: false,
      dnsPolicy: "Default",
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001 },
      ...more,
    },
  };
}

/** Starts pods of a tenant and resolves when they are ready. */
export async function startPods(tenant: Tenant, ...pods: KubernetesObject[]): Promise<void> {
  await apply(...pods);
  await waitUntilReady(tenant.namespace, ...pods.map(({ metadata }) => metadata.name));
}
