/**
 * Who may profile what, with the real API server and real containers. The daemon runs on this
 * machine, which sees the processes of the cluster's nodes, with a service account of its own.
 */
import assert from "node:assert/strict";
import { createPrivateKey, createSign } from "node:crypto";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";
import type { FetchResultResponse__Output } from "../../proto/gen/necoperf/FetchResultResponse.ts";
import type { RecordingEvent__Output } from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { RecordOptions } from "../../proto/gen/necoperf/RecordOptions.ts";
import { grpc } from "../../proto/grpc.ts";
import { createAuthority } from "../testing/certificates.ts";
import {
  apply,
  createNamespace,
  deleteNamespaces,
  get,
  kubectl,
  type KubernetesObject,
  readyNodes,
  waitUntilReady,
} from "../testing/cluster.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { eventually } from "../testing/process.ts";
import { BUSY_FUNCTION } from "../testing/targets.ts";

const RBAC = "rbac.authorization.k8s.io/v1";
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
const CONFIG_DIR = "/etc/necoperf";
const SECOND = { seconds: 1, nanos: 0 };
/** The daemon and the API server each keep an answer for ten seconds. */
const CACHES_SECONDS = 60;

function serviceAccount(namespace: string, name: string): KubernetesObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

/** A Role and its binding, or with `everywhere` a ClusterRole and its binding. */
function allow(
  { name, namespace, resources, apiGroup = "necoperf.cybozu.io", subjects, everywhere = false }: {
    name: string;
    namespace: string;
    resources: string[];
    apiGroup?: string;
    subjects: Record<string, string>[];
    everywhere?: boolean;
  },
): KubernetesObject[] {
  const kind = everywhere ? "ClusterRole" : "Role";
  const metadata = everywhere ? { name: `${namespace}-${name}` } : { name, namespace };
  const verbs = apiGroup === "" ? ["list"] : ["create"];
  return [
    { apiVersion: RBAC, kind, metadata, rules: [{ apiGroups: [apiGroup], resources, verbs }] },
    {
      apiVersion: RBAC,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name },
      subjects,
    },
  ];
}

function account(namespace: string, name: string): Record<string, string> {
  return { kind: "ServiceAccount", namespace, name };
}

