import assert from "node:assert/strict";
import { createContainerLookup } from "../../../daemon/containers/container_lookup.ts";
import type { LookupName } from "../../../daemon/containers/lookup_names.ts";
import { connectCri } from "../../../daemon/containers/cri.ts";
import { fakeProcfs } from "../../testing/fake_procfs.ts";

const ID = "b2a102854b4969b2ce98dc329c86b4fb2b06e4ad2cc8da9d8a7578c9cd2004a2";

Deno.test("createContainerLookup: names the option that is missing or wrong", () => {
  assert.throws(() => createContainerLookup({ by: "cgroup" }), /'procDir'.*by cgroup/);
  assert.throws(() => createContainerLookup({ by: "cri", procDir: "/proc" }), /'runtimeEndpoint'/);
  assert.throws(() => createContainerLookup({ by: "docker" as LookupName }), /'by'.*docker/);
  for (const endpoint of ["/run/containerd/containerd.sock", "tcp://127.0.0.1:1", "unix:///"]) {
    assert.throws(
      () => createContainerLookup({ by: "cri", procDir: "/proc", runtimeEndpoint: endpoint }),
      /RangeError.*unix:\/\/\/run/s,
    );
  }
});

Deno.test("createContainerLookup: makes each of them", async () => {
  using fake = fakeProcfs([{ pid: 50, cgroup: `0::/docker/${ID}\n` }, { pid: 51, parentPid: 50 }]);
  const byCgroup = createContainerLookup({ by: "cgroup", procDir: fake.dir });
  await byCgroup.check();
  assert.equal((await byCgroup.find(ID)).mainPid, 50);
  byCgroup.close();
  const byPid = createContainerLookup({ by: "pid" });
  assert.deepEqual(await byPid.find("50"), { id: "50", mainPid: 50 });
  byPid.close();
});

Deno.test("createContainerLookup: a runtime that is not there is said by its endpoint", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "necoperf-cri-" });
  const endpoint = `unix://${dir}/none.sock`;
  using fake = fakeProcfs();
  const lookup = createContainerLookup({
    by: "cri",
    procDir: fake.dir,
    runtimeEndpoint: endpoint,
  });
  try {
    const expected = { status: "UNAVAILABLE", message: new RegExp(`at ${endpoint}: .*ENOENT`) };
    await assert.rejects(lookup.find(ID), expected);
    await assert.rejects(lookup.check(), expected);
  } finally {
    lookup.close();
    Deno.removeSync(dir);
  }
});

Deno.test("createContainerLookup: a runtime that does not answer is said by its endpoint and the time waited", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "necoperf-cri-" });
  // Takes connections and says nothing.
  const listener = Deno.listen({ transport: "unix", path: `${dir}/mute.sock` });
  const cri = connectCri(`unix://${dir}/mute.sock`, { deadlineMs: 100 });
  try {
    await assert.rejects(cri.containerStatus(ID), {
      status: "UNAVAILABLE",
      message: /mute\.sock: "no answer within 0\.1 s"/,
    });
    const abort = new AbortController();
    const asked = cri.containerStatus(ID, abort.signal);
    abort.abort();
    await assert.rejects(asked, { status: "CANCELLED" });
  } finally {
    cri.close();
    listener.close();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("createContainerLookup: by process id: the process and what it started", async () => {
  using fake = fakeProcfs([
    { pid: 50 },
    { pid: 52, parentPid: 51 },
    { pid: 51, parentPid: 50 },
    { pid: 60 },
    { pid: 61, state: "Z" },
  ]);
  const lookup = createContainerLookup({ by: "pid", procDir: fake.dir });
  const container = await lookup.find("50");
  assert.deepEqual(await lookup.processes(container), [50, 51, 52]);
  for (const ended of ["61", "62"]) {
    await assert.rejects(lookup.find(ended), { status: "NOT_FOUND", message: /no process 6/ });
  }
});

Deno.test("createContainerLookup: by process id without a procfs: the process alone, whether it is there or not", async () => {
  const lookup = createContainerLookup({ by: "pid" });
  await lookup.check();
  assert.deepEqual(await lookup.processes(await lookup.find("4194304")), [4194304]);
});

Deno.test("createContainerLookup: by process id: anything but a number is refused", async () => {
  const lookup = createContainerLookup({ by: "pid" });
  for (const id of ["", "0", "-1", "1.5", "1e3", " 7", "7\n", "07", "4194305", "1,2", "all", ID]) {
    await assert.rejects(lookup.find(id), {
      status: "INVALID_ARGUMENT",
      message: /^container_id ".*from 1 to 4194304$/,
    });
  }
});

Deno.test("createContainerLookup: by process id: nothing enters, until it is aborted", async () => {
  const lookup = createContainerLookup({ by: "pid" });
  const container = await lookup.find("50");
  for (const signal of [AbortSignal.abort(), AbortSignal.timeout(10)]) {
    for await (const group of lookup.entered(container, signal)) assert.fail(`${group}`);
  }
});
