import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * A TCP proxy in front of a daemon. Its end, and that of its connections, comes with the test's.
 */
interface TestProxy extends AsyncDisposable {
  /** `host:port`. */
  address: string;
  /** From now on nothing comes through, and nobody is told: as when a cable is pulled. */
  cut(): void;
}

/**
 * Starts a proxy to `host:port`, whose connections come from a loopback address of one's choice.
 */
export async function startProxy(
  target: string,
  { from = "127.0.0.1" }: { from?: string } = {},
): Promise<TestProxy> {
  const [host, port] = target.split(":");
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port), localAddress: from });
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
      socket.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
