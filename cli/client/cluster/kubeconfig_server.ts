import { Buffer } from "node:buffer";
import process from "node:process";
import { escapeControls } from "../../escape_controls.ts";
import { kubeconfigError } from "./kubeconfig_error.ts";
import type { ApiConnection } from "./kubectl_config.ts";
import { readCertificates, readPem } from "./kubeconfig_pem.ts";
import type { KubeconfigCluster, KubeconfigEntry } from "./parse_kubeconfig.ts";
import { parseProxy, proxyFromEnvironment } from "./proxy_from_environment.ts";

/** How an API server is reached, credentials apart. */
export interface ServerAccess extends Omit<ApiConnection, "credentials" | "impersonation"> {
  /** `Basic ...`, from a user and a password in the server's URL, as Go's HTTP client sends it. */
  urlAuthorization?: string;
  /** The certificates that the kubeconfig names, PEM, as it has them; not the system's. */
  authorityPem?: string;
}

/**
 * Takes from a cluster of a kubeconfig file how its API server is reached. `what` names the cluster
 * in messages. Throws a `CliError` (exit status 2).
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
  // What is wrong for Go, and put right by what follows the rules for browsers.
  if (!url || !["https:", "http:"].includes(url.protocol) || /^\s|\s$|\\/.test(server)) {
    throw wrong(`has a server that is not a URL of HTTPS or HTTP: ${withoutPassword(server)}`);
  }
  const insecure = cluster["insecure-skip-tls-verify"] ?? false;
  const data = cluster["certificate-authority-data"];
  const authority = cluster["certificate-authority"];
  if (insecure && (data || authority)) {
    throw wrong("has a certificate-authority and insecure-skip-tls-verify: remove one of them");
  }
  const authorityPem = insecure
    ? undefined
    : await readPem(data, authority, file, `${what}: certificate-authority`);
  if (proxyUrl) {
    const protocol = URL.parse(proxyUrl)?.protocol ?? "";
    if (!["http:", "https:", "socks5:"].includes(protocol) || !parseProxy(proxyUrl)) {
      throw wrong(
        `has the proxy-url '${
          withoutPassword(proxyUrl)
        }', which is not one of http, https or socks5`,
      );
    }
  }
  const { username, password } = url;
  return {
    server: `${url.origin}${url.pathname}`,
    urlAuthorization: username || password
      ? basic(decodeURIComponent(username), decodeURIComponent(password))
      : undefined,
    authorityPem,
    caPem: authorityPem !== undefined
      ? readCertificates(authorityPem, file, `${what}: certificate-authority`)
      : insecure
      ? undefined
      : await systemAuthorities(),
    serverName: cluster["tls-server-name"] || undefined,
    insecure,
    proxy: proxyUrl ? parseProxy(proxyUrl) : proxyFromEnvironment(url, (name) => process.env[name]),
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
