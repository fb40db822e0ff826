// The trees here are of forms that this machine cannot produce; real containers are in
// tests/integration/container_lookup_test.ts.
import assert from "node:assert/strict";
import { createCgroupLookup } from "../../../daemon/containers/cgroup_lookup.ts";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import type { StatusError } from "../../../daemon/status_error.ts";
import { type FakeProcfs, fakeProcfs } from "../../testing/fake_procfs.ts";

const ID = "b2a102854b4969b2ce98dc329c86b4fb2b06e4ad2cc8da9d8a7578c9cd2004a2";
const OTHER = "05c48c82caff3be3d7f1e896981dd410e81487538936914f32b624d168de9db0";
const POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const OTHER_POD = "0b7c1de2-5a0f-4e9d-b7d8-1f0e2d3c4b5a";
const CGROUP = `0::/kubepods.slice/kubepods-pod${
  POD.replaceAll("-", "_")
}.slice/cri-containerd-${ID}.scope\n`;
const OTHER_CGROUP = `0::/kubepods/pod${POD}/${OTHER}\n`;

function lookupOver(fake: FakeProcfs) {
  return createCgroupLookup({ procfs: openProcfs(fake.dir), pollIntervalMs: 1 });
}

/** Aborts with `abort`, and after a while by itself, so that what never comes fails a test. */
function bounded(abort: AbortController): AbortSignal {
  return AbortSignal.any([abort.signal, AbortSignal.timeout(20_000)]);
}

