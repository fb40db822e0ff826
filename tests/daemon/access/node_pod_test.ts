import assert from "node:assert/strict";
import { type ApiPod, toNodePod } from "../../../daemon/access/node_pod.ts";

const [C1, C2, C3] = ["c1", "c2", "c3"].map((digits) => digits.repeat(32));
const HASH = "3a31a360e5aea903274416e0c4cf8ca8";
const NODE = "Node1";

/** The mirror of a static pod, as the kubelet makes it (pkg/kubelet/pod/mirror_client.go). */
function mirror(changes: Partial<ApiPod["metadata"]> = {}): ApiPod {
  return {
    metadata: {
      ...{
        name: "etcd-node1",
        namespace: "kube-system",
        uid: "d4f0c6c9-9d1c-4f3e-8d4b-0f3a2b1c9e7d",
      },
      annotations: {
        "kubernetes.io/config.hash": HASH,
        "kubernetes.io/config.mirror": HASH,
        "kubernetes.io/config.seen": "2026-11-29T00:10:21.123456789Z",
        "kubernetes.io/config.source": "file",
      },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: NODE, controller: true }],
      ...changes,
    },
    spec: {},
  };
}

function annotated(changes: Record<string, string | undefined>): ApiPod {
  const annotations = { ...mirror().metadata.annotations, ...changes };
  return mirror({ annotations: JSON.parse(JSON.stringify(annotations)) });
}

Deno.test("toNodePod: has the containers of all kinds that have been made, by the runtime's ids", () => {
  const pod = {
    metadata: { name: "p", namespace: "a", uid: "u" },
    status: {
      containerStatuses: [
        { name: "app", containerID: `containerd://${C1}`, state: { running: {} } },
        { name: "waits" },
      ],
      initContainerStatuses: [
        { name: "init", containerID: `cri-o://${C2}`, state: { terminated: {} } },
      ],
      ephemeralContainerStatuses: [{ name: "debug", containerID: `docker://${C3}` }],
    },
  };
  assert.deepEqual(toNodePod(pod, NODE), {
    ...{ namespace: "a", name: "p", uid: "u" },
    containers: [
      { id: C1, name: "app", running: true },
      { id: C2, name: "init", running: false },
      { id: C3, name: "debug", running: false },
    ],
  });
  const sandboxed = { ...pod, spec: { runtimeClassName: "gvisor" } };
  assert.equal(toNodePod(sandboxed, NODE).runtimeClass, "gvisor");
});

Deno.test("toNodePod: what is not an id as runtimes make them names no container", () => {
  const ids = [
    "",
    "containerd://",
    C1.slice(0, 12),
    C1.toUpperCase(),
    `containerd://${C1}\n`,
    `containerd://${C1}0`,
    `containerd://containerd://${C1}`,
    `Containerd://${C1}`,
    `evil://${C1}`,
  ];
  const containerStatuses = ids.map((containerID) => ({ name: "c", containerID }));
  const metadata = { name: "p", namespace: "a", uid: "u" };
  assert.deepEqual(toNodePod({ metadata, status: { containerStatuses } }, NODE).containers, []);
});

Deno.test("toNodePod: what is not a container's name names none", () => {
  const names = ["", "A", "a\n", "a.b", "-a", "a-", "\u202ea", "a".repeat(64), "x".repeat(1 << 20)];
  const containerStatuses = names.map((name) => ({ name, containerID: `containerd://${C1}` }));
  const metadata = { name: "p", namespace: "a", uid: "u" };
  assert.deepEqual(toNodePod({ metadata, status: { containerStatuses } }, NODE).containers, []);
  const [longest] = toNodePod({
    metadata,
    status: { containerStatuses: [{ name: "a".repeat(63), containerID: C1 }] },
  }, NODE).containers;
  assert.equal(longest.name.length, 63);
});

Deno.test("toNodePod: keeps every claim of a container, also two of one pod", () => {
  const status = {
    containerStatuses: [{ name: "a", containerID: `containerd://${C1}` }],
    ephemeralContainerStatuses: [{ name: "b", containerID: `cri-o://${C1}` }],
  };
  const { containers } = toNodePod(
    { metadata: { name: "p", namespace: "a", uid: "u" }, status },
    "",
  );
  assert.deepEqual(containers.map(({ id, name }) => [id, name]), [[C1, "a"], [C1, "b"]]);
});

Deno.test("toNodePod: a mirror pod of this node stands for its static pod", () => {
  assert.equal(toNodePod(mirror(), NODE).staticUid, HASH);
  const fromUrl = annotated({ "kubernetes.io/config.source": "http" });
  assert.equal(toNodePod(fromUrl, NODE).staticUid, HASH);
});

const UID = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const [owner] = mirror().metadata.ownerReferences!;
const NO_MIRRORS: [what: string, pod: ApiPod][] = [
  ["it has no annotation", mirror({ annotations: undefined })],
  ["it has config.hash alone", mirror({ annotations: { "kubernetes.io/config.hash": HASH } })],
  ["config.mirror is missing", annotated({ "kubernetes.io/config.mirror": undefined })],
  ["config.mirror is another", annotated({ "kubernetes.io/config.mirror": "f".repeat(32) })],
  ["config.source is missing", annotated({ "kubernetes.io/config.source": undefined })],
  ["config.source is the API", annotated({ "kubernetes.io/config.source": "api" })],
  ...[UID, UID.replaceAll("-", "_"), HASH.toUpperCase(), `${HASH}\n`, `${HASH}0`, "", "kubepods"]
    .map(
      (hash): [string, ApiPod] => [
        `the hash is ${JSON.stringify(hash)}`,
        annotated({ "kubernetes.io/config.hash": hash, "kubernetes.io/config.mirror": hash }),
      ],
    ),
  ["it has no owner", mirror({ ownerReferences: undefined })],
  ["it has a second owner", mirror({ ownerReferences: [owner, owner] })],
  ["its owner is another node", mirror({ ownerReferences: [{ ...owner, name: "node2" }] })],
  ["its owner is not a node", mirror({ ownerReferences: [{ ...owner, kind: "Pod" }] })],
  [
    "its owner is another API's Node",
    mirror({ ownerReferences: [{ ...owner, apiVersion: "evil.example/v1" }] }),
  ],
  ["its owner does not control it", mirror({ ownerReferences: [{ ...owner, controller: false }] })],
  ["its name is not the node's", mirror({ name: "etcd" })],
  ["it has a service account", { ...mirror(), spec: { serviceAccountName: "default" } }],
  ["it is being deleted", mirror({ deletionTimestamp: "2026-11-29T00:10:25Z" })],
];

for (const [what, pod] of NO_MIRRORS) {
  Deno.test(`toNodePod: a pod stands for no static pod when ${what}`, () => {
    assert.equal(toNodePod(pod, NODE).staticUid, undefined);
  });
}
