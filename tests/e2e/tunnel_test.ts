/**
 * The client on a laptop, which reaches the API server and nothing else of the cluster; and what
 * the right that it needs there is worth to a tenant who means no good.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { openCluster } from "../../cli/client/cluster/kubernetes.ts";
import { connect, type Connection } from "../../cli/client/daemon/connection.ts";
import type { DaemonCredentials } from "../../cli/client/daemon/daemon_credentials.ts";
import { ExitStatus } from "../../cli/errors.ts";
import { grpc } from "../../proto/grpc.ts";
import { type ClientRun, runClient, type RunOptions } from "../testing/client.ts";
import { get, kubectl, type KubernetesObject, readyNodes } from "../testing/cluster.ts";
import { DAEMON_NAMESPACE, deployDaemons, removeDaemons } from "../testing/deployment.ts";
import { apiServer, createLaptop, type Laptop } from "../testing/laptop.ts";
import { programCommand } from "../testing/programs.ts";
import { eventually } from "../testing/process.ts";
import { startRelay } from "../testing/relay.ts";
import {
  createTenant,
  startPods,
  TARGET,
  targetPod,
  type Tenant,
  TENANT_ACCOUNT,
} from "../testing/tenant.ts";
import { BUSY_FUNCTION } from "../testing/targets.ts";

const NAMESPACE = DAEMON_NAMESPACE.cgroup;
const PORTS = { grpc: 6543, metrics: 6541 };
const FORMATS = ["script", "data", "folded", "speedscope", "pprof", "flamegraph", "firefox"];

let tenant: Tenant;
let laptop: Laptop;
let nodes: string[];
/** The daemons' pods, by node. */
let daemons: Record<string, string>;

