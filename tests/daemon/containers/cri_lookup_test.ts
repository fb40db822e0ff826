// The runtime here is a plain object; a real one is in tests/integration/container_lookup_test.ts.
import assert from "node:assert/strict";
import type { Cri, RuntimeContainer } from "../../../daemon/containers/cri.ts";
import { pidOfInfo } from "../../../daemon/containers/cri_info.ts";
import { createCriLookup } from "../../../daemon/containers/cri_lookup.ts";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import type { StatusError } from "../../../daemon/status_error.ts";
import { type FakeProcfs, fakeProcfs } from "../../testing/fake_procfs.ts";

const ID = "b2a102854b4969b2ce98dc329c86b4fb2b06e4ad2cc8da9d8a7578c9cd2004a2";
const POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const CGROUP = `0::/kubepods/pod${POD}/${ID}\n`;

function lookupOver(fake: FakeProcfs, answer: Partial<RuntimeContainer> | undefined) {
  const cri: Cri = {
    containerStatus: (id) =>
      Promise.resolve(
        answer && { id, state: "CONTAINER_RUNNING", labels: {}, info: {}, ...answer },
      ),
    check: () => Promise.resolve(),
    close: () => {},
  };
  return createCriLookup({ cri, procfs: openProcfs(fake.dir), pollIntervalMs: 1 });
}

Deno.test("pidOfInfo: reads containerd's form and both of CRI-O's", () => {
  const spec = { ociVersion: "1.0.2-dev", process: { args: ["sh"] } };
  const containerd = { sandboxID: "0f", pid: 4711, removing: false, runtimeSpec: spec };
  assert.equal(pidOfInfo({ info: JSON.stringify(containerd) }), 4711);
  const crio = { sandboxID: "0f", pid: 815, runtimeSpec: spec, privileged: false };
  assert.equal(pidOfInfo({ info: JSON.stringify(crio) }), 815);
  assert.equal(pidOfInfo({ pid: "4711", sandboxId: "0f" }), 4711);
});

Deno.test("pidOfInfo: says what it was given when that is not a process id", () => {
  const garbage: [Record<string, string>, RegExp][] = [
    [{}, /gave "nothing" as/],
    [{ info: "" }, /not JSON: ""/],
    [{ info: "{" }, /not JSON: "\{"/],
    [{ info: "\u0000".repeat(10_000) }, /not JSON: .*10000 characters/],
    [{ info: "null" }, /"nothing"/],
    [{ info: "[]" }, /"nothing"/],
    [{ info: "7" }, /"nothing"/],
    [{ info: "{}" }, /"nothing"/],
    [{ info: '{"pid":0}' }, /"0"/],
    [{ info: '{"pid":-1}' }, /"-1"/],
    [{ info: '{"pid":1.5}' }, /"1.5"/],
    [{ info: '{"pid":4194305}' }, /"4194305"/],
    [{ info: '{"pid":1e300}' }, /"1e\+300"/],
    [{ info: '{"pid":"4711"}' }, /"\\"4711\\""/],
    [{ info: '{"pid":true}' }, /"true"/],
    [{ info: '{"pid":[4711]}' }, /"\[4711\]"/],
    [{ info: '{"Pid":4711}' }, /"nothing"/],
    [{ pid: "" }, /"\\"\\""/],
    [{ pid: "0x10" }, /0x10/],
    [{ pid: "99999999999" }, /99999999999/],
    [{ pid: " 5" }, / 5/],
  ];
  for (const [info, pattern] of garbage) {
    assert.throws(() => pidOfInfo(info), ({ status, message }: StatusError) => {
      assert.equal(status, "INTERNAL");
      assert.match(message, pattern);
      assert.match(message, /^[\x20-\x7e]{1,700}$/);
      return true;
    }, JSON.stringify(info).slice(0, 80));
  }
});

