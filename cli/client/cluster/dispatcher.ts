import { connect as connectTls } from "node:tls";
import type { checkServerName } from "./check_server_name.ts";
import { SocksClient } from "socks";
import { Agent, type Dispatcher, ProxyAgent } from "undici";

/** Whom a TLS connection is made with, and who makes it; the names are those of `node:tls`. */
export interface TlsOptions {
  ca?: string;
  cert?: string;
  key?: string;
  servername?: string;
  rejectUnauthorized?: boolean;
  checkServerIdentity?: typeof checkServerName;
}

/** Connections are kept open with probes more often than load balancers cut them; client-go's. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Opens what keeps connections to one server: directly or by the proxy of that URL, over HTTP,
 * HTTPS or SOCKS5. As in Go, an HTTPS proxy has to have a certificate of the same authorities.
 */
export function openDispatcher(tls: TlsOptions, proxy?: string): Dispatcher {
  const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  if (proxy === undefined) return new Agent({ connect });
  return /^socks/i.test(proxy)
    ? new Agent({ connect: socksConnector(proxy, tls) })
    : new ProxyAgent({ uri: proxy, requestTls: tls, proxyTls: nameProxy(tls) });
}

/**
 * Undici 8.7 takes a proxy's IP address for the name that TLS asks for, which Deno refuses. Where
 * the certificate is not looked at, any name does.
 */
function nameProxy(tls: TlsOptions): TlsOptions {
  return tls.rejectUnauthorized === false ? { servername: "proxy", ...tls } : tls;
}

/** Connects through a SOCKS proxy, which looks up the server's name. */
function socksConnector(proxy: string, tls: TlsOptions): NonNullable<Agent.Options["connect"]> {
  const { hostname, port, username, password } = new URL(proxy);
  return ({ hostname: host, port: destinationPort, protocol, servername }, callback) => {
    SocksClient.createConnection({
      proxy: {
        host: hostname.replace(/^\[|\]$/g, ""),
        port: Number(port) || 1080,
        type: 5,
        ...username !== "" && {
          userId: decodeURIComponent(username),
          password: decodeURIComponent(password),
        },
      },
      command: "connect",
      destination: { host, port: Number(destinationPort) || (protocol === "https:" ? 443 : 80) },
    }).then(({ socket }) => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      if (protocol !== "https:") return callback(null, socket);
      const encrypted = connectTls({
        ...tls,
        socket,
        servername: tls.servername ?? servername ?? host,
      });
      encrypted.once("secureConnect", () => callback(null, encrypted));
      encrypted.once("error", (error) => callback(error, null));
    }, (error) => callback(error, null));
  };
}
