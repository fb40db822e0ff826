import { IdleTimer } from "../../daemon/recordings/idle_timer.ts";

/** A way to a daemon that can be cut, held up and led elsewhere. */
export interface Relay extends Disposable {
  /** `host:port` for the client. */
  address: string;
  /** `host:port` of the daemon, for connections from now on. */
  target: string;
  /** How many connections were made. */
  connections: number;
  /** Closes every connection; new ones are taken. */
  cut(): void;
}

/** How a relay behaves. */
interface RelayOptions {
  /** Called with the bytes that came from the daemon so far, before they are passed on. */
  onBytes?(total: number): Promise<unknown> | void;
  /** Cuts a connection on which nothing came from either side for so long, as load balancers do. */
  idleSeconds?: number;
  /** The address at which it listens. Default: loopback. */
  hostname?: string;
}

/** Passes TCP connections on to a daemon. */
export function startRelay(target: string, options: RelayOptions = {}): Relay {
  const { hostname: ownAddress = "127.0.0.1" } = options;
  const listener = Deno.listen({ hostname: ownAddress, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.Conn>();
  let total = 0;
  let listening = true;
  const close = (...connections: Deno.Conn[]) => {
    for (const one of connections) if (open.delete(one)) one.close();
  };
  const cut = () => close(...open);
  const relay: Relay = {
    address: `${ownAddress}:${port}`,
    target,
    connections: 0,
    cut,
    [Symbol.dispose]: () => {
      if (listening) listener.close();
      listening = false;
      cut();
    },
  };
  const forward = async (
    [from, to]: Deno.Conn[],
    idleTimer: IdleTimer | undefined,
    fromDaemon: boolean,
  ) => {
    const chunk = new Uint8Array(16 * 1024);
    try {
      for (let length; (length = await from.read(chunk)) !== null;) {
        idleTimer?.heard();
        if (fromDaemon) await options.onBytes?.(total += length);
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent, length));
      }
    } catch {
      // The connection was cut, here or by a peer.
    }
    // Whatever ends one half ends the connection.
    idleTimer?.end();
    close(from, to);
  };
  (async () => {
    for await (const client of listener) {
      relay.connections++;
      const [hostname, daemonPort] = relay.target.split(":");
      let daemon: Deno.TcpConn;
      try {
        daemon = await Deno.connect({ hostname, port: Number(daemonPort) });
      } catch {
        client.close();
        continue;
      }
      for (const one of [client, daemon]) one.setNoDelay();
      open.add(client).add(daemon);
      const { idleSeconds } = options;
      const idleTimer = idleSeconds
        ? new IdleTimer(idleSeconds * 1000, () => close(client, daemon))
        : undefined;
      forward([client, daemon], idleTimer, false);
      forward([daemon, client], idleTimer, true);
    }
  })().catch(() => {});
  return relay;
}
