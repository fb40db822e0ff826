import { KubeConfig, type RequestContext } from "@kubernetes/client-node";
import type { RequestOptions } from "node:https";
import type { Dispatcher } from "undici";
import { checkServerName } from "./check_server_name.ts";
import type { Credentials, CredentialSource } from "./credential_source.ts";
import { openDispatcher, type TlsOptions } from "./dispatcher.ts";
import { toHeaderValue } from "./header_text.ts";

/** How to reach an API server, and as whom. */
export interface ApiConnection {
  /** URL of the API server. */
  server: string;
  /** Certificates of the authorities that may vouch for the server, PEM. */
  caPem?: string;
  /** The name in the server's certificate, instead of the host in the URL. */
  serverName?: string;
  /** Does not check the server's certificate. */
  insecure?: boolean;
  /** URL of an HTTP, HTTPS or SOCKS5 proxy. */
  proxy?: string;
  credentials: CredentialSource;
  /** Headers that say whom to act as; a name can be there several times. */
  impersonation: [name: string, value: string][];
}

/**
 * client-node's configuration, with what it does unlike kubectl (2.0.1) put right:
 *
 * - it makes a new connection for each request (`applySecurityAuthentication` makes a dispatcher);
 *   this one keeps it, until the credentials' certificate changes;
 * - it knows no `as-groups`, `as-uid` and `as-user-extra`, and joins the values of a header;
 * - credential plug-ins get no `KUBERNETES_EXEC_INFO`, and run although there is a certificate;
 * - a SOCKS proxy's user and password are ignored;
 * - it refuses servers without TLS, such as `kubectl proxy`.
 *
 * When client-node does these as kubectl does, `KubeConfig` itself will do:
 * `tests/cli/client/cluster` has a test for each.
 */
export class KubectlConfig extends KubeConfig {
  #dispatcher: { dispatcher: Dispatcher; certificatePem?: string } | undefined;
  readonly #impersonation: [name: string, value: string][];

  constructor(private readonly connection: ApiConnection) {
    super();
    const { server, serverName, insecure = false, proxy } = connection;
    this.loadFromClusterAndUser(
      {
        name: "cluster",
        server: server.replace(/\/+$/, ""),
        tlsServerName: serverName,
        skipTLSVerify: insecure,
        proxyUrl: proxy,
      },
      { name: "user" },
    );
    this.#impersonation = connection.impersonation.map((
      [name, value],
    ) => [name, toHeaderValue(value)]);
  }

  /** Prepares an API call. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    const credentials = await this.connection.credentials.get(context.getSignal());
    if (credentials.authorization !== undefined) {
      context.setHeaderParam("Authorization", toHeaderValue(credentials.authorization));
    }
    context.setDispatcher(this.#dispatcherFor(credentials));
  }

  /** Prepares a WebSocket. */
  override async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    const { server, proxy, credentials: source } = this.connection;
    const credentials = await source.get();
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of this.#impersonation) {
      headers[name] = [...[headers[name] ?? []].flat(), value];
    }
    const { authorization } = credentials;
    if (authorization !== undefined) headers.Authorization = toHeaderValue(authorization);
    Object.assign(options, { headers, ...this.#tlsOptions(credentials) });
    if (proxy === undefined) return;
    const { agentForProxy } = await import("./proxy_agent.ts");
    options.agent = agentForProxy(proxy, server, this.#tlsOptions(credentials));
  }

  /** Hears that the API server refused a request of that time; says whether to try again. */
  refused(sentAtMs: number): boolean {
    return this.connection.credentials.refused(sentAtMs);
  }

  /** Ends the connections. */
  async close(): Promise<void> {
    await this.#dispatcher?.dispatcher.destroy();
  }

  #dispatcherFor(credentials: Credentials): Dispatcher {
    const { certificatePem } = credentials;
    if (this.#dispatcher && this.#dispatcher.certificatePem === certificatePem) {
      return this.#dispatcher.dispatcher;
    }
    // Calls that are under way end by themselves.
    this.#dispatcher?.dispatcher.close();
    const impersonation = this.#impersonation;
    const dispatcher = openDispatcher(this.#tlsOptions(credentials), this.connection.proxy);
    this.#dispatcher = {
      dispatcher: impersonation.length === 0
        ? dispatcher
        : dispatcher.compose((dispatch) => (options, handler) =>
          dispatch({ ...options, headers: addHeaders(options.headers, impersonation) }, handler)
        ),
      certificatePem,
    };
    return this.#dispatcher.dispatcher;
  }

  #tlsOptions({ certificatePem, keyPem }: Credentials): TlsOptions {
    const { caPem, serverName, insecure } = this.connection;
    return {
      ...caPem !== undefined && { ca: caPem },
      ...certificatePem !== undefined && { cert: certificatePem },
      ...keyPem !== undefined && { key: keyPem },
      ...serverName !== undefined && { servername: serverName },
      ...insecure ? { rejectUnauthorized: false } : { checkServerIdentity: checkServerName },
    };
  }
}

/** Headers in undici's flat form, with more at their end. */
function addHeaders(
  headers: Dispatcher.DispatchOptions["headers"],
  more: [name: string, value: string][],
): string[] {
  const entries: [string, unknown][] = Array.isArray(headers)
    ? pairs(headers as string[])
    : headers && Symbol.iterator in headers
    ? [...headers as Iterable<[string, string]>]
    : Object.entries(headers ?? {});
  const flat = entries.flatMap(([name, value]) =>
    [value].flat().flatMap((each) => each === undefined ? [] : [name, String(each)])
  );
  return [...flat, ...more.flat()];
}

function pairs(flat: string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at], flat[2 * at + 1]]);
}
