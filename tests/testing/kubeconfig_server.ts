import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
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
  /** Writes kubeconfig files; gives the value of `KUBECONFIG`. */
  write(files: string[]): Promise<string>;
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
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await Deno.makeTempDir({ prefix: "necoperf-kubeconfigs-" });
  const plugIn = (name: string, script: string) =>
    Deno.writeTextFile(join(directory, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await Deno.mkdir(join(directory, "bin"));
  await plugIn("aws", `echo '${CREDENTIAL}'`);
  await plugIn("kubectl", `echo '${CREDENTIAL}'`);
  await plugIn("vault", "echo log in first >&2; exit 3");
  await plugIn("pinniped", "echo hello");
  await Deno.writeTextFile(join(directory, "token"), "from-a-file\n");
  await Deno.writeTextFile(join(directory, "ca.crt"), authority.pem);
  let count = 0;
  return {
    parts: {
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      caFile: authority.file,
      caPem: authority.pem,
      ca: btoa(authority.pem),
      serverName: SERVER_NAME,
      certificate: btoa(client.cert),
      key: btoa(client.key),
      directory,
    },
    requests,
    write: async (files) => {
      const paths = await Promise.all(files.map(async (text) => {
        if (text.startsWith("/")) return text;
        const path = join(directory, `config-${++count}`);
        await Deno.writeTextFile(path, text);
        return path;
      }));
      return paths.join(":");
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
      authority[Symbol.dispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
