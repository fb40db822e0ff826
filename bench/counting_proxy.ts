/** Passes TCP connections on and counts what goes through. */
interface CountingProxy extends AsyncDisposable {
  /** `host:port` to connect to. */
  address: string;
  /** Bytes so far, in both directions. */
  sentBytes: number;
  receivedBytes: number;
}

/** Starts a proxy on loopback for connections to `host:port`. */
export function startCountingProxy(target: string): CountingProxy {
  const { hostname, port } = new URL(`tcp://${target}`);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxy: CountingProxy = {
    address: `127.0.0.1:${listener.addr.port}`,
    sentBytes: 0,
    receivedBytes: 0,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
    },
  };
  const pass = async (connection: Deno.TcpConn) => {
    const upstream = await Deno.connect({ hostname, port: Number(port) });
    const count = (add: (bytes: number) => void) =>
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          add(chunk.length);
          controller.enqueue(chunk);
        },
      });
    await Promise.allSettled([
      connection.readable.pipeThrough(count((bytes) => proxy.sentBytes += bytes))
        .pipeTo(upstream.writable),
      upstream.readable.pipeThrough(count((bytes) => proxy.receivedBytes += bytes))
        .pipeTo(connection.writable),
    ]);
  };
  const accepting = (async () => {
    for await (const connection of listener) void pass(connection);
  })();
  return proxy;
}
