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
}

/** Passes TCP connections on to a daemon. */
export function startRelay(target: string, options: RelayOptions = {}): Relay {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.Conn>();
  let total = 0;
  let listening = true;
  const cut = () => {
    for (const one of open) one.close();
    open.clear();
  };
  const relay: Relay = {
    address: `127.0.0.1:${port}`,
    target,
    connections: 0,
    cut,
    [Symbol.dispose]: () => {
      if (listening) listener.close();
      listening = false;
      cut();
    },
  };
  const forward = async (from: Deno.Conn, to: Deno.Conn, fromDaemon: boolean) => {
    const chunk = new Uint8Array(16 * 1024);
    try {
      for (let length; (length = await from.read(chunk)) !== null;) {
        if (fromDaemon) await options.onBytes?.(total += length);
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent, length));
      }
    } catch {
      // The connection was cut, here or by a peer.
    }
    // Whatever ends one half ends the connection.
    for (const one of [from, to]) if (open.delete(one)) one.close();
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
      forward(client, daemon, false);
      forward(daemon, client, true);
    }
  })().catch(() => {});
  return relay;
}
