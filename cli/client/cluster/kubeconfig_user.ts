import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { dirname, resolve } from "node:path";
import { type CredentialSource, fixedCredentials } from "./credential_source.ts";
import { kubeconfigError, reasonOf } from "./kubeconfig_error.ts";
import { checkCertificates, readPem } from "./kubeconfig_pem.ts";
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

/** Shows nothing but what the server's URL holds. */
export function anonymous({ urlAuthorization: authorization }: ServerAccess): Identity {
  return { credentials: fixedCredentials({ authorization }), impersonation: [] };
}

/**
 * Takes from a user of a kubeconfig file how its credentials are had; a credential plug-in does not run
 * yet. `what` names the user in messages. Throws a `CliError` (exit status 2).
 */
export async function readUser(
  entry: KubeconfigEntry<KubeconfigUser> | undefined,
  what: string,
  cluster: KubeconfigCluster,
  reached: ServerAccess,
): Promise<Identity> {
  if (!entry) return anonymous(reached);
  const { value: user, file } = entry;
  const wrong = (reason: string) => kubeconfigError(file, `${what} ${reason}`);
  const impersonation = impersonationOf(user);
  if (impersonation.length > 0 && !user.as) {
    throw wrong("has as-uid, as-groups or as-user-extra without as");
  }
  const certificate = await certificateOf(user, file, what);
  if (user.token && (user.username || user.password)) {
    throw wrong("has a token and a username or password: remove one of them");
  }
  if (user.exec && user["auth-provider"]) {
    throw wrong("has an exec and an auth-provider: remove one of them");
  }
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
  if (user.tokenFile) {
    return await fromTokenFile(resolve(dirname(file), user.tokenFile), file, what);
  }
  if (user.token) return fixedCredentials({ authorization: `Bearer ${user.token}` });
  if (user.username) {
    return fixedCredentials({ authorization: basic(user.username, user.password ?? "") });
  }
  // As client-go does, which takes a certificate for the user's choice.
  if (user.exec && !hasCertificate) {
    const plugin = checkExec(user.exec, file, what);
    const { execCredentials } = await import("./exec_plugin.ts");
    const directory = resolve(dirname(file));
    return execCredentials({ ...plugin, directory, clusterInfo: clusterInfo(cluster, reached) });
  }
  if (user["auth-provider"]) {
    return fixedCredentials({ authorization: `Bearer ${tokenOfProvider(user, file, what)}` });
  }
  return fixedCredentials({ authorization: reached.urlAuthorization });
}

/** A certificate is shown beside a token. */
function withCertificate(source: CredentialSource, certificate?: Certificate): CredentialSource {
  if (!certificate) return source;
  return {
    get: async (signal) => ({ ...await source.get(signal), ...certificate }),
    refused: () => source.refused(),
  };
}

/** A token that others replace in its file: it is read for each request. */
export async function fromTokenFile(
  path: string,
  file: string,
  what: string,
): Promise<CredentialSource> {
  const get = async () => {
    let token: string;
    try {
      token = (await Deno.readTextFile(path)).trim();
    } catch (error) {
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

/** The token that kubectl's own OpenID Connect login has left; `exec` replaced the other providers. */
function tokenOfProvider(user: KubeconfigUser, file: string, what: string): string {
  const { name, config = {} } = user["auth-provider"]!;
  if (name !== "oidc") {
    throw kubeconfigError(
      file,
      `${what} has the auth-provider '${name}', which kubectl has removed: use its exec plug-in`,
    );
  }
  const token = config["id-token"];
  if (token) return token;
  throw kubeconfigError(file, `${what} has an auth-provider without an id-token: log in again`);
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
  const { command, apiVersion = "", interactiveMode } = exec;
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
  { server, caPem, insecure }: ServerAccess,
): unknown {
  const config = cluster.extensions?.find(({ name }) =>
    name === "client.authentication.k8s.io/exec"
  );
  return {
    server,
    "tls-server-name": cluster["tls-server-name"],
    "insecure-skip-tls-verify": insecure || undefined,
    "certificate-authority-data": caPem && Buffer.from(caPem).toString("base64"),
    "proxy-url": cluster["proxy-url"],
    config: config?.extension,
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
  if (certificatePem === undefined && keyPem === undefined) return undefined;
  if (certificatePem === undefined || keyPem === undefined) {
    throw kubeconfigError(
      file,
      `${what} has a client-certificate or a client-key without the other`,
    );
  }
  checkCertificates(certificatePem, file, `${what}: client-certificate`);
  try {
    createPrivateKey(keyPem);
  } catch (error) {
    throw kubeconfigError(file, `${what}: client-key holds no private key in PEM`, error);
  }
  return { certificatePem, keyPem };
}

function impersonationOf(user: KubeconfigUser): [string, string][] {
  return [
    ...user.as ? [["Impersonate-User", user.as]] : [],
    ...user["as-uid"] ? [["Impersonate-Uid", user["as-uid"]]] : [],
    ...(user["as-groups"] ?? []).map((group) => ["Impersonate-Group", group]),
    ...Object.entries(user["as-user-extra"] ?? {}).flatMap(([key, values]) =>
      values.map((value) => [`Impersonate-Extra-${encodeURIComponent(key)}`, value])
    ),
  ] as [string, string][];
}
