/**
 * Pods in the API server that `KUBECONFIG` names, of which none runs: how many there are is all
 * that counts. And a proxy before that API server that counts what it is asked.
 *
 * @module
 */
import { kubectl } from "../tests/testing/cluster.ts";
import { createAuthority } from "../tests/cli/authority.ts";

/** Requests that are on their way at the same time when pods are made. */
const CONCURRENCY = 32;
const STRATEGIC_MERGE = "application/strategic-merge-patch+json";

/** The API server, as an administrator. */
interface ApiServer extends Disposable {
  /** Sends a request and returns the answer, whatever it is. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a request. Rejects with the API server's words when it is refused. */
  send(method: string, path: string, body?: unknown, type?: string): Promise<void>;
}

/** Opens what `KUBECONFIG` names, which must have a client certificate in files. */
export async function openApiServer(): Promise<ApiServer> {
  const config = JSON.parse(await kubectl(["config", "view", "--minify", "--raw", "-o", "json"]));
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const client = Deno.createHttpClient({
    caCerts: [await Deno.readTextFile(cluster["certificate-authority"])],
    cert: await Deno.readTextFile(user["client-certificate"]),
    key: await Deno.readTextFile(user["client-key"]),
  });
  const open = (path: string, init: RequestInit = {}) =>
    fetch(cluster.server + path, { ...init, client });
  return {
    fetch: open,
    async send(method, path, body, type = "application/json") {
      const headers = { "content-type": type };
      const response = await open(path, { method, headers, body: JSON.stringify(body) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    },
    [Symbol.dispose]: () => client.close(),
  };
}

/** A namespace with a pod to profile and daemon pods, of which the first is on the pod's node. */
interface PaperCluster extends AsyncDisposable {
  namespace: string;
  pod: string;
  /** Makes daemon pods until there are so many. */
  growTo(daemons: number): Promise<void>;
}

interface Container {
  name: string;
  image: string;
  ports?: { name: string; containerPort: number }[];
}

/** Makes such a namespace; the daemon of the pod's node is at `127.0.0.1:port`. */
export async function makePaperCluster(api: ApiServer, port: number): Promise<PaperCluster> {
  const namespace = `necoperf-bench-${crypto.randomUUID().slice(0, 8)}`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  // Pods of nodes that are not there are soon removed by the garbage collector.
  const nodes = [`${namespace}-target`, `${namespace}-others`];
  let daemons = 0;
  const makeDaemon = async () => {
    const index = daemons++;
    await makePod(`necoperf-daemon-${index}`, nodes[Math.min(index, 1)], {
      name: "daemon",
      image: "none",
      ports: [{ name: "necoperf-grpc", containerPort: port }],
    });
  };
  const makePod = async (name: string, nodeName: string, container: Container) => {
    const labels = { "app.kubernetes.io/name": "necoperf-daemon" };
    await api.send("POST", pods, {
      metadata: { name, labels: container.name === "daemon" ? labels : {} },
      spec: {
        nodeName,
        automountServiceAccountToken: false,
        serviceAccountName: "bench",
        terminationGracePeriodSeconds: 0,
        tolerations: [{ operator: "Exists" }],
        containers: [container],
      },
    });
    const status = {
      phase: "Running",
      podIP: "127.0.0.1",
      podIPs: [{ ip: "127.0.0.1" }],
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{
        ...{ name: container.name, image: "none", imageID: "none", restartCount: 0, ready: true },
        containerID: `containerd://${"ab".repeat(32)}`,
        state: { running: { startedAt: new Date().toISOString() } },
      }],
    };
    await api.send("PATCH", `${pods}/${name}/status`, { status }, STRATEGIC_MERGE);
  };
  const remove = async () => {
    // Takes its pods along: they have no time to end in, and no kubelet that would end them.
    await api.send("DELETE", `/api/v1/namespaces/${namespace}`);
    for (const name of nodes) await api.send("DELETE", `/api/v1/nodes/${name}`);
  };

  await api.send("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  try {
    for (const name of nodes) {
      await api.send("POST", "/api/v1/nodes", {
        metadata: { name },
        spec: { unschedulable: true },
      });
    }
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await api.send("POST", accounts, { metadata: { name: "bench" } });
    await makePod("web-0", nodes[0], { name: "app", image: "none" });
    await makeDaemon();
  } catch (error) {
    await remove().catch(() => {});
    throw error;
  }
  return {
    namespace,
    pod: "web-0",
    growTo: async (count) => {
      const worker = async () => {
        while (daemons < count) await makeDaemon();
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** A proxy before the API server. */
interface CountingApi extends AsyncDisposable {
  /** A kubeconfig with which it is asked in the administrator's name. */
  kubeconfig: string;
  /** What was asked so far, and the bytes of the bodies of both directions. */
  requests: number;
  bytes: number;
}

/** Starts the proxy on loopback, with TLS. */
export async function startCountingApi(api: ApiServer): Promise<CountingApi> {
  using authority = await createAuthority("necoperf-bench");
  const { cert, key } = await authority.sign({ name: "localhost" });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
      const headers = new Headers(request.headers);
      for (const name of ["authorization", "host", "accept-encoding"]) headers.delete(name);
      const response = await api.fetch(pathname + search, {
        method: request.method,
        headers,
        body,
      });
      const answer = new Uint8Array(await response.arrayBuffer());
      counting.requests++;
      counting.bytes += answer.length + (body?.length ?? 0);
      const type = response.headers.get("content-type") ?? "application/json";
      return new Response(answer, { status: response.status, headers: { "content-type": type } });
    },
  );
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-bench-" });
  const url = `https://localhost:${server.addr.port}`;
  const ca = btoa(authority.pem);
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "bench", cluster: { server: url, "certificate-authority-data": ca } }],
      users: [{ name: "bench", user: { token: "none" } }],
      contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
      "current-context": "bench",
    }),
  );
  const counting: CountingApi = {
    kubeconfig,
    requests: 0,
    bytes: 0,
    [Symbol.asyncDispose]: async () => {
      await server.shutdown();
      await Deno.remove(kubeconfig);
    },
  };
  return counting;
}
