import { Buffer } from "node:buffer";
import { dirname, resolve } from "node:path";
import { type CredentialSource, fixedCredentials } from "./credential_source.ts";
import { isHeaderValue, toHeaderName } from "./header_text.ts";
import { kubeconfigError, reasonOf } from "./kubeconfig_error.ts";
import { readCertificates, readPem, readPrivateKey } from "./kubeconfig_pem.ts";
import { basic, type ServerAccess } from "./kubeconfig_server.ts";
import type { ApiConnection } from "./kubectl_config.ts";
import type {
  KubeconfigCluster,
  KubeconfigEntry,
  KubeconfigExec,
  KubeconfigUser,
} from "./parse_kubeconfig.ts";

/** What shows an API server who asks, and as whom. */
type Identity = Pick<ApiConnection, "credentials" | "impersonation">;

/**
 * Takes from a user of a kubeconfig file how its credentials are had; a credential plug-in does not
 * run yet. `what` names the user in messages. Throws a `CliError` (exit status 2).
 */
export async function readUser(
  entry: KubeconfigEntry<KubeconfigUser> | undefined,
  what: string,
  cluster: KubeconfigCluster,
  reached: ServerAccess,
): Promise<Identity> {
  const anonymous = fixedCredentials({ authorization: reached.urlAuthorization });
  if (!entry) return { credentials: anonymous, impersonation: [] };
  const { value: user, file } = entry;
  const wrong = (reason: string) => kubeconfigError(file, `${what} ${reason}`);
  const impersonation = impersonationOf(user);
  const texts = [["token", user.token ?? ""], ...impersonation];
  const unfit = texts.find(([, text]) => !isHeaderValue(text));
  if (unfit) throw wrong(`has a ${unfit[0]} with line breaks or control characters`);
  if (impersonation.length > 0 && !user.as) {
    throw wrong("has as-uid, as-groups or as-user-extra without as");
  }
  const certificate = await certificateOf(user, file, what);
  if ((user.token && (user.username || user.password)) || (user.tokenFile && user.username)) {
    throw wrong("has a token and a username or password: remove one of them");
  }
  if (user.exec && user["auth-provider"]) {
    throw wrong("has an exec and an auth-provider: remove one of them");
  }
  // As client-go does: without TLS nobody is told who asks.
  if (reached.server.startsWith("http:")) return { credentials: anonymous, impersonation };
  return {
    credentials: withCertificate(
      await sourceOf(user, file, what, {
        cluster,
        reached,
        hasCertificate: certificate !== undefined,
      }),
      certificate,
    ),
    impersonation,
  };
}

async function sourceOf(
  user: KubeconfigUser,
  file: string,
  what: string,
  { cluster, reached, hasCertificate }: {
    cluster: KubeconfigCluster;
    reached: ServerAccess;
    hasCertificate: boolean;
  },
): Promise<CredentialSource> {
  // Looked at also when they are not used, as by client-go.
  const plugin = user.exec && checkExec(user.exec, file, what);
  const provider = user["auth-provider"] &&
    await fromProvider(user["auth-provider"], file, what);
  // As Go's HTTP client has it, before what client-go adds.
  if (reached.urlAuthorization) {
    return fixedCredentials({ authorization: reached.urlAuthorization });
  }
  if (user.tokenFile) {
    return await fromTokenFile(resolve(dirname(file), user.tokenFile), file, what, user.token);
  }
  if (user.token) return fixedCredentials({ authorization: `Bearer ${user.token}` });
  if (user.username) {
    return fixedCredentials({ authorization: basic(user.username, user.password ?? "") });
  }
  // As client-go does, which takes a certificate for the user's choice.
  if (plugin && !hasCertificate) {
    const { execCredentials } = await import("./exec_plugin.ts");
    const directory = resolve(dirname(file));
    return execCredentials({ ...plugin, directory, clusterInfo: clusterInfo(cluster, reached) });
  }
  return provider ?? fixedCredentials({});
}

/** A certificate is shown beside a token. */
function withCertificate(source: CredentialSource, certificate?: Certificate): CredentialSource {
  if (!certificate) return source;
  return {
    get: async (signal) => ({ ...await source.get(signal), ...certificate }),
    refused: (sentAtMs) => source.refused(sentAtMs),
  };
}

/**
 * A token that others replace in its file: it is read for each request. `other` is the token to
 * show as long as there is none in the file.
 */
