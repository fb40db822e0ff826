import { TOKEN_AUDIENCE } from "../../../proto/defaults.ts";
import { tokenFromFile, tokenOnRequest, type TokenSource } from "./bearer_token.ts";
import type { ClientCertificate } from "./certificates.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { isLoopback } from "./loopback.ts";
import type { Cluster } from "../cluster/kubernetes.ts";
import { findServiceAccount, USUAL_SERVICE_ACCOUNT } from "./find_service_account.ts";
import { fileExists } from "./small_file.ts";

/** How the caller of a daemon proves who it is, and how it knows the daemon. */
export interface AccessOptions {
  /** Holds a bearer token for the audience `necoperf`. Default: `SECRETS_DIRECTORY`'s `token`. */
  tokenFile?: string;
  /**
   * A service account in the target's namespace. Without a file, a token of it is asked of the API
   * server. Default, where a token may be sent and there is no client certificate: the one that
   * `findServiceAccount` finds.
   */
  serviceAccount?: string;
  /**
   * Holds the certificates of the authorities that may vouch for a daemon. Default:
   * `SECRETS_DIRECTORY`'s `ca.crt`, else the ConfigMap `necoperf-ca` in the daemons' namespace.
   */
  caFile?: string;
  /** The name in the daemon's certificate. Default: `necoperf-daemon.<its namespace>.svc`. */
  tlsServerName?: string;
  /** A client certificate and its key: both or neither. */
  clientCertificateFile?: string;
  /** The private key of `clientCertificateFile`. */
  clientKeyFile?: string;
  /** Sends the token over plain text to any address, where others on the network can read it. */
  insecureSendToken?: boolean;
}

/** Everything that a connection to a daemon takes beside its address. */
export interface DaemonCredentials {
  /** Asked before each call. Not there: calls are made without a token, and the daemon decides. */
  token?: TokenSource;
  /** Whose token it is, where nobody has named a service account or a file. */
  foundServiceAccount?: { namespace: string; name: string };
  /** Whose token it may be: `chooseServiceAccount` asks a daemon. */
  candidates?: ServiceAccountCandidates;
  /** Why there is no token, where one was looked for; for messages. */
  noTokenBecause?: string;
  /** Whether the connection is encrypted, and by what the daemon is known. */
  connection: TlsConnection | PlainConnection;
}

/**
 * Service accounts of a namespace of which a caller may have tokens, first those to be preferred.
 */
export interface ServiceAccountCandidates {
  /** Whose accounts they are. */
  namespace: string;
  /** Their name. */
  names: string[];
  /** Has tokens of one made. */
  tokenOf(name: string): TokenSource;
}

/** Encrypted, to a daemon that proves its name. There is no way back to plain text. */
export interface TlsConnection {
  /** Distinguishes it from a `PlainConnection`. */
  kind: "tls";
  /** Certificates of the authorities of which one has to vouch for the daemon. */
  authoritiesPem: string;
  /** The name in the daemon's certificate. */
  serverName: string;
  /** Shows who calls, for daemons that want one. */
  clientCertificate?: ClientCertificate;
}

/** Readable and changeable on its way. */
export interface PlainConnection {
  /** Distinguishes it from a `TlsConnection`. */
  kind: "plain";
  /** Why it is not encrypted, for messages. */
  because: string;
  /** Takes the risk of sending the token over it. */
  sendToken?: boolean;
}

/** The access when no option says otherwise. */
export const NO_CREDENTIALS: DaemonCredentials = {
  connection: { kind: "plain", because: "no CA certificate was given (--ca-file FILE)" },
};

/** Where a pod's projected volume has its token (`token`) and the daemons' authority (`ca.crt`). */
const SECRETS_DIRECTORY = "/var/run/secrets/necoperf";

const CA_CONFIG_MAP = { name: "necoperf-ca", key: "ca.crt" };

