import { Buffer } from "node:buffer";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import net, { type AddressInfo, type Server } from "node:net";

/** Proxies of each kind that a kubeconfig file can name, all of which lead to one port. */
export interface ForwardProxies extends AsyncDisposable {
  urls: { http: string; https: string; socks5: string };
  /** What they were asked for, and by whom: `http CONNECT api.example:6443 Basic ...`. */
  proxied: string[];
}

/** Starts proxies that lead to a port of this machine, whatever they are asked for. */
export async function startForwardProxies(
  port: number,
  certificate: { cert: string; key: string },
): Promise<ForwardProxies> {
  const proxied: string[] = [];
  const proxies = {
    http: http.createServer().on("connect", connectTo(port, "http", proxied)),
    https: https.createServer(certificate).on("connect", connectTo(port, "https", proxied)),
    socks5: serveSocks(port, proxied),
  };
  return {
    urls: {
      http: `http://127.0.0.1:${await listen(proxies.http)}`,
      https: `https://127.0.0.1:${await listen(proxies.https)}`,
      socks5: `socks5://127.0.0.1:${await listen(proxies.socks5)}`,
    },
    proxied,
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(proxies).map(close));
    },
  };
}

/** Has a server listen on loopback; resolves with its port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Ends a server and its connections. */
export async function close(server: Server & { closeAllConnections?(): void }): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections?.();
  await closed.promise;
}

/** What a proxy does when it is asked for a tunnel: it leads to that port of this machine. */
function connectTo(port: number, name: string, proxied: string[]) {
  return ({ url, headers }: IncomingMessage, near: net.Socket, head: Uint8Array) => {
    const who = headers["proxy-authorization"];
    proxied.push([name, "CONNECT", url, ...who ? [who] : []].join(" "));
    const far = net.connect(port, "127.0.0.1", () => {
      near.write("HTTP/1.1 200 OK\r\n\r\n");
      far.write(head);
      link(near, far);
    });
  };
}

function link(near: net.Socket, far: net.Socket): void {
  for (const [socket, other] of [[near, far], [far, near]]) {
    socket.on("error", () => {});
    socket.on("close", () => other.destroy());
    socket.pipe(other);
  }
}

/** A SOCKS5 proxy (RFC 1928, 1929) that leads to that port of this machine. */
function serveSocks(port: number, proxied: string[]): Server {
  return net.createServer(async (near) => {
    near.on("error", () => {});
    const read = reader(near);
    const methods = await read((await read(2))[1]);
    let who = "";
    if (methods.includes(2)) {
      near.write(Buffer.from([5, 2]));
      const name = await read((await read(2))[1]);
      who = ` ${name}:${await read((await read(1))[0])}`;
      near.write(Buffer.from([1, 0]));
    } else near.write(Buffer.from([5, 0]));
    const [, , , type] = await read(4);
    const host = type === 1
      ? [...await read(4)].join(".")
      : type === 3
      ? (await read((await read(1))[0])).toString()
      : (await read(16)).toString("hex");
    proxied.push(`socks5 ${host}:${(await read(2)).readUInt16BE()}${who}`);
    near.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]));
    link(near, net.connect(port, "127.0.0.1"));
  });
}

/** Reads a number of bytes. */
function reader(socket: net.Socket): (count: number) => Promise<Buffer> {
  return async (count) => {
    for (;;) {
      const bytes = count === 0 ? Buffer.alloc(0) : socket.read(count);
      if (bytes !== null) return bytes;
      await once(socket, "readable");
    }
  };
}
