import assert from "node:assert/strict";
import {
  createKubernetesAdmission,
  createOpenAdmission,
  type KubernetesAdmissionParts,
} from "../../../daemon/access/admission.ts";
import { ANYONE, type Caller } from "../../../daemon/caller.ts";
import type { Container, ContainerLookup } from "../../../daemon/containers/container.ts";
import type { AccessQuestion } from "../../../daemon/access/kubernetes_api.ts";
import type { Ownership, PodStatus } from "../../../daemon/access/pod_owner.ts";
import type { RequestedSide, Side } from "../../../daemon/recording.ts";
import { StatusError, type StatusName } from "../../../daemon/status_error.ts";

const MINE = "a".repeat(64);
const ANOTHERS = "b".repeat(64);
const NOBODYS = "c".repeat(64);
const ENDED = "d".repeat(64);
const NONE = "e".repeat(64);
const ALICE: Caller = { user: "alice", uid: "1", groups: [], extra: {} };
const OWNERS: Record<string, { podNamespace: string; podName: string; containerName: string }> = {
  [MINE]: { podNamespace: "mine", podName: "p", containerName: "c" },
  [ANOTHERS]: { podNamespace: "theirs", podName: "secret", containerName: "c" },
  [ENDED]: { podNamespace: "mine", podName: "p", containerName: "c" },
};

function ownership(id: string): Ownership {
  return OWNERS[id] ? { owner: OWNERS[id] } : { reason: "claimed by a/p and b/q" };
}

const lookup = {
  find(id: string): Promise<Container> {
    if (id === NONE || id === ENDED) {
      return Promise.reject(new StatusError("NOT_FOUND", "there is none"));
    }
    return Promise.resolve({ id, mainPid: 7 });
  },
} as ContainerLookup;

function create(rights: string[], parts: Partial<KubernetesAdmissionParts> = {}) {
  const asked: AccessQuestion[] = [];
  const access = createKubernetesAdmission({
    lookup,
    owners: {
      ownerOf: ({ id }) => Promise.resolve(ownership(id)),
      named: (id) => Promise.resolve(ownership(id)),
    },
    authenticator: {
      authenticate: () => Promise.resolve(ALICE),
      isRevoked: () => Promise.resolve(false),
    },
    authorizer: {
      allows(_caller, question) {
        asked.push(question);
        const { resource, namespace } = question;
        return Promise.resolve(
          rights.includes(`${resource} in ${namespace}`) || rights.includes(`${resource} in `),
        );
      },
    },
    ...parts,
  });
  const answer = (containerId: string, side: RequestedSide = "user") =>
    access.admit({ caller: ALICE, containerId, side, signal: new AbortController().signal });
  const admit = async (containerId: string, side?: RequestedSide) => {
    const answered = await answer(containerId, side);
    if (answered.decision === "allowed") return answered;
    throw answered.error;
  };
  return { access, asked, answer, admit };
}