export async function fromTokenFile(
  path: string,
  file: string,
  what: string,
  other?: string,
): Promise<CredentialSource> {
  const get = async () => {
    let token: string;
    try {
      token = (await Deno.readTextFile(path)).trim() || (other ?? "");
    } catch (error) {
      if (other) return { authorization: `Bearer ${other}` };
      throw kubeconfigError(
        file,
        `${what} names a tokenFile that cannot be read: ${reasonOf(error)}`,
        error,
      );
    }
    if (token === "") {
      throw kubeconfigError(file, `${what} names the tokenFile ${path}, which is empty`);
    }
    return { authorization: `Bearer ${token}` };
  };
  await get();
  return { get, refused: () => false };
}

/** Kubectl's own login; `exec` replaced those of the other providers. Throws a `CliError`. */
async function fromProvider(
  { name, config = {} }: NonNullable<KubeconfigUser["auth-provider"]>,
  file: string,
  what: string,
): Promise<CredentialSource> {
  if (name !== "oidc") {
    throw kubeconfigError(
      file,
      `${what} has the auth-provider '${name}', which kubectl has removed: use its exec plug-in`,
    );
  }
  const { oidcCredentials } = await import("./oidc_credentials.ts");
  return await oidcCredentials({ config, file, what });
}

const EXEC_VERSIONS = [
  "client.authentication.k8s.io/v1",
  "client.authentication.k8s.io/v1beta1",
];
const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"];

function checkExec(
  exec: KubeconfigExec,
  file: string,
  what: string,
): KubeconfigExec & { command: string } {
  const wrong = (reason: string) => kubeconfigError(file, `${what}: exec ${reason}`);
  const { command, apiVersion = "" } = exec;
  const interactiveMode = exec.interactiveMode || undefined;
  if (!command) throw wrong("has no command");
  if (!EXEC_VERSIONS.includes(apiVersion)) {
    throw wrong(
      `has the apiVersion '${apiVersion}', which is not one of ${EXEC_VERSIONS.join(", ")}`,
    );
  }
  if (exec.env?.some(({ name }) => name === "")) throw wrong("has an env entry without a name");
  if (interactiveMode === undefined && apiVersion === EXEC_VERSIONS[0]) {
    throw wrong(`has no interactiveMode, which is one of ${INTERACTIVE_MODES.join(", ")}`);
  }
  if (interactiveMode !== undefined && !INTERACTIVE_MODES.includes(interactiveMode)) {
    throw wrong(
      `has the interactiveMode '${interactiveMode}', which is not one of ${
        INTERACTIVE_MODES.join(", ")
      }`,
    );
  }
  return { ...exec, command };
}

/** `Cluster` of `client.authentication.k8s.io`: what a plug-in is told of the API server. */
function clusterInfo(
  cluster: KubeconfigCluster,
  { authorityPem, insecure }: ServerAccess,
): unknown {
  const config = cluster.extensions?.find(({ name }) =>
    name === "client.authentication.k8s.io/exec"
  );
  return {
    server: cluster.server,
    "tls-server-name": cluster["tls-server-name"] || undefined,
    "insecure-skip-tls-verify": insecure || undefined,
    "certificate-authority-data": authorityPem && Buffer.from(authorityPem).toString("base64"),
    "proxy-url": cluster["proxy-url"] || undefined,
    "disable-compression": cluster["disable-compression"] || undefined,
    config: config?.extension ?? null,
  };
}

interface Certificate {
  certificatePem: string;
  keyPem: string;
}

async function certificateOf(
  user: KubeconfigUser,
  file: string,
  what: string,
): Promise<Certificate | undefined> {
  const certificatePem = await readPem(
    user["client-certificate-data"],
    user["client-certificate"],
    file,
    `${what}: client-certificate`,
  );
  const keyPem = await readPem(
    user["client-key-data"],
    user["client-key"],
    file,
    `${what}: client-key`,
  );
  // A key alone is of no use, and kubectl does not mind.
  if (certificatePem === undefined) return undefined;
  if (keyPem === undefined) {
    throw kubeconfigError(file, `${what} has a client-certificate without a client-key`);
  }
  return {
    certificatePem: readCertificates(certificatePem, file, `${what}: client-certificate`, {
      all: true,
    }),
    keyPem: readPrivateKey(keyPem, file, `${what}: client-key`),
  };
}

function impersonationOf(user: KubeconfigUser): [string, string][] {
  return [
    ...user.as ? [["Impersonate-User", user.as]] : [],
    ...user["as-uid"] ? [["Impersonate-Uid", user["as-uid"]]] : [],
    ...(user["as-groups"] ?? []).map((group) => ["Impersonate-Group", group]),
    ...Object.entries(user["as-user-extra"] ?? {}).flatMap(([key, values]) =>
      values.map((value) => [`Impersonate-Extra-${toHeaderName(key)}`, value])
    ),
  ] as [string, string][];
}
