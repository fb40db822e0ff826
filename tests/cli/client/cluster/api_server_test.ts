import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import type { TLSSocket } from "node:tls";
import { type Cluster, openCluster } from "../../../../cli/client/cluster/kubernetes.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { type Authority, createAuthority } from "../../authority.ts";

const SERVER_NAME = "kubernetes.example";

let authority: Authority;
let stranger: Authority;

Deno.test.beforeAll(async () => {
  [authority, stranger] = await Promise.all([createAuthority("cluster"), createAuthority("other")]);
});

Deno.test.afterAll(() => {
  authority[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

/** What an API server has seen of a request. */
interface Seen {
  url?: string;
  headers: http.IncomingHttpHeaders;
  /** The common name in the client's certificate. */
  client?: string;
}

interface ApiServer extends AsyncDisposable {
  port: number;
  requests: Seen[];
}

/**
 * Answers like an API server without pods. The real one, of the tests in `tests/e2e`, has a
 * certificate for its address and takes no proxies, names of other users or passwords.
 */
async function serveApi(name = SERVER_NAME): Promise<ApiServer> {
  const { cert, key } = await authority.sign({ name });
  const requests: Seen[] = [];
  const options = { cert, key, ca: authority.pem, requestCert: true, rejectUnauthorized: false };
  const server = https.createServer(options, ({ url, headers, socket }, response) => {
    const client = (socket as TLSSocket).getPeerCertificate()?.subject?.CN as string | undefined;
    requests.push({ url, headers, client });
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", message: "not here" }));
  });
  const port = await listen(server);
  return { port, requests, [Symbol.asyncDispose]: () => close(server) };
}

async function listen(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close(server: net.Server & { closeAllConnections?(): void }): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections?.();
  await closed.promise;
}

/** Asks for a pod or something else, and returns the error, which there always is. */
async function ask(
  port: number,
  { cluster = {}, user = {} }: { cluster?: object; user?: object },
  request: (cluster: Cluster) => Promise<unknown> = ({ readPod }) => readPod("shop", "web-0"),
): Promise<CliError> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-kubeconfig-" });
  const kubeconfig = `${directory}/config`;
  const server = `https://127.0.0.1:${port}`;
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      clusters: [{
        name: "c",
        cluster: { server, "certificate-authority": authority.file, ...cluster },
      }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  await Deno.writeTextFile(`${directory}/token`, "from-a-file\n");
  try {
    await request(await openCluster({ kubeconfig }));
  } catch (error) {
    assert(error instanceof CliError, `${error}`);
    return error;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.fail("there was a pod");
}

const NAMED = { "tls-server-name": SERVER_NAME };

Deno.test("openCluster: a server is known by its certificate, under the name that the kubeconfig gives", async () => {
  await using api = await serveApi();
  assert.equal((await ask(api.port, { cluster: NAMED })).exitStatus, ExitStatus.NOT_FOUND);
  const unnamed = await ask(api.port, {});
  assert.equal(unnamed.exitStatus, ExitStatus.UNREACHABLE);
  const cluster = { ...NAMED, "certificate-authority": stranger.file };
  assert.equal((await ask(api.port, { cluster })).exitStatus, ExitStatus.UNREACHABLE);
  assert.deepEqual(api.requests.map(({ url }) => url), ["/api/v1/namespaces/shop/pods/web-0"]);
});

Deno.test("openCluster: a server's certificate may be for all names below a top-level domain", async () => {
  await using api = await serveApi("*.example");
  assert.equal((await ask(api.port, { cluster: NAMED })).exitStatus, ExitStatus.NOT_FOUND);
  const cluster = { "tls-server-name": "a.kubernetes.example" };
  const other = await ask(api.port, { cluster });
  assert.equal(other.exitStatus, ExitStatus.UNREACHABLE);
  assert.match(other.message, /is for DNS:\*\.example.*, not for a\.kubernetes\.example/);
});

Deno.test("openCluster: a server is not checked when the kubeconfig says so", async () => {
  await using api = await serveApi();
  const cluster = { "certificate-authority": undefined, "insecure-skip-tls-verify": true };
  assert.equal((await ask(api.port, { cluster })).exitStatus, ExitStatus.NOT_FOUND);
});

Deno.test("openCluster: a caller is known by a certificate, in files or in the kubeconfig", async () => {
  await using api = await serveApi();
  const { certificateFile, keyFile, cert, key } = await authority.sign({ name: "ann" });
  await ask(api.port, {
    cluster: NAMED,
    user: { "client-certificate": certificateFile, "client-key": keyFile },
  });
  await ask(api.port, {
    cluster: NAMED,
    user: { "client-certificate-data": btoa(cert), "client-key-data": btoa(key) },
  });
  assert.deepEqual(api.requests.map(({ client }) => client), ["ann", "ann"]);
});

const AUTHORIZATIONS: [user: object, header: string | undefined][] = [
  [{ token: "t" }, "Bearer t"],
  [{ token: "old", tokenFile: "token" }, "Bearer from-a-file"],
  [{ username: "ann", password: "secret" }, `Basic ${btoa("ann:secret")}`],
  [{}, undefined],
];

Deno.test("openCluster: a caller is known by a token or a password", async () => {
  await using api = await serveApi();
  for (const [user] of AUTHORIZATIONS) await ask(api.port, { cluster: NAMED, user });
  assert.deepEqual(
    api.requests.map(({ headers }) => headers.authorization),
    AUTHORIZATIONS.map(([, header]) => header),
  );
});

Deno.test("openCluster: a caller acts as somebody else", async () => {
  await using api = await serveApi();
  const user = {
    token: "t",
    as: "bob",
    "as-groups": ["dev", "ops"],
    "as-user-extra": { "example.com/why": ["test"] },
  };
  await ask(api.port, { cluster: NAMED, user });
  const [{ headers }] = api.requests;
  assert.equal(headers["impersonate-user"], "bob");
  assert.equal(headers["impersonate-group"], "dev, ops");
  assert.equal(headers["impersonate-extra-example.com%2fwhy"], "test");
});

Deno.test("openCluster: a server is asked through the proxy that the kubeconfig names", async () => {
  await using api = await serveApi();
  const connects: string[] = [];
  const proxy = http.createServer();
  const tunnels: { destroy(): void }[] = [];
  proxy.on("connect", (request, socket) => {
    connects.push(request.url!);
    tunnels.push(socket);
    const upstream = net.connect(api.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      tunnels.push(upstream);
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
  });
  const port = await listen(proxy);
  try {
    const cluster = { ...NAMED, "proxy-url": `http://127.0.0.1:${port}` };
    const error = await ask(api.port, { cluster });
    assert.equal(error.exitStatus, ExitStatus.NOT_FOUND, error.message);
    assert.deepEqual(connects, [`127.0.0.1:${api.port}`]);
  } finally {
    for (const tunnel of tunnels) tunnel.destroy();
    await close(proxy);
  }
});

Deno.test("openCluster: pods of a node are asked of the API server's cache, unless they have to be fresh", async () => {
  await using api = await serveApi();
  const selectors = { label: "app=daemon", nodeName: "n&1" };
  for (const fresh of [undefined, true]) {
    const list = ({ listPods }: Cluster) => listPods("necoperf", { ...selectors, fresh });
    await ask(api.port, { cluster: NAMED }, list);
  }
  const pods = "/api/v1/namespaces/necoperf/pods";
  const query = "fieldSelector=spec.nodeName%3Dn%261&labelSelector=app%3Ddaemon";
  assert.deepEqual(api.requests.map(({ url }) => url), [
    `${pods}?${query}&resourceVersion=0`,
    `${pods}?${query}`,
  ]);
});
