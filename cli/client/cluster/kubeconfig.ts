import { Buffer } from "node:buffer";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import type { CredentialPlugin } from "./credential_plugin.ts";
import { CliError, ExitStatus } from "../../errors.ts";

/** How to find a cluster. */
export interface KubeconfigOptions {
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
  /** Shows who asks: the token or password, and whom to act as. */
  headers: Record<string, string | string[]>;
  /** As `node:tls` takes them. */
  tls: ApiTls;
  /** URL of an HTTP or SOCKS proxy. */
  proxy?: string;
}

/** How the API server and its caller know each other. */
export interface ApiTls {
  ca?: string;
  cert?: string;
  key?: string;
  /** Instead of the host in the URL. */
  servername?: string;
  rejectUnauthorized?: boolean;
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
export async function findCluster(options: KubeconfigOptions): Promise<ClusterAccess> {
  const files = kubeconfigFiles(options.kubeconfig);
  if (files.length > 0) return await fromFiles(files, options.context);
  if (options.context !== undefined) {
    throw new CliError(ExitStatus.USAGE, `no kubeconfig file has a context '${options.context}'`);
  }
  const host = process.env.KUBERNETES_SERVICE_HOST;
  if (host && exists(`${SERVICE_ACCOUNT}/token`)) return await fromServiceAccount(host);
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

/** A kubeconfig file, as far as this program reads it: `k8s.io/client-go`'s `clientcmd/api/v1`. */
interface Kubeconfig {
  clusters?: { name: string; cluster?: Cluster }[] | null;
  users?: { name: string; user?: User }[] | null;
  contexts?: { name: string; context?: Context }[] | null;
  "current-context"?: string;
}

interface Cluster {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  "proxy-url"?: string;
}

interface User {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  "as-uid"?: string;
  "as-groups"?: string[];
  "as-user-extra"?: Record<string, string[]>;
  exec?: CredentialPlugin;
  "auth-provider"?: { name: string; config?: Record<string, string> };
}

interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

/** An entry of a file, whose relative paths start at the file's directory. */
interface Entry<T> {
  name: string;
  value: T;
  directory: string;
}

/** A context, as it can be chosen. */
export interface ContextChoice {
  name: string;
  cluster?: string;
  namespace?: string;
  current: boolean;
}

/** Lists the contexts to choose from. Throws a `CliError` (exit status 2) as `findCluster` does. */
export async function listContexts(
  options: Pick<KubeconfigOptions, "kubeconfig">,
): Promise<ContextChoice[]> {
  const { contexts, currentContext } = await readFiles(kubeconfigFiles(options.kubeconfig));
  return contexts
    .filter(({ name }, index) => contexts.findIndex((other) => other.name === name) === index)
    .map(({ name, value: { cluster, namespace } }) => (
      { name, cluster, namespace, current: name === currentContext }
    ));
}

/** What kubeconfig files have together. */
interface Entries {
  clusters: Entry<Cluster>[];
  users: Entry<User>[];
  contexts: Entry<Context>[];
  currentContext?: string;
}

/** Of clusters, users and contexts with one name, and of current contexts, the first file's count. */
async function readFiles(files: string[]): Promise<Entries> {
  const { load } = await import("js-yaml");
  const clusters: Entry<Cluster>[] = [];
  const users: Entry<User>[] = [];
  const contexts: Entry<Context>[] = [];
  let currentContext: string | undefined;
  for (const file of files) {
    try {
      const part = (load(await Deno.readTextFile(file)) ?? {}) as Kubeconfig;
      const directory = resolve(dirname(file));
      for (const { name, cluster } of part.clusters ?? []) {
        clusters.push({ name, value: cluster ?? {}, directory });
      }
      for (const { name, user } of part.users ?? []) {
        users.push({ name, value: user ?? {}, directory });
      }
      for (const { name, context } of part.contexts ?? []) {
        contexts.push({ name, value: context ?? {}, directory });
      }
      currentContext ||= part["current-context"];
    } catch (error) {
      throw kubeconfigError(file, (error as Error).message.split("\n")[0], error);
    }
  }
  return { clusters, users, contexts, currentContext };
}

async function fromFiles(files: string[], contextName?: string): Promise<ClusterAccess> {
  const { clusters, users, contexts, currentContext } = await readFiles(files);
  const name = contextName || currentContext;
  const where = files.join(", ");
  if (!name) throw kubeconfigError(where, "it has no current context; choose one with --context");
  const context = find(contexts, name)?.value;
  if (!context) {
    const names = [...new Set(contexts.map(({ name }) => name))].join(", ") || "none";
    throw kubeconfigError(where, `it has no context '${name}'; its contexts: ${names}`);
  }
  const cluster = find(clusters, context.cluster);
  if (!cluster?.value.server) {
    throw kubeconfigError(where, `context '${name}' names a cluster that it lacks`);
  }
  const user = find(users, context.user);
  try {
    const { headers, ...certificate } = user ? await credentialsOf(user) : { headers: {} };
    return {
      server: cluster.value.server,
      origin: `context ${name} of ${where}`,
      defaultNamespace: context.namespace || "default",
      headers,
      tls: { ...await authorityOf(cluster), ...certificate },
      proxy: cluster.value["proxy-url"],
    };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw kubeconfigError(where, (error as Error).message, error);
  }
}

function find<T>(entries: Entry<T>[], name: string | undefined): Entry<T> | undefined {
  return entries.find((entry) => entry.name === name);
}

/** Which certificates of the API server are good. */
async function authorityOf({ value: cluster, directory }: Entry<Cluster>): Promise<ApiTls> {
  const servername = cluster["tls-server-name"];
  if (cluster["insecure-skip-tls-verify"]) return { servername, rejectUnauthorized: false };
  const ca = await pemOf(
    cluster["certificate-authority-data"],
    cluster["certificate-authority"],
    directory,
  );
  return { servername, ca: ca ?? await systemAuthorities() };
}

/**
 * The system's authorities, for an API server with a public certificate. Left to itself Deno would
 * look them up, and takes a permission for it that no flag can give alone.
 */
async function systemAuthorities(): Promise<string | undefined> {
  const file = SYSTEM_CA_FILES.find(exists);
  return file && await Deno.readTextFile(file);
}

/** What a user shows the API server. */
interface UserCredentials {
  headers: ClusterAccess["headers"];
  cert?: string;
  key?: string;
}

/** Takes a user's credentials, or those that the user's credential plugin gives. */
async function credentialsOf({ value: user, directory }: Entry<User>): Promise<UserCredentials> {
  const headers = impersonationOf(user);
  if (user.exec) {
    const { runCredentialPlugin } = await import("./credential_plugin.ts");
    const { token, certificatePem, keyPem } = await runCredentialPlugin(user.exec, directory);
    if (token) headers.authorization = `Bearer ${token}`;
    return { headers, cert: certificatePem, key: keyPem };
  }
  // A file's token is newer than one that was written beside it.
  const token = user.tokenFile
    ? await readTrimmed(resolve(directory, user.tokenFile))
    : user.token ?? tokenOfProvider(user);
  if (token) {
    headers.authorization = `Bearer ${token}`;
  } else if (user.username !== undefined) {
    const pair = Buffer.from(`${user.username}:${user.password ?? ""}`);
    headers.authorization = `Basic ${pair.toString("base64")}`;
  }
  return {
    headers,
    cert: await pemOf(user["client-certificate-data"], user["client-certificate"], directory),
    key: await pemOf(user["client-key-data"], user["client-key"], directory),
  };
}

/** The token that kubectl or a provider's tool has left: `auth-provider` is what `exec` replaced. */
function tokenOfProvider({ "auth-provider": provider }: User): string | undefined {
  return provider?.config?.["id-token"] ?? provider?.config?.["access-token"];
}

function impersonationOf(user: User): ClusterAccess["headers"] {
  const headers: ClusterAccess["headers"] = {};
  if (user.as) headers["Impersonate-User"] = user.as;
  if (user["as-uid"]) headers["Impersonate-Uid"] = user["as-uid"];
  if (user["as-groups"]?.length) headers["Impersonate-Group"] = user["as-groups"];
  for (const [key, values] of Object.entries(user["as-user-extra"] ?? {})) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = values;
  }
  return headers;
}

/** PEM out of base64, else out of a file. */
async function pemOf(
  data: string | undefined,
  file: string | undefined,
  directory: string,
): Promise<string | undefined> {
  if (data) return Buffer.from(data, "base64").toString();
  return file ? await Deno.readTextFile(resolve(directory, file)) : undefined;
}

async function fromServiceAccount(host: string): Promise<ClusterAccess> {
  const port = process.env.KUBERNETES_SERVICE_PORT || "443";
  const [token, ca, namespace] = await Promise.all(
    ["token", "ca.crt", "namespace"].map((name) => readTrimmed(`${SERVICE_ACCOUNT}/${name}`)),
  );
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    origin: "the pod's service account",
    defaultNamespace: namespace || "default",
    headers: { authorization: `Bearer ${token}` },
    tls: { ca: ca || await systemAuthorities() },
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