Deno.test("createCgroupLookup: find takes the process that came from outside first, whatever its number", async () => {
  using fake = fakeProcfs([
    { pid: 90, startTicks: 10 }, // the shim, outside
    { pid: 500, parentPid: 90, startTicks: 100, cgroup: CGROUP },
    { pid: 30, parentPid: 500, startTicks: 50, cgroup: CGROUP }, // numbers wrap around
    { pid: 20, parentPid: 90, startTicks: 900, cgroup: CGROUP }, // executed later
    { pid: 600, parentPid: 90, startTicks: 5, cgroup: OTHER_CGROUP },
  ]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(`containerd://${ID}`);
  assert.deepEqual(container, { id: ID, mainPid: 500, podUid: POD });
  assert.deepEqual(await lookup.processes(container), [20, 30, 500]);
});

Deno.test("createCgroupLookup: find says where else a container may be that is not here", async () => {
  using fake = fakeProcfs([{ pid: 600, cgroup: OTHER_CGROUP }]);
  await assert.rejects(lookupOver(fake).find(ID), (error: StatusError) => {
    assert.equal(error.status, "NOT_FOUND");
    assert.match(error.message, /^no process on this node belongs to container b2a102854b49; /);
    assert.match(error.message, /it may have ended, or runs on another node$/);
    return true;
  });
});

Deno.test("createCgroupLookup: find refuses text that is not an id, though it is in every path", async () => {
  using fake = fakeProcfs([{ pid: 600, cgroup: `0::/kubepods/pod${POD}/${ID}\n` }]);
  for (const id of ["kubepods", `pod${POD}`, "", "/"]) {
    await assert.rejects(lookupOver(fake).find(id), { status: "INVALID_ARGUMENT" });
  }
});

Deno.test("createCgroupLookup: find ends when the caller gives up", async () => {
  using fake = fakeProcfs([{ pid: 600, cgroup: CGROUP }]);
  await assert.rejects(lookupOver(fake).find(ID, AbortSignal.abort()), { status: "CANCELLED" });
});

Deno.test("createCgroupLookup: zombies are not among the processes", async () => {
  using fake = fakeProcfs([
    { pid: 50, cgroup: CGROUP },
    { pid: 51, parentPid: 50, cgroup: CGROUP, state: "Z" },
  ]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(ID);
  assert.deepEqual(await lookup.processes(container), [50]);
  fake.put({ pid: 50, cgroup: CGROUP, state: "Z" });
  assert.deepEqual(await lookup.processes(container), []);
  await assert.rejects(lookup.find(ID), { status: "NOT_FOUND" });
});

Deno.test("createCgroupLookup: processes is empty once the container has ended", async () => {
  using fake = fakeProcfs([{ pid: 50, cgroup: CGROUP }]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(ID);
  fake.remove(50);
  assert.deepEqual(await lookup.processes(container), []);
});

Deno.test("createCgroupLookup: a container cannot put its processes among another's by the names of its cgroups", async () => {
  const spoofed = `0::/kubepods/pod${POD}/${OTHER}/cri-containerd-${ID}.scope\n`;
  using fake = fakeProcfs([
    { pid: 50, startTicks: 100, cgroup: CGROUP },
    { pid: 40, startTicks: 1, cgroup: spoofed },
  ]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(ID);
  assert.equal(container.mainPid, 50);
  assert.deepEqual(await lookup.processes(container), [50]);

  const abort = new AbortController();
  const groups = lookup.entered(container, bounded(abort))[Symbol.asyncIterator]();
  fake.put({ pid: 41, cgroup: spoofed });
  const first = groups.next();
  fake.put({ pid: 60, cgroup: CGROUP });
  assert.deepEqual((await first).value, [60]);
  abort.abort();
  assert.equal((await groups.next()).done, true);
});

Deno.test("find: a tenant's cgroup that is named as another's container and pod is not that container", async () => {
  for (
    const cgroup of [
      `0::/kubepods/pod${OTHER_POD}/${OTHER}/kubepods/pod${POD}/${ID}\n`,
      `0::/kubepods/pod${OTHER_POD}/${OTHER}/pod${POD}/${ID}\n`,
      `0::/kubepods/pod${OTHER_POD}/${OTHER}/cri-containerd-${ID}.scope\n`,
      `0::/../../../pod${OTHER_POD}/${OTHER}/pod${POD}/${ID}\n`,
      `9:name=systemd:/kubepods/pod${OTHER_POD}/${OTHER}/pod${POD}/${ID}\n4:cpu:/kubepods/pod${OTHER_POD}/${OTHER}\n`,
    ]
  ) {
    // Also where the container that it names has ended, or runs on another node.
    using fake = fakeProcfs([{ pid: 40, cgroup }]);
    const lookup = lookupOver(fake);
    await assert.rejects(lookup.find(ID), { status: "NOT_FOUND" }, cgroup);
    assert.deepEqual(await lookup.processes({ id: ID, mainPid: 40 }), []);
    const own = await lookup.find(OTHER);
    assert.deepEqual([own.podUid, await lookup.processes(own)], [OTHER_POD, [40]]);
  }
});

Deno.test("find: a container whose processes are in two pods is in neither", async () => {
  using fake = fakeProcfs([
    { pid: 50, cgroup: CGROUP },
    { pid: 51, cgroup: CGROUP.replace(POD.replaceAll("-", "_"), OTHER_POD.replaceAll("-", "_")) },
  ]);
  assert.equal((await lookupOver(fake).find(ID)).podUid, undefined);
});

Deno.test("find: in a node that is a pod's container of another cluster containers are found", async () => {
  const node = `/kubepods/pod${OTHER_POD}/${OTHER}`;
  using fake = fakeProcfs([
    { pid: Deno.pid, cgroup: `4:cpu:${node}/kubepods/pod${POD}/${"d".repeat(64)}\n` },
    { pid: 50, cgroup: `4:cpu:${node}/kubepods/pod${POD}/${ID}\n` },
    { pid: 60, cgroup: `4:cpu:${node}/kubepods/pod${POD}/${"e".repeat(64)}/pod${POD}/${ID}\n` },
  ]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(ID);
  assert.deepEqual([container.mainPid, container.podUid], [50, POD]);
  assert.deepEqual(await lookup.processes(container), [50]);
});

Deno.test("createCgroupLookup: entered yields what came from outside since the last look, with its children", async () => {
  using fake = fakeProcfs([{ pid: 90 }, { pid: 50, parentPid: 90, cgroup: CGROUP }]);
  const lookup = lookupOver(fake);
  const container = await lookup.find(ID);
  assert.deepEqual(await lookup.processes(container), [50]);
  // Before the first look of entered, but after that of processes.
  fake.put({ pid: 70, parentPid: 90, cgroup: CGROUP });
  fake.put({ pid: 71, parentPid: 70, cgroup: CGROUP });
  fake.put({ pid: 60, parentPid: 71, cgroup: CGROUP });
  // The container's own child and grandchild, and a process of another container.
  fake.put({ pid: 80, parentPid: 50, cgroup: CGROUP });
  fake.put({ pid: 81, parentPid: 80, cgroup: CGROUP });
  fake.put({ pid: 82, parentPid: 90, cgroup: OTHER_CGROUP });

  const abort = new AbortController();
  const seen: number[][] = [];
  for await (const group of lookup.entered(container, bounded(abort))) {
    seen.push(group);
    if (seen.length === 1) {
      // A child of one that was yielded is followed by perf; the next one from outside is not.
      fake.put({ pid: 100, parentPid: 70, cgroup: CGROUP });
      fake.put({ pid: 101, parentPid: 90, cgroup: CGROUP });
    }
    if (seen.length === 2) abort.abort();
  }
  assert.deepEqual(seen, [[60, 70, 71], [101]]);
});

Deno.test("createCgroupLookup: entered sees a process that is moved into the container after it was made", async () => {
  using fake = fakeProcfs([{ pid: 90 }, { pid: 50, parentPid: 90, cgroup: CGROUP }]);
  const procfs = openProcfs(fake.dir);
  const abort = new AbortController();
  const read: number[] = [];
  const lookup = createCgroupLookup({
    procfs: {
      ...procfs,
      async cgroup(pid) {
        read.push(pid);
        const text = await procfs.cgroup(pid);
        // As `runc exec` does it: first the process, then its cgroup.
        if (pid === 70) fake.put({ pid: 70, parentPid: 90, cgroup: CGROUP });
        return text;
      },
    },
    pollIntervalMs: 1,
  });
  const container = await lookup.find(ID);
  await lookup.processes(container);
  fake.put({ pid: 70, parentPid: 90 });
  const seen: number[][] = [];
  for await (const group of lookup.entered(container, bounded(abort))) {
    seen.push(group);
    abort.abort();
  }
  assert.deepEqual(seen, [[70]]);
  assert.equal(read.filter((pid) => pid === 70).length, 2);
});

Deno.test("createCgroupLookup: entered stops reading processes that are somebody else's, but takes a number's next holder", async () => {
  using fake = fakeProcfs([{ pid: 90 }, { pid: 50, parentPid: 90, cgroup: CGROUP }, {
    pid: 55,
    parentPid: 50,
    cgroup: CGROUP,
  }, { pid: 60 }]);
  const procfs = openProcfs(fake.dir);
  const reads = new Map<number, number>();
  let looks = 0;
  const looked = Promise.withResolvers<void>();
  const lookup = createCgroupLookup({
    procfs: {
      ...procfs,
      async pids() {
        if (++looks === 12) looked.resolve();
        return await procfs.pids();
      },
      cgroup(pid) {
        reads.set(pid, (reads.get(pid) ?? 0) + 1);
        return procfs.cgroup(pid);
      },
    },
    pollIntervalMs: 1,
  });
  const container = await lookup.find(ID);
  await lookup.processes(container);
  reads.clear();
  const abort = new AbortController();
  const groups = lookup.entered(container, bounded(abort))[Symbol.asyncIterator]();
  const next = groups.next();
  await looked.promise;
  assert.deepEqual(reads, new Map([[1, 3], [60, 3], [90, 3]]));

  const moreLooks = async () => {
    const enough = looks + 3;
    while (looks < enough) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  // One that was somebody else's, then one that was the container's own.
  fake.remove(60);
  await moreLooks();
  fake.put({ pid: 60, parentPid: 90, cgroup: CGROUP });
  assert.deepEqual((await next).value, [60]);
  fake.remove(55);
  const last = groups.next();
  await moreLooks();
  fake.put({ pid: 55, parentPid: 90, cgroup: CGROUP });
  assert.deepEqual((await last).value, [55]);
  abort.abort();
});

Deno.test("createCgroupLookup: entered without a look before starts from what there is", async () => {
  using fake = fakeProcfs([{ pid: 50, cgroup: CGROUP }]);
  const procfs = openProcfs(fake.dir);
  const abort = new AbortController();
  let looks = 0;
  const lookup = createCgroupLookup({
    procfs: {
      ...procfs,
      pids() {
        if (++looks === 2) fake.put({ pid: 70, cgroup: CGROUP });
        return procfs.pids();
      },
    },
    pollIntervalMs: 1,
  });
  const seen: number[][] = [];
  for await (const group of lookup.entered({ id: ID, mainPid: 50 }, bounded(abort))) {
    seen.push(group);
    abort.abort();
  }
  assert.deepEqual(seen, [[70]]);
});

Deno.test("createCgroupLookup: entered ends at once when it is aborted while it waits", async () => {
  using fake = fakeProcfs([{ pid: 50, cgroup: CGROUP }]);
  // An hour: the test would hang if the wait were not cut short.
  const lookup = createCgroupLookup({ procfs: openProcfs(fake.dir), pollIntervalMs: 3_600_000 });
  const abort = new AbortController();
  const next = lookup.entered(await lookup.find(ID), bounded(abort))[Symbol.asyncIterator]().next();
  setTimeout(() => abort.abort(), 20);
  assert.equal((await next).done, true);
});
