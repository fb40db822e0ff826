import { dirname, join } from "node:path";
import process from "node:process";
import type { Cluster, KubeConfig, User } from "@kubernetes/client-node";
import { runCredentialPlugin } from "./credential_plugin.ts";
import { CliError, ExitStatus } from "./exit_status.ts";

/** How to find a cluster. */
export interface ClusterOptions {
  /** Default: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod this runs in. */
  kubeconfig?: string;
  /** Default: the kubeconfig's current one. */
  context?: string;
}

/** A cluster's API server and everything that it takes to call it. */
export interface ClusterAccess {
  /** URL of the API server. */
  server: string;
  /** Where it was found, for messages: `context dev of /home/me/.kube/config`. */
  origin: string;
  /** The context's, or that of the pod this runs in. */
  defaultNamespace: string;
  /** With credentials that need no further program. */
  config: KubeConfig;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Where systems keep the certificates of public authorities, all in one file. */
const SYSTEM_CA_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * Finds the cluster that a user means, as kubectl does.
 *
 * Throws a `CliError`: there is no such file or context, or none at all (exit status 2), or
 * credentials cannot be had (4).
 */
export async function findCluster(options: ClusterOptions): Promise<ClusterAccess> {
  const files = kubeconfigFiles(options.kubeconfig);
  if (files.length > 0) return await fromFiles(files, options.context);
  if (options.context !== undefined) {
    throw new CliError(ExitStatus.USAGE, `no kubeconfig file has a context '${options.context}'`);
  }
  const host = process.env.KUBERNETES_SERVICE_HOST;
  if (host && exists(`${SERVICE_ACCOUNT}/token`)) return await fromServiceAccount();
  throw new CliError(
    ExitStatus.USAGE,
    "no cluster to ask: there is no kubeconfig file (--kubeconfig, KUBECONFIG, ~/.kube/config), " +
      "and this is not a pod with a service account's token",
  );
}

/** The kubeconfig files to read, those of the user's own choice first. */
function kubeconfigFiles(chosen: string | undefined): string[] {
  if (chosen !== undefined) {
    if (!exists(chosen)) throw kubeconfigError(chosen, "there is no such file");
    return [chosen];
  }
  const listed = process.env.KUBECONFIG;
  if (listed) {
    const files = listed.split(Deno.build.os === "windows" ? ";" : ":").filter((file) => file);
    const present = files.filter(exists);
    if (present.length === 0) throw kubeconfigError(listed, "KUBECONFIG names no file that exists");
    return present;
  }
  const home = process.env.HOME;
  const own = home && join(home, ".kube", "config");
  return own && exists(own) ? [own] : [];
}

/** Of clusters, users and contexts with one name, and of current contexts, the first file's count. */
async function fromFiles(files: string[], contextName?: string): Promise<ClusterAccess> {
  const { KubeConfig } = await loadLibrary();
  const config = new KubeConfig();
  for (const file of files) {
    const part = new KubeConfig();
    try {
      part.loadFromFile(file);
    } catch (error) {
      throw kubeconfigError(file, (error as Error).message.split("\n")[0], error);
    }
    config.loadFromOptions({
      clusters: firstByName([...config.clusters, ...part.clusters]),
      users: firstByName([...config.users, ...part.users]),
      contexts: firstByName([...config.contexts, ...part.contexts]),
      currentContext: config.currentContext || part.currentContext,
    });
  }
  const where = files.join(", ");
  const name = contextName ?? config.currentContext;
  if (!name) throw kubeconfigError(where, "it has no current context; choose one with --context");
  const context = config.contexts.find((context) => context.name === name);
  if (!context) {
    const names = config.contexts.map(({ name }) => name).join(", ") || "none";
    throw kubeconfigError(where, `it has no context '${name}'; its contexts: ${names}`);
  }
  const cluster = config.getCluster(context.cluster);
  if (!cluster?.server) {
    throw kubeconfigError(where, `context '${name}' names a cluster that it lacks`);
  }
  config.setCurrentContext(name);
  addAuthorities(cluster);
  const user = config.getUser(context.user);
  if (user) await addCredentials(user, dirname(files[0]));
  return {
    server: cluster.server,
    origin: `context ${name} of ${where}`,
    defaultNamespace: context.namespace || "default",
    config,
  };
}

async function fromServiceAccount(): Promise<ClusterAccess> {
  const { KubeConfig } = await loadLibrary();
  const config = new KubeConfig();
  config.loadFromCluster();
  return {
    server: config.getCurrentCluster()!.server,
    origin: "the pod's service account",
    // The library asks for more permissions than this file takes, and without them sees no file.
    defaultNamespace: await readTrimmed(`${SERVICE_ACCOUNT}/namespace`) || "default",
    config,
  };
}

async function readTrimmed(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/**
 * Names the system's authorities for an API server with a public certificate. Left to itself Deno
 * would look them up, and takes a permission for it that no flag can give alone.
 */
function addAuthorities(cluster: Cluster): void {
  if (cluster.caFile || cluster.caData || cluster.skipTLSVerify) return;
  (cluster as { caFile?: string }).caFile = SYSTEM_CA_FILES.find(exists);
}

/** Runs the user's credential plugin, if there is one, and puts what it gives in its place. */
async function addCredentials(user: User, directory: string): Promise<void> {
  if (!user.exec) return;
  const credentials = await runCredentialPlugin(user.exec, directory);
  const encode = (pem?: string) => pem && btoa(pem);
  Object.assign(user, {
    exec: undefined,
    token: credentials.token,
    certData: encode(credentials.certificatePem),
    keyData: encode(credentials.keyPem),
  });
}

async function loadLibrary(): Promise<typeof import("@kubernetes/client-node")> {
  // node-fetch, which the library is built on, loads Node.js's punycode; users need not know.
  process.noDeprecation = true;
  await import("./forgiving_environment.ts");
  return await import("@kubernetes/client-node");
}

function firstByName<T extends { name: string }>(entries: T[]): T[] {
  const byName = new Map<string, T>();
  for (const entry of entries) if (!byName.has(entry.name)) byName.set(entry.name, entry);
  return [...byName.values()];
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function kubeconfigError(file: string, reason: string, cause?: unknown): CliError {
  return new CliError(ExitStatus.USAGE, `kubeconfig ${file}: ${reason}`, { cause });
}
