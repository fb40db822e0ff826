import { Buffer } from "node:buffer";
import process from "node:process";
import { escapeControls } from "../../escape_controls.ts";
import { kubeconfigError } from "./kubeconfig_error.ts";
import type { ApiConnection } from "./kubectl_config.ts";
import { checkCertificates, readPem } from "./kubeconfig_pem.ts";
import type { KubeconfigCluster, KubeconfigEntry } from "./parse_kubeconfig.ts";
import { proxyFromEnvironment } from "./proxy_from_environment.ts";

/** How an API server is reached, credentials apart. */
export interface ServerAccess extends Omit<ApiConnection, "credentials" | "impersonation"> {
  /** `Basic ...`, from a user and a password in the server's URL, as Go's HTTP client sends it. */
  urlAuthorization?: string;
}

/**
 * Takes from a cluster of a kubeconfig file how its API server is reached. `what` names the cluster in
 * messages. Throws a `CliError` (exit status 2).
 */
export async function readServer(
  { value: cluster, file }: KubeconfigEntry<KubeconfigCluster>,
  what: string,
): Promise<ServerAccess> {
  const wrong = (reason: string, cause?: unknown) =>
    kubeconfigError(file, `${what} ${reason}`, cause);
  const { server = "", "proxy-url": proxyUrl } = cluster;
  if (server === "") throw wrong("has no server");
  const url = URL.parse(server.includes("://") ? server : `http://${server}`);
  if (!url || !["https:", "http:"].includes(url.protocol)) {
    throw wrong(`has a server that is not a URL of HTTPS or HTTP: ${withoutPassword(server)}`);
  }
  const insecure = cluster["insecure-skip-tls-verify"] ?? false;
  const data = cluster["certificate-authority-data"];
  const authority = cluster["certificate-authority"];
  if (insecure && (data || authority)) {
    throw wrong("has a certificate-authority and insecure-skip-tls-verify: remove one of them");
  }
  let caPem: string | undefined;
  if (!insecure) {
    caPem = await readPem(data, authority, file, `${what}: certificate-authority`);
    if (caPem !== undefined) checkCertificates(caPem, file, `${what}: certificate-authority`);
    else caPem = await systemAuthorities();
  }
  if (proxyUrl) {
    const protocol = URL.parse(proxyUrl)?.protocol ?? "";
    if (!["http:", "https:", "socks5:", "socks5h:"].includes(protocol)) {
      throw wrong(`has the proxy-url '${proxyUrl}', which is not one of http, https or socks5`);
    }
  }
  const { username, password } = url;
  return {
    server: `${url.origin}${url.pathname}`,
    urlAuthorization: username || password
      ? basic(decodeURIComponent(username), decodeURIComponent(password))
      : undefined,
    caPem,
    serverName: cluster["tls-server-name"] || undefined,
    insecure,
    proxy: proxyUrl || proxyFromEnvironment(url, (name) => process.env[name]),
  };
}

/** A URL for messages. */
function withoutPassword(url: string): string {
  return escapeControls(url.replace(/\/\/[^/@]*@/, "//"));
}

/** The value of `Authorization` for a user and a password. */
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** Where systems keep the certificates of public authorities, all in one file. */
const SYSTEM_CA_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The system's authorities, for an API server with a public certificate. Not there: Deno's own. */
export async function systemAuthorities(): Promise<string | undefined> {
  for (const file of SYSTEM_CA_FILES) {
    const pem = await readIfThere(file);
    if (pem) return pem;
  }
}

/** Reads a file; `undefined` when that is not possible. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
}
