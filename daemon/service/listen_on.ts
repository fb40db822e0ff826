import type { AddressInfo, Server } from "node:net";

/**
 * Has a server listen and resolves with its port. `address` has no port; an IPv6 one may be in
 * brackets. Rejects with words for an administrator when the server cannot listen there.
 */
export async function listenOn(server: Server, address: string, port: number): Promise<number> {
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, address.replace(/^\[|\]$/g, ""), () => resolve());
  try {
    await listening;
  } catch (error) {
    throw new Error(`cannot listen on ${address}:${port}: ${(error as Error).message}`);
  }
  // Go on when a connection cannot be accepted.
  server.on("error", () => {});
  return (server.address() as AddressInfo).port;
}
