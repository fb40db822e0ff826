/**
 * Has grpc-js speak over a stream that is there already, such as a tunnel's: see
 * `docs/decisions/tunnel.md`.
 *
 * grpc-js has no option for that: it connects with `net.connect`, which it looks up on the module
 * each time. Here `net.connect` knows names of sockets that are in no file system and stand for a
 * stream each. All other connections are made as before.
 *
 * @module
 */
import net from "node:net";
import { Duplex } from "node:stream";

/** A name under which grpc-js finds a stream, once. */
export interface StreamTarget extends Disposable {
  /** For grpc-js's client. */
  target: string;
}

/** What is called on a `net.Socket` by those who get one from `net.connect`. */
const SOCKET_METHODS = ["setNoDelay", "setKeepAlive", "setTimeout", "ref", "unref"];

/** No directory's name. */
const PREFIX = `/necoperf-stream-${crypto.randomUUID()}/`;

const streams = new Map<string, Duplex>();
let count = 0;

/** Gives a name to a stream. The stream is destroyed when the name is disposed of. */
export function offerStream(stream: Duplex): StreamTarget {
  const path = `${PREFIX}${++count}`;
  streams.set(path, stream);
  return {
    target: `unix:${path}`,
    [Symbol.dispose]() {
      streams.delete(path);
      stream.destroy();
    },
  };
}

const connectSocket = net.connect;

net.connect = ((...args: Parameters<typeof net.connect>) => {
  const [options, onConnect] = args as unknown as [{ path?: unknown }, (() => void) | undefined];
  const path = options?.path;
  if (typeof path !== "string" || !path.startsWith(PREFIX)) return connectSocket(...args);
  const stream = streams.get(path);
  // Not twice: who connects again wants another connection.
  streams.delete(path);
  if (!stream || stream.destroyed) {
    const ended = new Duplex();
    setImmediate(() => ended.destroy(new Error("the tunnel has ended")));
    return ended;
  }
  setImmediate(() => stream.destroyed || onConnect?.());
  return Object.assign(
    stream,
    Object.fromEntries(SOCKET_METHODS.map((name) => [name, () => stream])),
  );
}) as typeof net.connect;
