import { Buffer } from "node:buffer";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import net, { type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { createAuthority } from "../cli/authority.ts";
import type { CaseParts } from "./kubeconfig_cases.ts";

/** What an API server has seen of a request. */
interface SeenRequest {
  path: string;
  authorization?: string;
  /** The common name in the client's certificate. */
  certificate?: string;
  /** Headers of impersonation, in order. */
  impersonation: [string, string][];
  serverName?: string;
}

/** An API server that knows nothing but a pod, and what kubeconfig files for it refer to. */
export interface KubeconfigServer extends AsyncDisposable {
  parts: CaseParts;
  /** Requests for the pod. */
  requests: SeenRequest[];
  /** What its proxies were asked for, and by whom: `http CONNECT api.example:6443 Basic ...`. */
  proxied: string[];
  /** Writes kubeconfig files, but paths; gives the value of `KUBECONFIG`. */
  write(files: (string | Uint8Array)[]): Promise<string>;
  /** Makes a plug-in a shell script that is this; default: `plugin`. */
  writePlugin(script: string, name?: string): Promise<void>;
}

const SERVER_NAME = "kubernetes.example";

/** What a plug-in prints. */
const CREDENTIAL = JSON.stringify({
  kind: "ExecCredential",
  apiVersion: "client.authentication.k8s.io/v1",
  status: { token: "plugtok" },
});

/**
 * Starts a stand-in for the API server: the real one of `tests/e2e` has a certificate for its address,
 * and does not tell what it was asked with.
 */
export async function startKubeconfigServer(): Promise<KubeconfigServer> {
  const authority = await createAuthority("cluster");
  const [own, client] = [
    await authority.sign({ name: SERVER_NAME }),
    await authority.sign({ name: "ann" }),
  ];
  const requests: SeenRequest[] = [];
  const options = {
    ...{ cert: own.cert, key: own.key, ca: authority.pem },
    ...{ requestCert: true, rejectUnauthorized: false },
  };
  const server = https.createServer(options, (request, response) => {
    const { url = "", headers, rawHeaders } = request;
    const socket = request.socket as TLSSocket & { servername?: string };
    const [, path] = /^(.*)\/api\/v1\/namespaces\/shop\/pods\/web-0(?:\?.*)?$/.exec(url) ?? [];
    const pairs = Array.from(
      { length: rawHeaders.length / 2 },
      (_, at): [string, string] => [rawHeaders[2 * at].toLowerCase(), rawHeaders[2 * at + 1]],
    );
    if (path !== undefined) {
      requests.push({
        path,
        authorization: headers.authorization,
        certificate: socket.getPeerCertificate()?.subject?.CN as string | undefined,
        impersonation: pairs.filter(([name]) => name.startsWith("impersonate-")).sort(),
        serverName: socket.servername || undefined,
      });
    }
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({
      ...{ kind: "Status", apiVersion: "v1", status: "Failure", code: 404, reason: "NotFound" },
      ...{ message: "not here", details: {} },
    }));
  });
  server.on("tlsClientError", () => {});
  const port = await listen(server);
  const proxied: string[] = [];
  const proxies = {
    http: http.createServer().on("connect", connectTo(port, "http", proxied)),
    https: https.createServer({ cert: own.cert, key: own.key })
      .on("connect", connectTo(port, "https", proxied)),
    socks5: serveSocks(port, proxied),
  };
  const directory = await Deno.makeTempDir({ prefix: "necoperf-kubeconfigs-" });
  const plugIn = (name: string, script: string) =>
    Deno.writeTextFile(join(directory, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await Deno.mkdir(join(directory, "bin"));
  await plugIn("aws", `echo '${CREDENTIAL}'`);
  await plugIn("kubectl", `echo '${CREDENTIAL}'`);
  await plugIn("vault", "echo log in first >&2; exit 3");
  await plugIn("pinniped", "echo hello");
  await Deno.writeTextFile(join(directory, "token"), "from-a-file\n");
  await Deno.writeTextFile(join(directory, "empty"), "");
  await Deno.writeTextFile(join(directory, "ca.crt"), authority.pem);
  let count = 0;
  return {
    parts: {
      server: `https://127.0.0.1:${port}`,
      proxies: {
        http: `http://127.0.0.1:${await listen(proxies.http)}`,
        https: `https://127.0.0.1:${await listen(proxies.https)}`,
        socks5: `socks5://127.0.0.1:${await listen(proxies.socks5)}`,
      },
      caFile: authority.file,
      caPem: authority.pem,
      ca: btoa(authority.pem),
      serverName: SERVER_NAME,
      certificate: btoa(client.cert),
      key: btoa(client.key),
      directory,
      bin: join(directory, "bin"),
    },
    requests,
    proxied,
    writePlugin: (script, name = "plugin") => plugIn(name, script),
    write: async (files) => {
      const paths = await Promise.all(files.map(async (file) => {
        if (typeof file === "string" && file.startsWith("/")) return file;
        const path = join(directory, `config-${++count}`);
        await Deno.writeFile(path, typeof file === "string" ? Buffer.from(file) : file);
        return path;
      }));
      return paths.join(":");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([server, ...Object.values(proxies)].map(close));
      authority[Symbol.dispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close(server: Server & { closeAllConnections?(): void }): Promise<void> {
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