async function failure(attempt: Promise<unknown>): Promise<[StatusName, string]> {
  try {
    await attempt;
  } catch (error) {
    assert.ok(error instanceof StatusError, `${error}`);
    return [error.status, error.message];
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

Deno.test("createKubernetesAdmission: the right in the namespace of the container's pod lets in", async () => {
  const { asked, answer } = create(["profiles in mine"]);
  assert.deepEqual(await answer(`containerd://${MINE}`), {
    ...{ decision: "allowed", container: { id: MINE, mainPid: 7 }, owner: OWNERS[MINE] },
    side: "user",
  });
  assert.deepEqual(asked, [{ resource: "profiles", namespace: "mine", name: "p" }]);
});

Deno.test("createKubernetesAdmission: a refusal is the same for another's container, nobody's and none", async () => {
  const { asked, admit } = create(["profiles in mine", "profiles/kernel in mine"]);
  const refusals = [
    await failure(admit(ANOTHERS)),
    await failure(admit(NOBODYS)),
    await failure(admit(NONE)),
    await failure(admit(ANOTHERS, "both")),
    await failure(admit(NONE, "kernel")),
  ];
  for (const refusal of refusals) assert.deepEqual(refusal, refusals[0]);
  const [status, words] = refusals[0];
  assert.equal(status, "PERMISSION_DENIED");
  assert.match(words, /^user "alice" may not profile this container, or no such container runs/);
  assert.doesNotMatch(words, /theirs|secret/);
  // A review is made for each, so that the time it takes tells nothing either.
  assert.equal(asked.length, refusals.length);
});

Deno.test("admit: a refusal says in the log what is known of the container", async () => {
  const { answer } = create(["profiles in mine"]);
  const { decision, container, owner } = await answer(ANOTHERS);
  assert.deepEqual({ decision, container, owner }, {
    ...{ decision: "denied", container: { id: ANOTHERS, mainPid: 7 }, owner: OWNERS[ANOTHERS] },
  });
  const ended = await answer(ENDED);
  assert.equal(ended.decision, "error");
  assert.equal(ended.container, undefined);
  assert.deepEqual(ended.owner, OWNERS[ENDED]);
});

Deno.test("createKubernetesAdmission: what the lookup says of a container is for those who may profile it", async () => {
  for (const status of ["NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL"] as const) {
    const failing = {
      find: () => Promise.reject(new StatusError(status, "in words")),
    } as unknown as ContainerLookup;
    const mine = create(["profiles in mine"], { lookup: failing });
    assert.deepEqual(await failure(mine.admit(ENDED)), [status, "in words"]);
    assert.equal((await failure(mine.admit(ANOTHERS)))[0], "PERMISSION_DENIED");
    const all = create(["profiles in "], { lookup: failing });
    assert.deepEqual(await failure(all.admit(NONE)), [status, "in words"]);
  }
  const down = {
    find: () => Promise.reject(new StatusError("UNAVAILABLE", "no runtime")),
  } as unknown as ContainerLookup;
  assert.equal((await failure(create([], { lookup: down }).admit(MINE)))[0], "UNAVAILABLE");
});

Deno.test("admit: nobody may profile a container of no pod, and the log says why it has none", async () => {
  const { admit } = create(["profiles in ", "profiles/kernel in "]);
  assert.equal((await failure(admit(NOBODYS)))[0], "PERMISSION_DENIED");
  for (const { answer: ask } of [create(["profiles in "]), create(["profiles in mine"])]) {
    const answered = await ask(NOBODYS);
    assert.ok(answered.decision === "denied");
    assert.equal((answered.error.cause as Error).message, "claimed by a/p and b/q");
    assert.doesNotMatch(answered.error.message, /claimed/);
  }
  assert.equal((await failure(admit(NONE)))[0], "NOT_FOUND");
});

Deno.test("createKubernetesAdmission: the kernel's side is a right of its own", async () => {
  const user = create(["profiles in mine"]);
  assert.equal((await user.admit(MINE, "allowed")).side, "user");
  for (const side of ["kernel", "both"] as const) {
    const [status, words] = await failure(user.admit(MINE, side));
    assert.equal(status, "PERMISSION_DENIED");
    assert.match(
      words,
      /resources: \["profiles\/kernel"\], verbs: \["create"\]\} in namespace mine/,
    );
  }
  const both = create(["profiles in mine", "profiles/kernel in mine"]);
  assert.equal((await both.admit(MINE, "allowed")).side, "both");
  for (const side of ["kernel", "both", "user"] as const) {
    assert.equal((await both.admit(MINE, side)).side, side);
  }
  // The right to the kernel's side alone is none.
  const kernel = create(["profiles/kernel in mine"]);
  assert.equal((await failure(kernel.admit(MINE, "kernel")))[0], "PERMISSION_DENIED");
});

Deno.test("createKubernetesAdmission: when nobody can tell, nobody is let in", async () => {
  const down = () => Promise.reject(new StatusError("UNAVAILABLE", "down"));
  const noReviews = create([], { authorizer: { allows: down } });
  const noPods = create(["profiles in "], { owners: { ownerOf: down, named: down } });
  for (const { admit } of [noReviews, noPods]) {
    assert.deepEqual(await failure(admit(MINE)), ["UNAVAILABLE", "down"]);
    assert.deepEqual(await failure(admit(NONE)), ["UNAVAILABLE", "down"]);
  }
  // Also when it is about the second question only: no half of what was asked for in silence.
  const half = create([], {
    authorizer: {
      allows: (_caller, { resource }) => resource === "profiles" ? Promise.resolve(true) : down(),
    },
  });
  assert.deepEqual(await failure(half.admit(MINE, "allowed")), ["UNAVAILABLE", "down"]);
});

Deno.test("createKubernetesAdmission: a text that is not a container id is refused before anything is asked", async () => {
  const { asked, admit } = create(["profiles in "]);
  for (const id of ["", "x", "..", `${MINE}\n`, MINE.slice(1), "x".repeat(1 << 20)]) {
    assert.equal((await failure(admit(id)))[0], "INVALID_ARGUMENT");
  }
  assert.deepEqual(asked, []);
});

Deno.test("admit: a container that runs without a process on the node is said to be in a sandbox, to who may know", async () => {
  const named = (id: string, status: PodStatus) => () =>
    Promise.resolve({ owner: OWNERS[id], status });
  const cases: [PodStatus, StatusName, RegExp][] = [
    [
      { running: true, runtimeClass: "gvisor" },
      "FAILED_PRECONDITION",
      /under RuntimeClass "gvisor": .*nothing of them can be seen from it/,
    ],
    [{ running: true }, "FAILED_PRECONDITION", /running: either it has just ended, or .* sandbox/],
    [{ running: false, runtimeClass: "gvisor" }, "NOT_FOUND", /^there is none$/],
  ];
  for (const [status, code, message] of cases) {
    const ownerOf = () => Promise.reject(new Error("it was not found"));
    const mine = create(["profiles in mine"], { owners: { ownerOf, named: named(ENDED, status) } });
    const [actual, details] = await failure(mine.admit(ENDED));
    assert.equal(actual, code);
    assert.match(details, message);
    const theirs = create(["profiles in other"], {
      owners: { ownerOf, named: named(ENDED, status) },
    });
    const [denied, words] = await failure(theirs.admit(ENDED));
    assert.equal(denied, "PERMISSION_DENIED");
    assert.doesNotMatch(words, /sandbox|gvisor/);
  }
});

Deno.test("admit: a container that cannot be recorded is refused with the reason, to who may know", async () => {
  const problem = new StatusError("FAILED_PRECONDITION", "it is in a sandbox");
  const found: ContainerLookup = {
    ...lookup,
    find: (id) => Promise.resolve({ id, mainPid: 7, problem }),
  };
  const mine = create(["profiles in mine"], { lookup: found });
  assert.deepEqual(await failure(mine.admit(MINE)), ["FAILED_PRECONDITION", "it is in a sandbox"]);
  assert.equal((await mine.answer(MINE)).decision, "error");
  assert.equal((await failure(mine.admit(ANOTHERS)))[0], "PERMISSION_DENIED");
  const { signal } = new AbortController();
  const open = createOpenAdmission(found);
  const answer = await open.admit({ caller: ANYONE, containerId: MINE, side: "user", signal });
  assert.ok(answer.decision === "error");
  assert.equal(answer.error, problem);
});

Deno.test("confirm: what was allowed must still be, side by side", async () => {
  const grant = { podNamespace: "mine", podName: "p" };
  const confirm = (rights: string[], side: Side, parts: Partial<KubernetesAdmissionParts> = {}) =>
    create(rights, parts).access.confirm(ALICE, { authorization: ["Bearer x"] }, {
      ...grant,
      side,
    });
  const both = ["profiles in mine", "profiles/kernel in mine"];
  await confirm(both, "both");
  await confirm(both, "kernel");
  await confirm(["profiles in mine"], "user");
  const refusals: [rights: string[], side: Side, RegExp][] = [
    [[], "user", /may not profile this container/],
    [["profiles in theirs"], "user", /may not profile this container/],
    [["profiles/kernel in mine"], "kernel", /may not profile this container/],
    [["profiles in mine"], "both", /not the kernel's side/],
    [["profiles in mine"], "kernel", /not the kernel's side/],
  ];
  for (const [rights, side, message] of refusals) {
    const [status, details] = await failure(confirm(rights, side));
    assert.equal(status, "PERMISSION_DENIED");
    assert.match(details, message);
  }
  const revoked = {
    authenticate: () => Promise.resolve(ALICE),
    isRevoked: () => Promise.resolve(true),
  };
  const [status] = await failure(confirm(both, "user", { authenticator: revoked }));
  assert.equal(status, "UNAUTHENTICATED");
  const down = { allows: () => Promise.reject(new StatusError("UNAVAILABLE", "down")) };
  assert.equal((await failure(confirm(both, "user", { authorizer: down })))[0], "UNAVAILABLE");
});

Deno.test("createOpenAdmission: open access lets everybody record everything", async () => {
  const access = createOpenAdmission(lookup);
  assert.equal(await access.identify({ authorization: [] }), ANYONE);
  const { signal } = new AbortController();
  const admit = (side: RequestedSide) =>
    access.admit({ caller: ANYONE, containerId: MINE, side, signal });
  const allowed = { decision: "allowed", container: { id: MINE, mainPid: 7 } };
  assert.deepEqual(await admit("allowed"), { ...allowed, side: "both" });
  assert.deepEqual(await admit("kernel"), { ...allowed, side: "kernel" });
});