Deno.test("createCriLookup: find takes the pod's names from the labels", async () => {
  using fake = fakeProcfs([{ pid: 50, cgroup: CGROUP }]);
  const labels = {
    "io.kubernetes.pod.name": "web-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": POD,
    "io.kubernetes.container.name": "app",
    "app": "web",
  };
  const lookup = lookupOver(fake, { labels, info: { info: '{"pid":50}' } });
  assert.deepEqual(await lookup.find(`cri-o://${ID}`), {
    id: ID,
    mainPid: 50,
    podUid: POD,
    podNamespace: "shop",
    podName: "web-0",
    containerName: "app",
  });
});

Deno.test("createCriLookup: find says in which state a container is that does not run", async () => {
  using fake = fakeProcfs();
  for (
    const [state, words] of [
      ["CONTAINER_CREATED", /has not started yet \(CONTAINER_CREATED\)/],
      ["CONTAINER_EXITED", /has ended \(CONTAINER_EXITED\)/],
      ["CONTAINER_UNKNOWN", /state that its runtime does not know \(CONTAINER_UNKNOWN\)/],
    ] as const
  ) {
    const lookup = lookupOver(fake, { state, info: { info: '{"pid":50}' } });
    await assert.rejects(lookup.find(ID), { status: "FAILED_PRECONDITION", message: words });
  }
});

Deno.test("createCriLookup: find says that the runtime knows no such container", async () => {
  using fake = fakeProcfs();
  await assert.rejects(lookupOver(fake, undefined).find(ID), {
    status: "NOT_FOUND",
    message: /knows no container b2a102854b49;/,
  });
});

Deno.test("createCriLookup: find does not ask the runtime for text that is not an id", async () => {
  using fake = fakeProcfs();
  await assert.rejects(lookupOver(fake, undefined).find("b2a1"), { status: "INVALID_ARGUMENT" });
});

Deno.test("createCriLookup: processes are those of the cgroup, also when the main one has ended", async () => {
  using fake = fakeProcfs([
    { pid: 90 },
    { pid: 50, parentPid: 90, cgroup: CGROUP },
    { pid: 51, parentPid: 90, cgroup: CGROUP },
    { pid: 52, parentPid: 50 }, // left for another cgroup
  ]);
  const lookup = lookupOver(fake, { info: { info: '{"pid":50}' } });
  const container = await lookup.find(ID);
  assert.deepEqual(await lookup.processes(container), [50, 51]);
  fake.remove(50);
  assert.deepEqual(await lookup.processes(container), [51]);
  fake.put({ pid: 50, startTicks: 9999 }); // somebody else's by now
  fake.remove(51);
  assert.deepEqual(await lookup.processes(container), []);
});

Deno.test("createCriLookup: processes are what the main one started where the cgroup does not tell", async () => {
  using fake = fakeProcfs([
    { pid: 90 },
    { pid: 50, parentPid: 90, startTicks: 7 },
    { pid: 53, parentPid: 50 },
    { pid: 52, parentPid: 53 },
    { pid: 54, parentPid: 50, state: "Z" },
    { pid: 60, parentPid: 90 },
  ]);
  const lookup = lookupOver(fake, { info: { info: '{"pid":50}' } });
  const container = await lookup.find(ID);
  assert.deepEqual(await lookup.processes(container), [50, 52, 53]);
  fake.put({ pid: 50, parentPid: 90, startTicks: 9999 }); // the number is another process's now
  assert.deepEqual(await lookup.processes(container), []);
});

Deno.test("createCriLookup: find does not take the runtime's word for a process of somebody else", async () => {
  const other = `0::/kubepods/pod${POD}/${ID.split("").reverse().join("")}\n`;
  for (
    const processes of [
      [{ pid: 50, cgroup: other }],
      [{ pid: 50 }, { pid: 60, cgroup: CGROUP }],
    ]
  ) {
    using fake = fakeProcfs(processes);
    const lookup = lookupOver(fake, { info: { info: '{"pid":50}' } });
    await assert.rejects(lookup.find(ID), {
      status: "INTERNAL",
      message: /^process 50, .* b2a102854b49, is not in that container's cgroup.*hostPID/,
    });
  }
});