/** The shortest that the API server makes. */
const TOKEN_LIFETIME_SECONDS = 600;

/** What the files that were named, and those in their usual places, give. */
interface AccessFiles {
  token?: TokenSource;
  authoritiesPem?: string;
  /** Shows who calls, for daemons that want one. */
  clientCertificate?: ClientCertificate;
}

/**
 * Reads the files of an access. Nothing is contacted.
 *
 * Throws a `CliError` that names a file and never its content: it is missing or of no use (exit
 * status 2), or its token is meant for somebody else (4).
 */
export async function readAccessFiles(
  options: AccessOptions,
  secretsDirectory = SECRETS_DIRECTORY,
): Promise<AccessFiles> {
  const usual = async (name: string) => {
    const path = `${secretsDirectory}/${name}`;
    return await fileExists(path) ? path : undefined;
  };
  const tokenFile = options.tokenFile ?? await usual("token");
  const token = tokenFile === undefined ? undefined : tokenFromFile(tokenFile);
  // Only to see that it is good: it is read again for each call.
  await token?.();

  const caFile = options.caFile ?? await usual("ca.crt");
  const { clientCertificateFile, clientKeyFile } = options;
  if ((clientCertificateFile === undefined) !== (clientKeyFile === undefined)) {
    throw new CliError(
      ExitStatus.USAGE,
      "a client certificate and its private key go together: give both",
    );
  }
  if (caFile === undefined && clientCertificateFile === undefined) return { token };
  // Parsing certificates takes a library that is large for what most runs need.
  const { readAuthorities, readClientCertificate } = await import("./certificates.ts");
  return {
    token,
    authoritiesPem: caFile === undefined ? undefined : await readAuthorities(caFile),
    clientCertificate: clientCertificateFile === undefined
      ? undefined
      : await readClientCertificate(clientCertificateFile, clientKeyFile!),
  };
}

/** What a cluster adds to the files. */
interface ClusterPart {
  cluster: Pick<
    Cluster,
    | "readConfigMapKey"
    | "requestToken"
    | "mayServiceAccountAccess"
    | "readTokenRights"
    | "listServiceAccounts"
  >;
  /** The namespace of the container that is to be profiled. */
  targetNamespace: string;
}

/**
 * Puts an access together from its files and, if there is a cluster to ask, what that knows. A
 * token of a service account that is named is asked of the cluster only when it is needed.
 *
 * Throws a `CliError`: the ConfigMap cannot be read for another reason than that it is not there or
 * not the caller's to read, or it holds no certificate (exit status 5); TLS was asked for, and
 * nothing says which authority to trust (2).
 */
export async function completeAccess(
  files: AccessFiles,
  options: AccessOptions,
  necoperfNamespace: string,
  part?: ClusterPart,
): Promise<DaemonCredentials> {
  const connection = await completeConnection(files, options, necoperfNamespace, part?.cluster);
  return { ...await completeToken(files, options, connection, part), connection };
}

async function completeConnection(
  { authoritiesPem: inFile, clientCertificate }: AccessFiles,
  options: AccessOptions,
  necoperfNamespace: string,
  cluster?: ClusterPart["cluster"],
): Promise<TlsConnection | PlainConnection> {
  let authoritiesPem = inFile;
  let because = "no CA certificate is known to check the daemon's with (give --ca-file FILE)";
  if (authoritiesPem === undefined && cluster) {
    const found = await findAuthorities(cluster, necoperfNamespace);
    if ("pem" in found) authoritiesPem = found.pem;
    else because = `${because}: ${found.missing}`;
  }
  if (authoritiesPem !== undefined) {
    const serverName = options.tlsServerName ?? `necoperf-daemon.${necoperfNamespace}.svc`;
    return { kind: "tls", authoritiesPem, serverName, clientCertificate };
  }
  if (options.tlsServerName !== undefined || clientCertificate) {
    throw new CliError(ExitStatus.USAGE, `TLS was asked for, but ${because}`);
  }
  return { kind: "plain", because, sendToken: options.insecureSendToken };
}

