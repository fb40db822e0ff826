/**
 * Cgroups that a tenant makes inside of a container and names as another's: the kernel's own, of
 * cgroup v1 and v2 as far as this machine has them. Needs root.
 */
import assert from "node:assert/strict";
import { createContainerLookup } from "../../daemon/containers/container_lookup.ts";
import { run } from "../testing/process.ts";

const [VICTIM, TENANT] = ["1c", "2d"].map((digits) => digits.repeat(32));
const VICTIM_POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const TENANT_POD = "0b7c1de2-5a0f-4e9d-b7d8-1f0e2d3c4b5a";
/** What a tenant may call a cgroup inside of the own container. */
const NAMES = [
  `pod${VICTIM_POD}/${VICTIM}`,
  `kubepods/burstable/pod${VICTIM_POD}/${VICTIM}`,
  `kubepods.slice/kubepods-pod${
    VICTIM_POD.replaceAll("-", "_")
  }.slice/cri-containerd-${VICTIM}.scope`,
  `cri-containerd-${VICTIM}.scope`,
  VICTIM,
];

/** Where hierarchies are mounted: the one of v2, and one of v1 that needs no settings. */
async function hierarchies(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const line of (await Deno.readTextFile("/proc/self/mounts")).split("\n")) {
    const [, place, type, options] = line.split(" ");
    if (type === "cgroup2") found.set("v2", place);
    if (type === "cgroup" && /\bpids\b/.test(options)) found.set("v1", place);
  }
  return found;
}

/** A directory of a test's own in a hierarchy. Its cgroups go with it, once they are empty. */
function makeRoot(hierarchy: string): { path: string } & Disposable {
  const path = `${hierarchy}/necoperf-test-${crypto.randomUUID()}`;
  const remove = (directory: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) remove(`${directory}/${name}`);
    }
    Deno.removeSync(directory);
  };
  Deno.mkdirSync(path);
  return { path, [Symbol.dispose]: () => remove(path) };
}

async function move(pid: number, cgroup: string): Promise<void> {
  await Deno.mkdir(cgroup, { recursive: true });
  await Deno.writeTextFile(`${cgroup}/cgroup.procs`, `${pid}`);
}

const found = await hierarchies();

Deno.test("nested cgroups: this machine has a cgroup hierarchy", () =>
  assert.notEqual(found.size, 0));

for (const [version, place] of found) {
  Deno.test(`nested cgroups: lookup by cgroup, ${version}: a tenant's processes stay the tenant's, whatever their cgroups are called`, async () => {
    using root = makeRoot(place);
    const lookup = createContainerLookup({ by: "cgroup", procDir: "/proc" });
    const tenants = `${root.path}/kubepods/pod${TENANT_POD}/${TENANT}`;
    const pids: number[] = [];
    await using first = run("sleep", "1000");
    await using second = run("sleep", "1000");
    await using third = run("sleep", "1000");
    await using fourth = run("sleep", "1000");
    await using fifth = run("sleep", "1000");
    const processes = [first, second, third, fourth, fifth];
    for (const [index, name] of NAMES.entries()) {
      await move(processes[index].pid, `${tenants}/${name}`);
      pids.push(processes[index].pid);
    }
    pids.sort((a, b) => a - b);
    // The victim has ended, or runs on another node.
    await assert.rejects(lookup.find(VICTIM), { status: "NOT_FOUND" });
    const container = await lookup.find(TENANT);
    assert.equal(container.podUid, TENANT_POD);
    assert.deepEqual(await lookup.processes(container), pids);

    await using victim = run("sleep", "1000");
    await move(victim.pid, `${root.path}/kubepods/pod${VICTIM_POD}/${VICTIM}`);
    const victims = await lookup.find(VICTIM);
    assert.deepEqual([victims.mainPid, victims.podUid], [victim.pid, VICTIM_POD]);
    assert.deepEqual(await lookup.processes(victims), [victim.pid]);
    assert.deepEqual(await lookup.processes(container), pids);

    // Also one that comes into the name while the victim is recorded.
    const abort = new AbortController();
    const entered = lookup.entered(victims, abort.signal)[Symbol.asyncIterator]();
    const next = entered.next();
    await using later = run("sleep", "1000");
    await move(later.pid, `${tenants}/${NAMES[0]}`);
    await using honest = run("sleep", "1000");
    await move(honest.pid, `${root.path}/kubepods/pod${VICTIM_POD}/${VICTIM}`);
    assert.deepEqual((await next).value, [honest.pid]);
    abort.abort();
    await entered.return?.();
    lookup.close();
  });
}
