import process from "node:process";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import { kubeconfigError } from "./kubeconfig_error.ts";
import { findKubeconfigFiles } from "./kubeconfig_files.ts";
import { readIfThere, readServer, systemAuthorities } from "./kubeconfig_server.ts";
import { fromTokenFile, readUser } from "./kubeconfig_user.ts";
import type { ApiConnection } from "./kubectl_config.ts";
import type {
  Kubeconfig,
  KubeconfigCluster,
  KubeconfigContext,
  KubeconfigEntry,
  KubeconfigUser,
} from "./parse_kubeconfig.ts";

/** How to find a cluster. */
export interface KubeconfigOptions {
  /** Default: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod this runs in. */
  kubeconfig?: string;
  /** Default: the kubeconfig's current one. */
  context?: string;
}

/** A cluster's API server and everything that it takes to call it. */
export interface ClusterAccess extends ApiConnection {
  /** Where it was found, for messages: `context dev of /home/me/.kube/config`. */
  origin: string;
  /** The context's namespace, or that of the pod this runs in. */
  defaultNamespace: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Finds the cluster that a user means, as kubectl does. Nothing is contacted, and no credential
 * plug-in runs, before the first request.
 *
 * Throws a `CliError` (exit status 2) that names the file, the entry and what to do: there is no
 * such file or context, or none at all, or something in it is of no use.
 */
export async function findCluster(options: KubeconfigOptions): Promise<ClusterAccess> {
  const files = findKubeconfigFiles(options.kubeconfig);
  if (files.length > 0) return await fromFiles(files, options.context);
  if (options.context !== undefined) {
    throw new CliError(ExitStatus.USAGE, `no kubeconfig file has a context '${options.context}'`);
  }
  const host = process.env.KUBERNETES_SERVICE_HOST;
  if (host && await readIfThere(`${SERVICE_ACCOUNT}/token`)) return await fromServiceAccount(host);
  throw new CliError(
    ExitStatus.USAGE,
    "no cluster to ask: there is no kubeconfig file (--kubeconfig, KUBECONFIG, ~/.kube/config), " +
      "and this is not a pod with a service account's token",
  );
}

/** A context, as it can be chosen. */
interface ContextChoice {
  name: string;
  cluster?: string;
  namespace?: string;
  current: boolean;
}

/** Lists the contexts to choose from. Throws a `CliError` (exit status 2) as `findCluster` does. */
export async function listContexts(
  options: Pick<KubeconfigOptions, "kubeconfig">,
): Promise<ContextChoice[]> {
  const { contexts, currentContext } = await readFiles(findKubeconfigFiles(options.kubeconfig));
  return [...contexts].map(([name, { value: { cluster, namespace } }]) => (
    { name, cluster, namespace, current: name === currentContext }
  ));
}

/** The merged content of kubeconfig files. */
interface Entries {
  clusters: Map<string, KubeconfigEntry<KubeconfigCluster>>;
  users: Map<string, KubeconfigEntry<KubeconfigUser>>;
  contexts: Map<string, KubeconfigEntry<KubeconfigContext>>;
  currentContext: string;
}

/**
 * Of clusters, users and contexts with one name, and of current contexts, the first file's counts.
 */
async function readFiles(files: string[]): Promise<Entries> {
  const { parseKubeconfig } = await import("./parse_kubeconfig.ts");
  const entries: Entries = {
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
    currentContext: "",
  };
  for (const file of files) {
    let part: Kubeconfig;
    try {
      part = parseKubeconfig(await Deno.readFile(file));
    } catch (error) {
      throw kubeconfigError(file, escapeControls((error as Error).message.split("\n")[0]), error);
    }
    addMissing(entries.clusters, file, part.clusters.map(({ name, cluster }) => [name, cluster]));
    addMissing(entries.users, file, part.users.map(({ name, user }) => [name, user]));
    addMissing(entries.contexts, file, part.contexts.map(({ name, context }) => [name, context]));
    entries.currentContext ||= part.currentContext;
  }
  return entries;
}

function addMissing<T>(
  entries: Map<string, KubeconfigEntry<T>>,
  file: string,
  more: [name: string, value: T][],
): void {
  for (const [name, value] of more) {
    if (!entries.has(name)) entries.set(name, { value, file });
  }
}

async function fromFiles(files: string[], contextName?: string): Promise<ClusterAccess> {
  const entries = await readFiles(files);
  const where = files.join(", ");
  const name = contextName || entries.currentContext;
  const context = entries.contexts.get(name)?.value;
  if (!context && !name) {
    throw kubeconfigError(where, "it has no current context; choose one with --context");
  }
  if (!context) {
    const names = [...entries.contexts.keys()].join(", ") || "none";
    throw kubeconfigError(where, `it has no context '${name}'; its contexts: ${names}`);
  }
  const cluster = entries.clusters.get(context.cluster ?? "");
  if (!cluster) {
    throw kubeconfigError(
      where,
      `context '${name}' names cluster '${context.cluster ?? ""}', which it lacks`,
    );
  }
  const user = entries.users.get(context.user ?? "");
  if (context.user && !user) {
    throw kubeconfigError(where, `context '${name}' names user '${context.user}', which it lacks`);
  }
  const reached = await readServer(cluster, `cluster '${context.cluster}'`);
  const known = await readUser(user, `user '${context.user}'`, cluster.value, reached);
  return {
    ...reached,
    ...known,
    origin: `context ${name} of ${where}`,
    defaultNamespace: context.namespace || "default",
  };
}

async function fromServiceAccount(host: string): Promise<ClusterAccess> {
  const port = process.env.KUBERNETES_SERVICE_PORT || "443";
  const where = "the pod's service account";
  const [caPem, namespace] = await Promise.all(
    ["ca.crt", "namespace"].map((name) => readIfThere(`${SERVICE_ACCOUNT}/${name}`)),
  );
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    origin: where,
    defaultNamespace: namespace?.trim() || "default",
    caPem: caPem || await systemAuthorities(),
    // The kubelet renews it.
    credentials: await fromTokenFile(`${SERVICE_ACCOUNT}/token`, SERVICE_ACCOUNT, where),
    impersonation: [],
  };
}