/** Finds the token, if there is one, that goes over a connection. */
async function completeToken(
  { token, clientCertificate }: AccessFiles,
  { serviceAccount }: AccessOptions,
  connection: TlsConnection | PlainConnection,
  part?: ClusterPart,
): Promise<Omit<DaemonCredentials, "connection">> {
  if (token || !part) return { token };
  const { cluster, targetNamespace: namespace } = part;
  // For the daemons alone: the API server, and all else, refuses it.
  const spec = { audience: TOKEN_AUDIENCE, lifetimeSeconds: TOKEN_LIFETIME_SECONDS };
  const requestOf = (name: string) => (signal?: AbortSignal) =>
    cluster.requestToken(namespace, name, spec, signal);
  if (serviceAccount !== undefined) return { token: tokenOnRequest(requestOf(serviceAccount)) };
  // It says who calls.
  if (clientCertificate) return {};
  if (connection.kind === "plain" && !connection.sendToken) {
    return {
      noTokenBecause:
        `the connection to the daemon is not encrypted, because ${connection.because}`,
    };
  }
  const found = await findServiceAccount(cluster, namespace, (name) => requestOf(name)());
  if ("missing" in found) return { noTokenBecause: found.missing };
  if ("candidates" in found) {
    const tokenOf = (name: string) =>
      tokenOnRequest(requestOf(name), {
        first: name === USUAL_SERVICE_ACCOUNT ? found.usual : undefined,
      });
    return { candidates: { namespace, names: found.candidates, tokenOf } };
  }
  const { name, issued } = found;
  return {
    token: tokenOnRequest(requestOf(name), { first: issued }),
    foundServiceAccount: { namespace, name },
  };
}

/**
 * What to tell a caller whom a daemon does not know, and who sent no token: why there was none, and
 * where one comes from. Nothing for a caller who sent one.
 */
export function missingTokenHint(
  { token, noTokenBecause }: DaemonCredentials,
): string | undefined {
  if (token) return undefined;
  const file = `a file with a token for the audience '${TOKEN_AUDIENCE}' with --token-file`;
  return noTokenBecause === undefined
    ? `no token was sent: name ${file} or, without --daemon, a service account of the pod's ` +
      "namespace with --service-account"
    : `no token was sent: ${noTokenBecause}\nor name ${file}`;
}

async function findAuthorities(
  cluster: ClusterPart["cluster"],
  namespace: string,
): Promise<{ pem: string } | { missing: string }> {
  const { name, key } = CA_CONFIG_MAP;
  const answer = await cluster.readConfigMapKey(namespace, name, key);
  if ("missing" in answer) return answer;
  const { holdsCertificate } = await import("./certificates.ts");
  // Whoever made it wanted TLS: to go on without would be the fallback that there is not.
  if (!holdsCertificate(answer.text)) {
    throw new CliError(
      ExitStatus.UNREACHABLE,
      `ConfigMap ${namespace}/${name} holds no PEM certificate under ${key}; ` +
        "ask the cluster's administrators, or give --ca-file FILE",
    );
  }
  return { pem: answer.text };
}

/**
 * Throws a `CliError` (exit status 4) when a token would have to go to `address` in a way that
 * others can read: the API server and the kubelet are such others.
 */
export function refuseToExposeToken(
  { token, connection }: DaemonCredentials,
  address: string,
  { isTunnelled = false }: { isTunnelled?: boolean } = {},
): void {
  if (!token || connection.kind === "tls" || connection.sendToken) return;
  if (!isTunnelled && isLoopback(address)) return;
  throw new CliError(
    ExitStatus.NOT_ALLOWED,
    `the token was not sent: the connection to ${address} would not be encrypted, because ` +
      `${connection.because}\n` +
      "--insecure-send-token sends it anyway, where others on the network can read it",
  );
}
