/**
 * Agents for those who have a proxy.
 *
 * @module
 */
import type { Agent } from "node:http";
import type { AgentOptions } from "node:https";
import { HttpProxyAgent, HttpsProxyAgent } from "hpagent";
import { SocksProxyAgent } from "socks-proxy-agent";

/** Makes the agent with which a WebSocket reaches `server` through an HTTP or SOCKS proxy. */
export function agentForProxy(proxy: string, server: string, tls: AgentOptions): Agent {
  // A SOCKS proxy looks up the server's name, as for kubectl: who needs one may not know it.
  if (proxy.startsWith("socks")) {
    return new SocksProxyAgent(proxy.replace(/^socks5?:/, "socks5h:"), tls);
  }
  return server.startsWith("https:")
    ? new HttpsProxyAgent({ proxy, ...tls, proxyRequestOptions: tls as { ca?: string[] } })
    : new HttpProxyAgent({ proxy });
}
