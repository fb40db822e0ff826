/**
 * A peer that speaks HTTP/2 by hand: it sends what a runtime's own `node:http2` would not, and
 * cannot itself be hit by what is tested.
 *
 * @module
 */

const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const HEADERS_TYPE = 1;
const SETTINGS = frame(4, []);

function frame(type: number, payload: number[]): Uint8Array {
  return Uint8Array.from([0, 0, payload.length, type, 0, 0, 0, 0, 0, ...payload]);
}

/** GOAWAY on all streams; 0 is no error, 11 is "enhance your calm". */
function goaway(errorCode: number): Uint8Array {
  return frame(7, [0, 0, 0, 0, 0, 0, 0, errorCode]);
}

async function writeAll(connection: Deno.Conn, ...parts: Uint8Array[]): Promise<void> {
  for (const part of parts) {
    for (let offset = 0; offset < part.length;) {
      offset += await connection.write(part.subarray(offset));
    }
  }
}

/** Reads until the other side closes or a frame of this type has come, after `skipBytes`. */
async function readUntilFrame(
  connection: Deno.Conn,
  skipBytes: number,
  type?: number,
): Promise<void> {
  let bytes = new Uint8Array();
  const buffer = new Uint8Array(16 * 1024);
  for (let offset = skipBytes;;) {
    while (bytes.length >= offset + 9) {
      if (bytes[offset + 3] === type) return;
      offset += 9 + (bytes[offset] << 16 | bytes[offset + 1] << 8 | bytes[offset + 2]);
    }
    const read = await connection.read(buffer);
    if (read === null) return;
    bytes = Uint8Array.from([...bytes, ...buffer.subarray(0, read)]);
  }
}

/** Connects to a server, says GOAWAY with this error, and waits for the server to hang up. */
export async function sayGoawayToServer(address: string, errorCode: number): Promise<void> {
  const [hostname, port] = address.split(":");
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await writeAll(connection, PREFACE, SETTINGS, goaway(errorCode));
  await readUntilFrame(connection, 0);
}

/**
 * Serves a unix socket, or a TCP port on loopback: answers the first call on each connection with a
 * GOAWAY of this error, the way a server does that will have no more of a client. Disposing of it
 * frees the socket's path.
 */
export function serveGoaway(
  place: { path: string } | { port: number },
  errorCode: number,
): AsyncDisposable & { calls: number } {
  const listener = "path" in place
    ? Deno.listen({ transport: "unix", ...place })
    : Deno.listen({ hostname: "127.0.0.1", ...place });
  const server = { calls: 0, [Symbol.asyncDispose]: () => Promise.resolve() };
  const serve = async (connection: Deno.Conn) => {
    using open = connection;
    await writeAll(open, SETTINGS);
    await readUntilFrame(open, PREFACE.length, HEADERS_TYPE);
    server.calls++;
    await writeAll(open, goaway(errorCode));
    await readUntilFrame(open, 0);
  };
  const serving = (async () => {
    const connections: Promise<void>[] = [];
    for await (const connection of listener) {
      // A client that has crashed resets the connection; the test looks at the client.
      connections.push(serve(connection).catch(() => {}));
    }
    await Promise.all(connections);
  })();
  server[Symbol.asyncDispose] = async () => {
    listener.close();
    await serving;
    if ("path" in place) await Deno.remove(place.path).catch(() => {});
  };
  return server;
}
