import assert from "node:assert/strict";
import type { Container } from "../../../daemon/containers/container.ts";
import type { NodePod } from "../../../daemon/access/node_pod.ts";
import { createApiOwners, createRuntimeOwners } from "../../../daemon/access/pod_owner.ts";

/** A pod whose containers' names are by their ids. */
function pod(
  name: string,
  uid: string,
  containers: Record<string, string>,
  more: Partial<NodePod> = {},
): NodePod {
  const listed = Object.entries(containers).map(([id, name]) => ({ id, name, running: true }));
  return { namespace: "ns", name, uid, containers: listed, ...more };
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
    podNameOf: async (id: string, uid?: string) =>
      (await owners.ownerOf(container(id, uid))).owner?.podName,
    pods,
    lists: () => lists,
    now: () => now,
    pass: (milliseconds: number) => now += milliseconds,
  };
}

function container(id: string, podUid?: string): Container {
  return { id, mainPid: 1, podUid };
}

Deno.test("ownerOf: a container is its pod's own when id and pod UID say so, both", async () => {
  const { owners, podNameOf } = create(
    pod("a", "ua", { c1: "app", c2: "side" }),
    pod("static", "ub", { c3: "etcd" }, { staticUid: "hash" }),
  );
  assert.deepEqual(await owners.ownerOf(container("c2", "ua")), {
    owner: { podNamespace: "ns", podName: "a", containerName: "side" },
    status: { running: true, runtimeClass: undefined },
  });
  assert.equal(await podNameOf("c3", "hash"), "static");
  const noPod = { reason: "no pod's container" };
  assert.deepEqual(await owners.ownerOf(container("c1", "ub")), noPod);
  assert.deepEqual(await owners.ownerOf(container("c9", "ua")), noPod);
  assert.deepEqual(await owners.ownerOf(container("c1")), noPod);
});

Deno.test("ownerOf: a pod that lists another's container does not get it, and the log names both", async () => {
  const evil = { namespace: "evil" };
  const { owners } = create(
    pod("victim", "uv", { c1: "app" }),
    pod("thief", "ut", { c1: "mine" }, evil),
  );
  for (const uid of ["uv", "ut"]) {
    assert.deepEqual(await owners.ownerOf(container("c1", uid)), {
      reason: "the container is claimed 2 times: by container app of pod ns/victim (UID uv), " +
        "container mine of pod evil/thief (UID ut)",
    });
  }
  assert.equal((await owners.named("c1")).owner, undefined);
  // Before the victim's own status has it.
  const early = create(pod("victim", "uv", {}), pod("thief", "ut", { c1: "mine" }, evil));
  assert.equal(await early.podNameOf("c1", "uv"), undefined);
});

Deno.test("ownerOf: a container that one pod lists twice has no name of its own", async () => {
  const listed = ["a", "b"].map((name) => ({ id: "c1", name, running: true }));
  const { owners } = create(pod("p", "u", {}, { containers: listed }));
  const { owner, reason } = await owners.ownerOf(container("c1", "u"));
  assert.equal(owner, undefined);
  assert.match(
    reason!,
    /claimed 2 times: by container a of pod ns\/p .*, container b of pod ns\/p /,
  );
});

Deno.test("ownerOf: a pod UID that two pods claim is nobody's, and the log names both", async () => {
  const evil = { namespace: "evil", staticUid: "hash" };
  for (const thiefs of [{}, { c3: "mine" }] as Record<string, string>[]) {
    for (const first of ["static", "thief"]) {
      const pods = [
        pod("static", "us", { c3: "etcd" }, { staticUid: "hash" }),
        pod("thief", "ut", thiefs, evil),
      ].sort((a) => a.name === first ? -1 : 1);
      const { owner, reason } = await create(...pods).owners.ownerOf(container("c3", "hash"));
      assert.equal(owner, undefined);
      assert.match(reason!, /pod ns\/static \(UID us\)/);
      assert.match(reason!, /pod evil\/thief \(UID ut\)/);
    }
  }
  // Also where only the thief has the container in its status.
  const { owners } = create(
    pod("static", "us", {}, { staticUid: "hash" }),
    pod("thief", "ut", { c3: "mine" }, evil),
  );
  assert.match((await owners.ownerOf(container("c3", "hash"))).reason!, /^pod UID hash is claimed/);
});

Deno.test("ownerOf: many claims make no long line", async () => {
  const claims = Array.from(
    { length: 500 },
    (_, index) => pod(`p${index}`, `u${index}`, { c1: "x" }),
  );
  const { reason } = await create(...claims).owners.ownerOf(container("c1", "u0"));
  assert.ok(reason!.length < 1000, `${reason!.length} characters`);
  assert.match(reason!, /claimed 500 times: by .* and 495 more$/);
});

Deno.test("ownerOf: the list of pods stands for three seconds", async () => {
  const { owners, lists, pass } = create(pod("a", "ua", { c1: "app" }));
  for (let each = 0; each < 10; each++) await owners.ownerOf(container("c1", "ua"));
  assert.equal(lists(), 1);
  pass(3001);
  await Promise.all([1, 2, 3].map(() => owners.ownerOf(container("c1", "ua"))));
  assert.equal(lists(), 2);
});

Deno.test("ownerOf: a container newer than the list is found; guesses cost one list a second", async () => {
  const { owners, podNameOf, pods, lists, now, pass } = create(pod("a", "ua", { c1: "app" }));
  await owners.ownerOf(container("c1", "ua"));
  pass(200);
  pods.push(pod("new", "un", { c2: "app" }));
  assert.equal(await podNameOf("c2", "un"), "new");
  assert.equal(now(), 1000);
  const before = lists();
  for (let each = 0; each < 10; each++) {
    assert.equal(await podNameOf(`guess${each}`, "ua"), undefined);
  }
  assert.ok(lists() - before <= now() / 1000, `${lists()} lists in ${now()} ms`);
});

Deno.test("named: a container that has ended is looked for by its id, without another list", async () => {
  const { owners, lists } = create(pod("a", "ua", { c1: "app" }));
  assert.equal((await owners.named("c1")).owner?.podName, "a");
  assert.equal((await owners.named("c2")).owner, undefined);
  assert.equal(lists(), 1);
  const sandboxed = create(pod("a", "ua", { c1: "app" }, { runtimeClass: "gvisor" }));
  const { status } = await sandboxed.owners.named("c1");
  assert.deepEqual(status, { running: true, runtimeClass: "gvisor" });
});

Deno.test("createRuntimeOwners: the runtime's word counts when it is whole", async () => {
  const owners = createRuntimeOwners();
  const owner = { podNamespace: "ns", podName: "p", containerName: "c" };
  assert.deepEqual(await owners.ownerOf({ ...container("c1", "u"), ...owner }), { owner });
  const partial = await owners.ownerOf({ ...container("c1", "u"), podName: "p" });
  assert.equal(partial.owner, undefined);
  assert.equal((await owners.named("c1")).owner, undefined);
});