/** A token of a service account; by default for the API server. */
async function requestToken(namespace: string, name: string, audience?: string): Promise<string> {
  const answer = await kubectl(
    [
      "create",
      `--raw=/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      "--filename=-",
    ],
    JSON.stringify({
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: audience === undefined ? {} : { audiences: [audience] },
    }),
  );
  return JSON.parse(answer).status.token;
}

function targetPod(namespace: string, node: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "target", namespace },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      dnsPolicy: "Default",
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001 },
      containers: [{
        name: "app",
        image: "necoperf-target:e2e",
        imagePullPolicy: "Never",
        command: ["/opt/necoperf/bin/spin"],
        resources: { requests: { cpu: "10m" }, limits: { cpu: "300m", memory: "64Mi" } },
      }],
    },
  };
}

async function containerId(namespace: string): Promise<string> {
  const { status } = await get("pod", "target", namespace);
  return status.containerStatuses[0].containerID;
}

/** Writes a container's id into the status of the target of a namespace, beside its own. */
async function claimContainer(namespace: string, containerID: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/target`;
  const pod = JSON.parse(await kubectl(["get", `--raw=${path}`]));
  const [own] = pod.status.containerStatuses;
  pod.status.containerStatuses = [{ ...own, containerID }];
  await kubectl(["replace", `--raw=${path}/status`, "--filename=-"], JSON.stringify(pod));
}

interface ClusterConfig {
  server: string;
  ca: string;
  /** The key with which this cluster signs tokens, where the tests can read it. */
  signingKey?: string;
}

async function readConfig(): Promise<ClusterConfig> {
  const view = JSON.parse(await kubectl(["config", "view", "--raw", "--minify", "-o", "json"]));
  const { cluster } = view.clusters[0];
  const inline = cluster["certificate-authority-data"];
  const file = cluster["certificate-authority"];
  return {
    server: cluster.server,
    ca: inline ? atob(inline) : await Deno.readTextFile(file),
    signingKey: file &&
      await Deno.readTextFile(`${dirname(file)}/sa.key`).catch(() => undefined),
  };
}

/** A token as another, but over an hour ago. Its signature is good. */
function expire(token: string, signingKey: string): string {
  const [header, payload] = token.split(".");
  const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  for (const claim of ["exp", "iat", "nbf"]) claims[claim] -= 7200;
  const unsigned = `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  const signature = createSign("RSA-SHA256").update(unsigned).sign(createPrivateKey(signingKey));
  return `${unsigned}.${signature.toString("base64url")}`;
}

function metadata(token: string | undefined): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

type Client = TestDaemon["client"];

async function record(
  client: Client,
  token: string | undefined,
  containerId: string,
  options?: RecordOptions,
): Promise<RecordingEvent__Output[]> {
  const request = { containerId, duration: SECOND, options };
  const events: RecordingEvent__Output[] = [];
  const stream: AsyncIterable<RecordingEvent__Output> = client
    .StartRecording(request, metadata(token));
  for await (const event of stream) events.push(event);
  return events;
}

async function fetchText(client: Client, token: string, recordingId: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  const stream: AsyncIterable<FetchResultResponse__Output> = client
    .FetchResult({ recordingId }, metadata(token));
  for await (const { data } of stream) chunks.push(data);
  return gunzipSync(Buffer.concat(chunks)).toString();
}

/** What a call fails with. */
async function failure(call: Promise<unknown>): Promise<{ code: grpc.status; details: string }> {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as grpc.ServiceError;
    if (code !== undefined) return { code, details };
    throw error;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

function stopCall(client: Client, token: string, recordingId: string): Promise<void> {
  return new Promise((resolve, reject) =>
    client.StopRecording({ recordingId }, metadata(token), (e) => e ? reject(e) : resolve())
  );
}

function deleteCall(client: Client, token: string, recordingId: string): Promise<void> {
  return new Promise((resolve, reject) =>
    client.DeleteResult({ recordingId }, metadata(token), (e) => e ? reject(e) : resolve())
  );
}

const config = await readConfig();
const [node, otherNode] = await readyNodes();

Deno.test("auth api: those who may profile a container can, and nobody else", async (t) => {
  const [a, b] = [await createNamespace("auth-dev-a"), await createNamespace("auth-dev-b")];
  const directory = await Deno.makeTempDir({ prefix: "necoperf-auth-" });
  const objects: KubernetesObject[] = [
    ...["daemon", "tenant", "reader", "leaver"].map((name) => serviceAccount(a, name)),
    serviceAccount(b, "tenant"),
    serviceAccount(b, "admin"),
    ...allow({
      ...{ name: "daemon-review", namespace: a, everywhere: true },
      ...{ apiGroup: "authentication.k8s.io", resources: ["tokenreviews"] },
      subjects: [account(a, "daemon")],
    }),
    ...allow({
      ...{ name: "daemon-access", namespace: a, everywhere: true },
      ...{ apiGroup: "authorization.k8s.io", resources: ["subjectaccessreviews"] },
      subjects: [account(a, "daemon")],
    }),
    ...allow({
      ...{ name: "daemon-pods", namespace: a, everywhere: true },
      ...{ apiGroup: "", resources: ["pods"] },
      subjects: [account(a, "daemon")],
    }),
    ...allow({
      ...{ name: "tenant", namespace: a, resources: ["profiles"] },
      subjects: [
        account(a, "tenant"),
        account(a, "leaver"),
        { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "team-a" },
      ],
    }),
    ...allow({
      ...{ name: "tenant", namespace: b, resources: ["profiles", "profiles/kernel"] },
      subjects: [account(b, "tenant")],
    }),
    ...allow({
      ...{ name: "admin", namespace: b, everywhere: true, resources: ["profiles"] },
      subjects: [account(b, "admin")],
    }),
    targetPod(a, node),
    targetPod(b, node),
  ];
  try {
    await apply(...objects);
    await Promise.all([waitUntilReady(a, "target"), waitUntilReady(b, "target")]);
    const [containerA, containerB] = [await containerId(a), await containerId(b)];
    const tokens = {
      a: await requestToken(a, "tenant", "necoperf"),
      b: await requestToken(b, "tenant", "necoperf"),
      reader: await requestToken(a, "reader", "necoperf"),
      admin: await requestToken(b, "admin", "necoperf"),
      leaver: await requestToken(a, "leaver", "necoperf"),
      apiServer: await requestToken(a, "tenant"),
    };
    const accountDir = `${directory}/account`;
    await Deno.mkdir(accountDir);
    await Deno.writeTextFile(`${accountDir}/ca.crt`, config.ca);
    const daemonToken = await requestToken(a, "daemon");
    await Deno.writeTextFile(`${accountDir}/token`, daemonToken);
    const configDir = `${directory}/config`;
    await Deno.mkdir(configDir);
    const authority = await createAuthority(configDir, "authority");
    await authority.issue("server", { dnsName: "necoperf-daemon" });
    const alice = await authority.issue("alice", { subject: "/O=team-a/O=others/CN=alice" });
    const args = [
      ...["--auth", "kubernetes", "--container-lookup", "cgroup", "--node-name", node],
      ...["--kube-api", config.server],
    ];
    const binds = { [SERVICE_ACCOUNT_DIR]: accountDir, [CONFIG_DIR]: configDir };
    const options = {
      args: [
        ...args,
        ...["--tls-cert-file", `${CONFIG_DIR}/server.crt`],
        ...["--tls-key-file", `${CONFIG_DIR}/server.key`],
        ...["--client-ca-file", `${CONFIG_DIR}/authority.crt`],
      ],
      credentials: grpc.credentials.createSsl(Buffer.from(authority.cert)),
      clientOptions: { "grpc.ssl_target_name_override": "necoperf-daemon" },
    };
    await using daemon = await startDaemon({ ...options, binds });
    const { client } = daemon;
    const refused = (token: string | undefined, id = containerA, options?: RecordOptions) =>
      failure(record(client, token, id, options));

    await t.step("a token for the audience, and the right, give a profile", async () => {
      const events = await record(client, tokens.a, containerA);
      assert.equal(events.find(({ started }) => started)!.started!.side, "SIDE_USER");
      const { recordingId } = events[0].accepted!;
      assert.ok((await fetchText(client, tokens.a, recordingId)).includes(BUSY_FUNCTION));
      await deleteCall(client, tokens.a, recordingId);
      const line = await daemon.logged(({ message }) => message === "recording finished");
      assert.equal(line.user, `system:serviceaccount:${a}:tenant`);
      assert.ok((line.groups as string[]).includes(`system:serviceaccounts:${a}`));
      // API servers without ids of tokens make none, and say none.
      const { jti } = JSON.parse(
        Buffer.from(tokens.a.split(".")[1], "base64url").toString(),
      );
      assert.equal(line.credentialId, jti && `JTI=${jti}`);
      assert.equal(line.podNamespace, a);
      assert.equal(line.pod, "target");
      assert.equal(line.container, "app");
      assert.equal(line.decision, "allowed");
      assert.equal(line.outcome, "full");
      assert.ok(Number(line.sizeBytes) > 0);
      const fetched = await daemon.logged(({ method }) => method === "FetchResult");
      assert.ok(Number(fetched.sentBytes) > 0);
    });

    await t.step("without a good token nobody is let in, and each is told why", async () => {
      const none = await refused(undefined);
      assert.equal(none.code, grpc.status.UNAUTHENTICATED);
      assert.match(none.details, /no token came with the call: send one for .*"necoperf"/);
      const wrongAudience = await refused(tokens.apiServer);
      assert.equal(wrongAudience.code, grpc.status.UNAUTHENTICATED);
      assert.match(wrongAudience.details, /is for the audience .* and not for "necoperf"/);
      const [header, payload, signature] = tokens.a.split(".");
      for (
        const token of [
          "x",
          "a b",
          "",
          `${header}.${payload}.${signature.slice(0, -8)}AAAAAAAA`,
          `${header}.${payload}.`,
          "x".repeat(17_000),
        ]
      ) {
        const { code, details } = await refused(token);
        assert.equal(code, grpc.status.UNAUTHENTICATED, details);
        assert.ok(!details.includes(payload), details);
      }
      const other = new grpc.Metadata();
      other.set("authorization", "Basic eDp5");
      const call = new Promise((resolve, reject) =>
        client.DeleteResult({ recordingId: "x" }, other, (e) => e ? reject(e) : resolve(null))
      );
      assert.equal((await failure(call)).code, grpc.status.UNAUTHENTICATED);
      const info = new Promise((resolve, reject) =>
        client.GetDaemonInfo({}, other, (e) => e ? reject(e) : resolve(null))
      );
      assert.equal((await failure(info)).code, grpc.status.UNAUTHENTICATED);
    });

    await t.step({
      name: "an expired token is refused",
      // The shortest token that the API server gives is good for ten minutes.
      ignore: config.signingKey === undefined,
      async fn() {
        const { code, details } = await refused(expire(tokens.a, config.signingKey!));
        assert.equal(code, grpc.status.UNAUTHENTICATED);
        assert.match(details, /has expired/);
      },
    });

    await t.step("a refusal names the rule, and reveals nothing of what is there", async () => {
      const anothers = await refused(tokens.a, containerB);
      assert.equal(anothers.code, grpc.status.PERMISSION_DENIED);
      assert.match(
        anothers.details,
        /apiGroups: \["necoperf.cybozu.io"\], resources: \["profiles"\], verbs: \["create"\]/,
      );
      assert.ok(anothers.details.includes(`"system:serviceaccount:${a}:tenant"`));
      assert.ok(!anothers.details.includes(b) && !anothers.details.includes("target"));
      assert.deepEqual(await refused(tokens.a, `containerd://${"0".repeat(64)}`), anothers);
      const line = await daemon.logged(({ reason }) => reason === "no right to the pod");
      assert.equal(line.podNamespace, b);
      assert.equal(line.decision, "denied");
      // Without the right in a namespace of their own it is the same.
      assert.equal((await refused(tokens.reader)).code, grpc.status.PERMISSION_DENIED);
      // Who may profile everywhere is told what is there.
      assert.equal((await refused(tokens.admin, "0".repeat(64))).code, grpc.status.NOT_FOUND);
      assert.equal((await record(client, tokens.admin, containerB)).at(-1)!.event, "finished");
    });

    await t.step({
      name: "a container that is of no pod of this node is refused in the same words",
      ignore: otherNode === undefined,
      async fn() {
        const elsewhere = await createNamespace("auth-dev-c");
        try {
          await apply(targetPod(elsewhere, otherNode));
          await waitUntilReady(elsewhere, "target");
          // This machine sees the processes of both nodes: for the daemon of one, the other's
          // containers have no owner.
          const nobodys = await refused(tokens.a, await containerId(elsewhere));
          assert.deepEqual(nobodys, await refused(tokens.a, containerB));
          const line = await daemon.logged(({ reason }) => reason === "no pod's container");
          assert.equal(line.podNamespace, undefined);
        } finally {
          await deleteNamespaces(elsewhere);
        }
      },
    });

    await t.step("texts that are no container ids are refused as such", async () => {
      for (const id of ["..", "/", "a/../b", "x\0", "x\n", "kubepods", "", "x".repeat(50_000)]) {
        const { code, details } = await refused(tokens.a, id);
        assert.equal(code, grpc.status.INVALID_ARGUMENT);
        assert.ok(details.length < 1000);
      }
      // Twice what a request may have. A connection with much more ends with its answer.
      const huge = await refused(tokens.a, "x".repeat(1 << 17));
      assert.equal(huge.code, grpc.status.RESOURCE_EXHAUSTED);
    });

    await t.step("the kernel's side is a right of its own", async () => {
      for (const side of ["SIDE_KERNEL", "SIDE_BOTH"] as const) {
        const { code, details } = await refused(tokens.a, containerA, { side });
        assert.equal(code, grpc.status.PERMISSION_DENIED);
        assert.match(details, /resources: \["profiles\/kernel"\]/);
      }
      const sides = async (side?: RecordOptions["side"]) => {
        const events = await record(client, tokens.b, containerB, { side, frequency: 999 });
        return events.find(({ started }) => started)!.started!.side;
      };
      assert.equal(await sides(), "SIDE_BOTH");
      assert.equal(await sides("SIDE_BOTH"), "SIDE_BOTH");
      assert.equal(await sides("SIDE_USER"), "SIDE_USER");
    });

    await t.step("a result is only for the user who asked for it", async () => {
      const events = await record(client, tokens.a, containerA);
      const { recordingId } = events[0].accepted!;
      const unknown = crypto.randomUUID();
      for (const call of [stopCall, fetchText, deleteCall]) {
        const anothers = await failure(call(client, tokens.b, recordingId));
        assert.equal(anothers.code, grpc.status.NOT_FOUND, call.name);
        assert.deepEqual(anothers, await failure(call(client, tokens.b, unknown)));
      }
      assert.ok((await fetchText(client, tokens.a, recordingId)).includes(BUSY_FUNCTION));

      // The next daemon knows no more than what is in the work directory.
      const workDir = `${directory}/left`;
      await new Deno.Command("cp", { args: ["--archive", daemon.workDir, workDir] }).output();
      await using next = await startDaemon({
        ...options,
        binds: { ...binds, "/var/necoperf": workDir },
      });
      for (const call of [fetchText, deleteCall]) {
        const anothers = await failure(call(next.client, tokens.b, recordingId));
        assert.equal(anothers.code, grpc.status.NOT_FOUND, call.name);
      }
      assert.ok((await fetchText(next.client, tokens.a, recordingId)).includes(BUSY_FUNCTION));
    });

    await t.step(
      "what a tenant writes into a pod of theirs claims no container of another's",
      async () => {
        const uid = await kubectl(
          ["get", "pod", "target", `--namespace=${b}`, "--output=jsonpath={.metadata.uid}"],
        );
        const refusal = await refused(tokens.a, containerB);
        // Anybody's to write: the mark of a static pod, whose kubelet names cgroups by another UID.
        for (const hash of [uid, uid.replaceAll("-", "")]) {
          const annotations = {
            "kubernetes.io/config.hash": hash,
            "kubernetes.io/config.source": "file",
          };
          await kubectl(
            [
              "patch",
              "pod",
              "target",
              `--namespace=${a}`,
              "--type=merge",
              "--patch-file=/dev/stdin",
            ],
            JSON.stringify({ metadata: { annotations } }),
          );
          // The kubelet writes the status anew within seconds: as often as it takes to be seen.
          const answers: unknown[] = [];
          const line = await eventually(async () => {
            await claimContainer(a, containerB);
            // The daemon's list of pods is no older than this.
            await new Promise((resolve) => setTimeout(resolve, 3100));
            answers.push(await refused(tokens.a, containerB).catch((error) => error));
            const lines = daemon.log.filter(({ reason }) => /claimed 2 times/.test(String(reason)));
            assert.notEqual(lines.length, 0, "the claim was not seen yet");
            return lines.at(-1)!;
          }, CACHES_SECONDS).finally(() => {
            for (const answer of answers) assert.deepEqual(answer, refusal);
          });
          assert.equal(line.decision, "denied");
          for (const pod of [`pod ${a}/target`, `pod ${b}/target`]) {
            assert.ok(String(line.reason).includes(pod), `${line.reason}`);
          }
        }
        // The kubelet writes its own status again, and all is as before.
        await eventually(async () => {
          assert.equal((await record(client, tokens.b, containerB)).at(-1)!.event, "finished");
          assert.equal((await record(client, tokens.a, containerA)).at(-1)!.event, "finished");
        }, CACHES_SECONDS);
        assert.deepEqual(await refused(tokens.a, containerB), refusal);
      },
    );

    await t.step("a client certificate is another way in", async () => {
      const { NecoPerf } = (await import("../../proto/grpc.ts")).loadNecoPerf();
      const withCertificate = new NecoPerf(
        daemon.address,
        grpc.credentials.createSsl(
          ...[authority.cert, alice.key, alice.cert].map((bytes) => Buffer.from(bytes)),
        ),
        { "grpc.ssl_target_name_override": "necoperf-daemon" },
      );
      try {
        const events = await record(withCertificate, undefined, containerA);
        assert.equal(events.at(-1)!.event, "finished");
        const line = await daemon.logged(({ user }) => user === "alice");
        assert.deepEqual(line.groups, ["team-a", "others", "system:authenticated"]);
        const anothers = await failure(record(withCertificate, undefined, containerB));
        assert.equal(anothers.code, grpc.status.PERMISSION_DENIED);
        assert.match(anothers.details, /^user "alice" may not/);
      } finally {
        withCertificate.close();
      }
    });

    await t.step("a deleted service account is out within seconds", async () => {
      assert.equal((await record(client, tokens.leaver, containerA)).at(-1)!.event, "finished");
      await kubectl(["delete", "serviceaccount", "leaver", `--namespace=${a}`]);
      await eventually(async () => {
        assert.equal((await refused(tokens.leaver)).code, grpc.status.UNAUTHENTICATED);
      }, CACHES_SECONDS);
    });

    await t.step("a right that is taken away is gone within seconds", async () => {
      await kubectl(["delete", "rolebinding", "tenant", `--namespace=${b}`]);
      await eventually(async () => {
        const { code } = await refused(tokens.b, containerB);
        assert.equal(code, grpc.status.PERMISSION_DENIED);
      }, CACHES_SECONDS);
    });

    await t.step("the daemon's own token is read again when it changes", async () => {
      await Deno.writeTextFile(`${accountDir}/token`, "not-a-token");
      const fresh = await requestToken(a, "tenant", "necoperf");
      const { code, details } = await refused(fresh);
      assert.equal(code, grpc.status.UNAVAILABLE, details);
      assert.match(details, /lets nobody in/);
      await Deno.writeTextFile(`${accountDir}/token`, await requestToken(a, "daemon"));
      assert.equal((await record(client, fresh, containerA)).at(-1)!.event, "finished");
    });

    await t.step("when the API server does not answer nobody is let in", async () => {
      await using blind = await startDaemon({
        binds,
        args: [...args, "--kube-api", "https://127.0.0.1:1"],
      });
      const { code, details } = await failure(record(blind.client, tokens.a, containerA));
      assert.equal(code, grpc.status.UNAVAILABLE);
      assert.match(details, /lets nobody in/);
      const line = await blind.logged(({ outcome }) => outcome === "unavailable");
      assert.match(String(line.reason), /does not answer/);
    });

    await t.step("no token is in the log, and an honest caller is still served", async () => {
      assert.equal((await record(client, tokens.a, containerA)).at(-1)!.event, "finished");
      const log = JSON.stringify(daemon.log);
      for (const token of [...Object.values(tokens), daemonToken]) {
        for (const part of token.split(".").slice(1)) assert.ok(!log.includes(part));
      }
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
    await kubectl(
      ["delete", "--ignore-not-found", "--filename=-"],
      JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: objects.filter(({ kind }) => kind.startsWith("Cluster")),
      }),
    );
    await deleteNamespaces(a, b);
  }
});
