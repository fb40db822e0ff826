import assert from "node:assert/strict";
import type { Container } from "../../../daemon/containers/container.ts";
import type { NodePod } from "../../../daemon/access/kubernetes_api.ts";
import { createApiOwners, createRuntimeOwners } from "../../../daemon/access/pod_owner.ts";

function pod(name: string, uids: string[], containers: Record<string, string>): NodePod {
  return { namespace: "ns", name, uids, containers: new Map(Object.entries(containers)) };
}

function create(...pods: NodePod[]) {
  let now = 0;
  let lists = 0;
  const owners = createApiOwners({
    podsOfNode(node) {
      assert.equal(node, "n1");
      lists++;
      return Promise.resolve([...pods]);
    },
  }, {
    nodeName: "n1",
    now: () => now,
    wait: (milliseconds) => {
      now += milliseconds;
      return Promise.resolve();
    },
  });
  return {
    owners,
    pods,
    lists: () => lists,
    now: () => now,
    pass: (milliseconds: number) => now += milliseconds,
  };
}

function container(id: string, podUid?: string): Container {
  return { id, mainPid: 1, podUid };
}

Deno.test("a container is its pod's own when id and pod UID say so, both", async () => {
  const { owners } = create(
    pod("a", ["ua"], { c1: "app", c2: "side" }),
    pod("static", ["ub", "hash"], { c3: "etcd" }),
  );
  assert.deepEqual(await owners.ownerOf(container("c2", "ua")), {
    podNamespace: "ns",
    podName: "a",
    containerName: "side",
  });
  assert.equal((await owners.ownerOf(container("c3", "hash")))?.podName, "static");
  assert.equal(await owners.ownerOf(container("c1", "ub")), undefined);
  assert.equal(await owners.ownerOf(container("c9", "ua")), undefined);
  assert.equal(await owners.ownerOf(container("c1")), undefined);
});

Deno.test("the list of pods stands for three seconds", async () => {
  const { owners, lists, pass } = create(pod("a", ["ua"], { c1: "app" }));
  for (let each = 0; each < 10; each++) await owners.ownerOf(container("c1", "ua"));
  assert.equal(lists(), 1);
  pass(3001);
  await Promise.all([1, 2, 3].map(() => owners.ownerOf(container("c1", "ua"))));
  assert.equal(lists(), 2);
});

Deno.test("a container newer than the list is found; guesses cost one list a second", async () => {
  const { owners, pods, lists, now, pass } = create(pod("a", ["ua"], { c1: "app" }));
  await owners.ownerOf(container("c1", "ua"));
  pass(200);
  pods.push(pod("new", ["un"], { c2: "app" }));
  assert.equal((await owners.ownerOf(container("c2", "un")))?.podName, "new");
  assert.equal(now(), 1000);
  const before = lists();
  for (let each = 0; each < 10; each++) {
    assert.equal(await owners.ownerOf(container(`guess${each}`, "ua")), undefined);
  }
  assert.ok(lists() - before <= now() / 1000, `${lists()} lists in ${now()} ms`);
});

Deno.test("a container that has ended is looked for by its id, without another list", async () => {
  const { owners, lists } = create(pod("a", ["ua"], { c1: "app" }));
  assert.equal((await owners.named("c1"))?.podName, "a");
  assert.equal(await owners.named("c2"), undefined);
  assert.equal(lists(), 1);
});

Deno.test("the runtime's word counts when it is whole", async () => {
  const owners = createRuntimeOwners();
  const owner = { podNamespace: "ns", podName: "p", containerName: "c" };
  assert.deepEqual(await owners.ownerOf({ ...container("c1", "u"), ...owner }), owner);
  assert.equal(await owners.ownerOf({ ...container("c1", "u"), podName: "p" }), undefined);
  assert.equal(await owners.named("c1"), undefined);
});
