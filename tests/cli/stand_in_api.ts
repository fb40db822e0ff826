import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { TlsOptions, TLSSocket } from "node:tls";
import type { V1Pod } from "@kubernetes/client-node";
// @ts-types="@types/ws"
import { WebSocketServer } from "ws";

/** A pod of a {@linkcode StandInApi}. */
export interface StandInPod extends V1Pod {
  metadata: { namespace: string; name: string; labels: Record<string, string> };
}

/** What a {@linkcode StandInApi} has. */
export interface StandInObjects {
  pods: StandInPod[];
  /** `spec.selector` of objects, by their paths. */
  selectors?: Record<string, unknown>;
  /** HTTP statuses with which requests fail; the text is looked for in the URL. */
  failures?: Record<string, number>;
  /**
   * `host:port` to which the ports of pods lead that are asked for by port-forward, by their names.
   */
  forwards?: Record<string, string>;
}

/** How a {@linkcode StandInApi} is reached. */
export interface StandInApiOptions {
  /** What `node:tls` takes. Not there: plain text. */
  tls?: TlsOptions;
  /** What the kubeconfig file says of the cluster, besides where it is. */
  cluster?: Record<string, unknown>;
  /** What the kubeconfig file says of the user. */
  user?: Record<string, unknown>;
  /** Whether the credentials of a request are good. Default: they are. */
  authenticate?(authorization: string): boolean;
  /** Hears the headers and the client certificate's name of each request for a port. */
  onForward?(request: { headers: http.IncomingHttpHeaders; certificateName: string }): void;
}

/** An API server on loopback. */
export interface StandInApi extends AsyncDisposable {
  /** `host:port`. */
  address: string;
  /** A kubeconfig file for it. Its context's namespace is `shop`. */
  kubeconfig: string;
  /** The URLs of the requests so far. */
  requests: URL[];
}

/**
 * Starts a stand-in for the API server, for more pods and nodes than a test cluster has, and for
 * pages that are gone. Label selectors may be `key=value` only.
 */
export async function startStandInApi(
  objects: StandInObjects,
  options: StandInApiOptions = {},
): Promise<StandInApi> {
  const { pods, selectors = {}, failures = {} } = objects;
  const requests: URL[] = [];
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const url = new URL(request.url!, "http://api");
    requests.push(url);
    const isKnown = options.authenticate?.(request.headers.authorization ?? "") ?? true;
    const [status, body] = isKnown ? answer(url) : [401, { kind: "Status", message: "who is it?" }];
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const answer = (url: URL): [number, unknown] => {
    const missing = { kind: "Status", message: "not here" };
    const failure = Object.keys(failures).find((text) => url.href.includes(text));
    if (failure !== undefined) return [failures[failure], missing];
    // Whoever asks may do everything that is not among the failures.
    if (url.pathname.endsWith("/selfsubjectaccessreviews")) {
      return [201, { status: { allowed: true } }];
    }
    if (url.pathname in selectors) return [200, { spec: { selector: selectors[url.pathname] } }];
    const [, namespace, name] = /^\/api\/v1\/namespaces\/([^/]+)\/pods(?:\/([^/]+))?$/
      .exec(url.pathname) ?? [];
    const own = pods.filter(({ metadata }) => metadata.namespace === namespace);
    if (name !== undefined) {
      const pod = own.find(({ metadata }) => metadata.name === name);
      return pod ? [200, pod] : [404, { kind: "Status", message: `pods "${name}" not found` }];
    }
    if (namespace === undefined) return [404, missing];
    const [label, value] = (url.searchParams.get("labelSelector") ?? "").split("=");
    const node = url.searchParams.get("fieldSelector")?.replace("spec.nodeName=", "");
    const fitting = own.filter(({ metadata, spec }) =>
      (label === "" || metadata.labels[label] === value) && (!node || spec?.nodeName === node)
    );
    const start = Number(url.searchParams.get("continue") ?? 0);
    const end = start + Number(url.searchParams.get("limit") ?? Infinity);
    const more = end < fitting.length ? { continue: `${end}` } : {};
    return [200, { metadata: more, items: fitting.slice(start, end) }];
  };
  const server = options.tls
    ? https.createServer(options.tls, onRequest)
    : http.createServer(onRequest);
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url!, "http://api");
    requests.push(url);
    options.onForward?.({
      headers: request.headers,
      certificateName: `${(request.socket as TLSSocket).getPeerCertificate?.()?.subject?.CN ?? ""}`,
    });
    const failure = Object.keys(failures).find((text) => url.href.includes(text));
    if (failure !== undefined) {
      const body = JSON.stringify({ kind: "Status", message: "not here" });
      socket.end(
        `HTTP/1.1 ${failures[failure]} No\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const [, name] = /\/pods\/([^/]+)\/portforward$/.exec(url.pathname) ?? [];
      const [host, port] = (objects.forwards?.[name ?? ""] ?? "127.0.0.1:1").split(":");
      const number = Number(url.searchParams.get("ports"));
      for (const channel of [0, 1]) {
        webSocket.send(Uint8Array.of(channel, number & 255, number >> 8));
      }
      const far = connect({ host, port: Number(port), noDelay: true });
      far.on("data", (bytes: Buffer) => {
        far.pause();
        webSocket.send(Buffer.concat([Uint8Array.of(0), bytes]), () => far.resume());
      });
      far.on("error", (error) => webSocket.send(`\u0001error forwarding port: ${error.message}`));
      far.on("close", () => webSocket.close());
      webSocket.on("message", (message: Buffer) => far.write(message.subarray(1)));
      webSocket.on("error", () => {});
      webSocket.on("close", () => far.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  const config = {
    clusters: [{
      name: "c",
      cluster: { server: `http${options.tls ? "s" : ""}://127.0.0.1:${port}`, ...options.cluster },
    }],
    users: [{ name: "u", user: options.user ?? {} }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "shop" } }],
    "current-context": "x",
  };
  await Deno.writeTextFile(kubeconfig, JSON.stringify(config));
  return {
    address: `127.0.0.1:${port}`,
    kubeconfig,
    requests,
    async [Symbol.asyncDispose]() {
      await Deno.remove(kubeconfig);
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** A pod that runs, with one container `app`. */
export function runningPod(
  name: string,
  nodeName: string,
  labels: Record<string, string> = {},
  namespace = "shop",
): StandInPod {
  const running = {
    name: "app",
    containerID: `containerd://id-of-${name}`,
    state: { running: {} },
    image: "",
    imageID: "",
    ready: true,
    restartCount: 0,
  };
  return {
    metadata: { namespace, name, labels },
    spec: { nodeName, containers: [{ name: "app" }] },
    status: { phase: "Running", containerStatuses: [running] },
  };
}

/** The pod of a daemon, at an address. */
export function daemonPod(nodeName: string, podIP: string, port = 6543): StandInPod {
  const labels = { "app.kubernetes.io/name": "necoperf-daemon" };
  const pod = runningPod(`daemon-${nodeName}`, nodeName, labels, "necoperf");
  pod.status!.podIP = podIP;
  pod.spec!.containers![0].ports = [{ name: "necoperf-grpc", containerPort: port }];
  return pod;
}
