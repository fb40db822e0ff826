/**
 * Says whether what is sent to `host:port` stays on this machine.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert(isLoopback("127.0.0.1:6543"));
 * assert(!isLoopback("127.0.0.1.example:6543"));
 * ```
 */
export function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, "").toLowerCase();
  // The name `localhost` is never asked of a name server: RFC 6761, section 6.3.
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}