Deno.test.beforeAll(async () => {
  nodes = await readyNodes();
  await deployDaemons("cgroup");
  tenant = await createTenant();
  const spin = { spin: TARGET.spinDynamic };
  await startPods(
    tenant,
    ...nodes.map((nodeName, index) => {
      const pod = targetPod(tenant.namespace, `web-${index}`, spin, { nodeName });
      pod.metadata.labels = { app: "web" };
      return pod;
    }),
  );
  const { items } = JSON.parse(
    await kubectl([
      ...["get", "pods", `--namespace=${NAMESPACE}`, "--output=json"],
      "--selector=app.kubernetes.io/name=necoperf-daemon",
    ]),
  );
  daemons = Object.fromEntries(
    (items as KubernetesObject[]).map(({ spec, metadata }) => [spec.nodeName, metadata.name]),
  );
  laptop = await createLaptop();
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await laptop?.[Symbol.asyncDispose]();
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** Runs the client on the laptop. */
function runOnLaptop(args: string[], options: RunOptions = {}) {
  return runClient(tenant, args, { wrapper: laptop.wrapper, ...options });
}

/**
 * Its file is good. On a node with too much to do perf may not end in time: that is told as
 * partial.
 */
function assertDelivered({ status, stderr }: ClientRun): void {
  assert.ok(status === ExitStatus.DONE || status === ExitStatus.PARTIAL, stderr);
}

Deno.test("profile: a laptop that reaches the API server alone profiles pods of all nodes at once", async () => {
  const run = await runOnLaptop(["-l", "app=web", "-d", "2s"]);
  assertDelivered(run);
  const names = Object.keys(run.files);
  for (const index of nodes.keys()) {
    const [name] = names.filter((name) => name.startsWith(`web-${index}-`));
    assert.ok(run.files[name]?.includes(BUSY_FUNCTION), run.stderr);
  }

  // The other way does not lead there.
  const direct = await runOnLaptop(["web-0", "-d", "1s", "--via", "direct"]);
  assert.equal(direct.status, ExitStatus.UNREACHABLE, direct.stderr);
});

Deno.test("profile: a laptop whose kubeconfig has a client certificate needs no more", async () => {
  const view = await kubectl(["config", "view", "--minify", "--output=json"]);
  const { user } = JSON.parse(view).users[0];
  assert.ok(user["client-certificate"] ?? user["client-certificate-data"], view);
  const args = ["-n", tenant.namespace, "web-1", "-d", "2s", "--service-account", TENANT_ACCOUNT];
  const kubeconfig = Deno.env.get("KUBECONFIG")!;
  assertDelivered(await runOnLaptop(args, { kubeconfig, tokenFile: "" }));
});

Deno.test("profile: all formats come through the API server", async () => {
  // One recording of a container at a time, hence two pods.
  const profileIn = async (pod: string, formats: string[]) => {
    for (const format of formats) {
      const run = await runOnLaptop([pod, "-d", "2s", "--format", format]);
      assertDelivered(run);
      assert.equal(Object.keys(run.files).length, 1, format);
    }
  };
  const half = Math.ceil(FORMATS.length / 2);
  await Promise.all([
    profileIn("web-0", FORMATS.slice(0, half)),
    profileIn("web-1", FORMATS.slice(half)),
  ]);
});

Deno.test("profile: a tunnel that is cut during the download is made again, and the download goes on", async () => {
  const { host } = new URL(await apiServer());
  const { promise: cut, resolve: onCut } = Promise.withResolvers<void>();
  let isRecording = false;
  let [downloaded, before] = [0, 0];
  const relay = startRelay(host, {
    hostname: laptop.gateway,
    onBytes: (total) => {
      const enough = downloaded >= 20_000;
      if (isRecording) downloaded += total - before;
      before = total;
      if (enough || downloaded < 20_000) return;
      relay.cut();
      onCut();
    },
  });
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  try {
    const config = JSON.parse(await Deno.readTextFile(tenant.kubeconfig));
    Object.assign(config.clusters[0].cluster, {
      server: `https://${relay.address}`,
      "tls-server-name": "kubernetes",
    });
    await Deno.writeTextFile(kubeconfig, JSON.stringify(config));
    // Copies of the stack are much for what it takes; until there is enough.
    const run = await runOnLaptop(
      ["web-0", "-d", "5m", "-F", "999", "--call-graph", "dwarf", "--format", "data"],
      {
        kubeconfig,
        whileRecording: async (_said, interrupt) => {
          isRecording = true;
          await cut;
          const { connections } = relay;
          await eventually(() => assert.ok(relay.connections > connections));
          interrupt();
        },
      },
    );
    // It was stopped. It has compared the SHA-256 of the whole with the daemon's.
    assert.equal(run.status, ExitStatus.PARTIAL, run.stderr);
    assert.match(run.stderr, /trying again for 1m/);
    assert.doesNotMatch(run.stderr, /recording again/);
    assert.equal(Object.keys(run.files).length, 1);
  } finally {
    relay[Symbol.dispose]();
    await Deno.remove(kubeconfig);
  }
});

Deno.test("doctor: says on a laptop that daemons are reached through the API server", async () => {
  const { code, stdout } = await new Deno.Command(laptop.wrapper[0], {
    args: [
      ...laptop.wrapper.slice(1),
      ...programCommand("client"),
      ...["doctor", "--token-file", tenant.tokenFile],
    ],
    env: { KUBECONFIG: tenant.kubeconfig },
    stdin: "null",
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, ExitStatus.DONE, text);
  for (const node of nodes) {
    const line = `^\\[\\+\\] ${node}: reached through the API server's port-forward: connected in`;
    assert.match(text, new RegExp(line, "m"));
  }
});

Deno.test("profile: who may not use the API server's port-forward is told the rule", async () => {
  const binding = `${TENANT_ACCOUNT}-${tenant.namespace}`;
  const { roleRef, subjects } = await get("rolebinding", binding, NAMESPACE);
  const role = await get("role", roleRef.name, NAMESPACE);
  // A Role of its own: that of deploy/tenant is for all tenants.
  const name = `no-forward-${tenant.namespace}`;
  const namespace = NAMESPACE;
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const rules = role.rules.filter(({ resources }: { resources: string[] }) =>
    !resources.includes("pods/portforward")
  );
  await kubectl(["delete", "rolebinding", binding, `--namespace=${namespace}`]);
  const objects: KubernetesObject[] = [
    { apiVersion, kind: "Role", metadata: { name, namespace }, rules },
    {
      ...{ apiVersion, kind: "RoleBinding", metadata: { name, namespace }, subjects },
      roleRef: { ...roleRef, name },
    },
  ];
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  await kubectl(["apply", "--filename=-"], list);
  try {
    const rule = new RegExp(
      `Role in namespace ${NAMESPACE} .*\\{apiGroups: \\[""\\], ` +
        "resources: \\[pods/portforward\\], verbs: \\[get, create\\]\\}",
    );
    const run = await runOnLaptop(["web-0", "-d", "1s", "--via", "port-forward"]);
    assert.equal(run.status, ExitStatus.NOT_ALLOWED, run.stderr);
    assert.match(run.stderr, rule);
  } finally {
    await kubectl(["delete", "--filename=-"], list);
    await kubectl(["apply", "--filename=-"], tenant.manifests);
  }
});

/** Connects to a port of the first node's daemon, with the rights of the tenant. */
async function forward(port: number): Promise<Duplex> {
  const cluster = await openCluster({ kubeconfig: tenant.kubeconfig });
  return await cluster.forwardPort({ namespace: NAMESPACE, pod: daemons[nodes[0]], port });
}

/** Calls the first node's daemon through the tunnel. */
async function callDaemon(access: DaemonCredentials): Promise<Connection> {
  return await connect({
    endpoint: {
      address: "127.0.0.1:1",
      tunnel: { route: { via: "port-forward" }, open: () => forward(PORTS.grpc) },
    },
    name: "the daemon",
    access,
    signal: AbortSignal.timeout(30_000),
  });
}

/** How the daemons' certificates are checked. */
async function tlsConnection(): Promise<DaemonCredentials["connection"]> {
  const authority = await get("configmap", "necoperf-ca", NAMESPACE);
  return {
    kind: "tls",
    authoritiesPem: authority.data["ca.crt"],
    serverName: `necoperf-daemon.${NAMESPACE}.svc`,
  };
}

/** The status with which each of the daemon's methods answers such a caller. */
async function statuses(access: DaemonCredentials): Promise<Record<string, string>> {
  using connection = await callDaemon(access);
  const { client } = connection;
  const metadata = await connection.authorize();
  const { containerStatuses } = (await get("pod", "web-0", tenant.namespace)).status;
  const [, containerId] = containerStatuses[0].containerID.split("://");
  const recordingId = crypto.randomUUID();
  const stream = (call: grpc.ClientReadableStream<unknown>) =>
    new Promise<string>((resolve) => {
      call.on("error", (error) => resolve(grpc.status[(error as grpc.ServiceError).code]));
      call.on("end", () => resolve("OK"));
      call.resume();
    });
  const unary = (make: (done: (error: grpc.ServiceError | null) => void) => unknown) =>
    new Promise<string>((resolve) => make((error) => resolve(grpc.status[error?.code ?? 0])));
  const second = { seconds: 1, nanos: 0 };
  return {
    Record: await unary((done) => client.record({ containerId, interval: 1 }, metadata, done)),
    Profile: await stream(client.profile({ containerId, timeout: second }, metadata)),
    StartRecording: await stream(
      client.startRecording({ containerId, duration: second }, metadata),
    ),
    StopRecording: await unary((done) => client.stopRecording({ recordingId }, metadata, done)),
    FetchResult: await stream(client.fetchResult({ recordingId }, metadata)),
    DeleteResult: await unary((done) => client.deleteResult({ recordingId }, metadata, done)),
    GetDaemonInfo: await unary((done) => client.getDaemonInfo({}, metadata, done)),
  };
}

Deno.test("port-forward: gives a tenant without a token nothing of the daemon's port", async () => {
  const connection = await tlsConnection();
  const methods = [
    ...["Record", "Profile", "StartRecording", "StopRecording", "FetchResult", "DeleteResult"],
    "GetDaemonInfo",
  ];
  const refused = Object.fromEntries(methods.map((name) => [name, "UNAUTHENTICATED"]));
  assert.deepEqual(await statuses({ connection }), refused);
  // Nor with one that the daemon does not take: the API server's own.
  const config = JSON.parse(await Deno.readTextFile(tenant.kubeconfig));
  const { token } = config.users[0].user;
  assert.deepEqual(await statuses({ connection, token: () => Promise.resolve(token) }), refused);
});

/** Sends an HTTP request over a tunnel. Resolves with all that comes back. */
async function request(port: number, path: string): Promise<string> {
  const stream = await forward(port);
  stream.write(`GET ${path} HTTP/1.1\r\nHost: daemon\r\nConnection: close\r\n\r\n`);
  let text = "";
  for await (const bytes of stream) text += bytes;
  return text;
}

Deno.test("port-forward: gives a tenant numbers and the daemon's state of the metrics port, and nobody's names", async () => {
  assertDelivered(await runClient(tenant, ["web-0", "-d", "2s"]));
  const metrics = await request(PORTS.metrics, "/metrics");
  assert.match(metrics, /^HTTP\/1\.1 200 /);
  assert.match(metrics, /^necoperf_recordings_running \d/m);
  const readiness = await request(PORTS.metrics, "/readyz?verbose");
  assert.match(readiness, /^HTTP\/1\.1 (200|503) /);
  const { containerStatuses } = (await get("pod", "web-0", tenant.namespace)).status;
  const [, containerId] = containerStatuses[0].containerID.split("://");
  for (const text of [metrics, readiness]) {
    for (const name of [tenant.namespace, "web-0", containerId]) {
      assert.ok(!text.includes(name), `${name} in ${text}`);
    }
    // A token.
    assert.doesNotMatch(text, /\beyJ/);
  }
  for (const path of ["/", "/debug/pprof/", "/results", "/../var/necoperf", "/configz"]) {
    assert.match(await request(PORTS.metrics, path), /^HTTP\/1\.1 404 /, path);
  }
});

Deno.test("port-forward: leads to the daemon's own ports, not to the node's or to other pods'", async () => {
  // The kubelet's, the runtime's usual debug port, and one that nobody has.
  for (const port of [10250, 1338, 1]) {
    await assert.rejects(
      async () => {
        const stream = await forward(port);
        stream.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        await once(stream, "data");
        throw new assert.AssertionError({ message: `port ${port} answers` });
      },
      (error: Error) => !(error instanceof assert.AssertionError),
      `${port}`,
    );
  }
});

Deno.test("port-forward: a flood of tunnels keeps nobody from profiling", async () => {
  const streams = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const stream = await forward(index % 2 ? PORTS.grpc : PORTS.metrics);
      stream.on("error", () => {});
      stream.resume();
      // A TLS client's greeting that never ends; a request that never ends.
      if (index % 2) stream.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1));
      else stream.write("GET /metrics HTTP/1.1\r\nX: ");
      return stream;
    }),
  );
  try {
    assertDelivered(await runOnLaptop(["web-0", "-d", "2s"]));
    const metrics = await request(PORTS.metrics, "/metrics");
    const [, rss] = /^process_resident_memory_bytes (\S+)$/m.exec(metrics)!;
    assert.ok(Number(rss) < 160e6, `the daemon takes ${rss} bytes`);
  } finally {
    for (const stream of streams) stream.destroy();
  }
});
