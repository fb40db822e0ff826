import { Buffer } from "node:buffer";
import https from "node:https";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { createAuthority } from "../cli/authority.ts";
import { close, listen, startForwardProxies } from "./forward_proxies.ts";
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
 * Starts a stand-in for the API server: the real one of `tests/e2e` has a certificate for its
 * address, and does not tell what it was asked with.
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
  const proxies = await startForwardProxies(port, { cert: own.cert, key: own.key });
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
      proxies: proxies.urls,
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
    proxied: proxies.proxied,
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
      await Promise.all([close(server), proxies[Symbol.asyncDispose]()]);
      authority[Symbol.dispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
