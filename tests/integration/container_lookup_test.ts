// Real containers in a containerd that the test starts. Needs root, containerd, runc and
// busybox-static.
import assert from "node:assert/strict";
import {
  createContainerLookup,
  type OpenContainerLookup,
} from "../../daemon/containers/container_lookup.ts";
import type { Container } from "../../daemon/containers/container.ts";
import {
  poll,
  startContainerd,
  type TestContainer,
  type TestContainerd,
} from "../testing/containerd.ts";
import { eventually } from "../testing/process.ts";

/** A first process that does nothing, with a child that works. */
const IDLE_PARENT = ["/bin/sh", "-c", "/bin/sh -c 'while :; do sleep 0.2; done' & wait"];

async function name(pid: number): Promise<string> {
  return (await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => ""))
    .split("\0").join(" ").trim();
}

/** Waits until a container has a process with the given command line, and returns its id. */
async function processNamed(
  lookup: OpenContainerLookup,
  container: Container,
  command: string,
): Promise<number> {
  let found: number | undefined;
  await poll(`process ${command}`, async () => {
    for (const pid of await lookup.processes(container)) {
      if (await name(pid) === command) found = pid;
    }
    return found !== undefined;
  });
  return found!;
}

function lookups(containerd: TestContainerd): OpenContainerLookup[] {
  // Tests run with all permissions and so may read /proc itself.
  const options = { procDir: "/proc", runtimeEndpoint: containerd.endpoint, pollIntervalMs: 20 };
  return [
    createContainerLookup({ by: "cgroup", ...options }),
    createContainerLookup({ by: "cri", ...options }),
  ];
}

Deno.test("createContainerLookup: container lookups over a real containerd", async (t) => {
  await using containerd = await startContainerd();
  const [byCgroup, byCri] = lookups(containerd);
  using _close = { [Symbol.dispose]: () => [byCgroup, byCri].forEach((lookup) => lookup.close()) };
  const both: [string, OpenContainerLookup][] = [["cgroup", byCgroup], ["cri", byCri]];

  let target!: TestContainer;
  await t.step("a container, and another one beside it", async () => {
    target = await containerd.run({
      command: IDLE_PARENT,
      user: 65534,
      podName: "web-0",
      podNamespace: "shop",
      containerName: "app",
    });
    await containerd.run({ command: ["/bin/sleep", "1000"] });
  });

  for (const [way, lookup] of both) {
    await t.step(`${way}: check is content`, () => lookup.check());

    await t.step(`${way}: find gives the first process and the pod`, async () => {
      const container = await lookup.find(`containerd://${target.id}`);
      const { mainPid, ...rest } = container;
      const known = { id: target.id, podUid: target.podUid };
      const names = { podName: "web-0", podNamespace: "shop", containerName: "app" };
      assert.deepEqual(rest, way === "cri" ? { ...known, ...names } : known);
      assert.equal(await name(mainPid), IDLE_PARENT.join(" "));
    });

    await t.step(
      `${way}: processes has the child that works, and no other container's`,
      async () => {
        const container = await lookup.find(target.id);
        const worker = await processNamed(
          lookup,
          container,
          "/bin/sh -c while :; do sleep 0.2; done",
        );
        const pids = await lookup.processes(container);
        assert.deepEqual(pids, pids.toSorted((a, b) => a - b));
        assert.ok(pids.includes(container.mainPid) && pids.includes(worker), `${pids}`);
        const names = await Promise.all(pids.map(name));
        assert.ok(!names.includes("/bin/sleep 1000"), names.join());
      },
    );

    await t.step(`${way}: entered sees what is executed, and not the container's own`, async () => {
      const container = await lookup.find(target.id);
      const own = new Set(await lookup.processes(container));
      const worker = await processNamed(
        lookup,
        container,
        "/bin/sh -c while :; do sleep 0.2; done",
      );
      const end = `/tmp/end-${way}`;
      const executed = containerd.execute(target.id, [
        "/bin/sh",
        "-c",
        `sh -c 'until [ -e ${end} ]; do sleep 0.1; done'; echo ended`,
      ]);
      // What a group holds beside the shell that was executed is left to when the look was. The
      // container's own shell starts a process every 200 ms meanwhile: none of those may be in it.
      let group: number[] = [];
      for await (group of lookup.entered(container, AbortSignal.timeout(60_000))) break;
      for (const pid of group) {
        assert.ok(!own.has(pid) && pid !== worker && pid !== container.mainPid, `${pid}`);
      }
      // The look may have met the process while it still was the runtime's, before its exec(2).
      const names = await eventually(async () => {
        const names = await Promise.all(group.map(name));
        assert.ok(names.some((name) => name.endsWith("echo ended")), names.join());
        return names;
      });
      assert.ok(!names.includes("sleep 0.2"), names.join());
      const touched = await containerd.execute(target.id, ["/bin/touch", end]);
      assert.equal(touched.exitCode, 0);
      assert.deepEqual(await executed, { exitCode: 0, stdout: "ended\n" });
    });

    await t.step(`${way}: an id that nobody has is not found`, async () => {
      const id = target.id.split("").reverse().join("");
      await assert.rejects(lookup.find(id), { status: "NOT_FOUND" });
      // Runtimes take the beginning of an id for the whole.
      await assert.rejects(lookup.find(target.id.slice(0, 13)), { status: "INVALID_ARGUMENT" });
    });
  }

  await t.step("cri: a container that has not started is said so", async () => {
    const created = await containerd.run({ command: ["/bin/sleep", "1000"], start: false });
    await assert.rejects(byCri.find(created.id), {
      status: "FAILED_PRECONDITION",
      message: /CONTAINER_CREATED/,
    });
  });

  await t.step("cri: the runtime ends and comes back", async () => {
    await containerd.kill();
    const unreachable = { status: "UNAVAILABLE", message: new RegExp(containerd.endpoint) };
    await assert.rejects(byCri.find(target.id), unreachable);
    await assert.rejects(byCri.check(), unreachable);
    // The other way does not need the runtime.
    const { mainPid } = await byCgroup.find(target.id);
    await containerd.restart();
    let container: Container | undefined;
    await poll("the lookup to find the container again", async () => {
      container = await byCri.find(target.id);
      return true;
    });
    assert.equal(container!.mainPid, mainPid);
    await byCri.check();
  });

  await t.step("a container that ends has no process and is not found", async () => {
    const containers = await Promise.all(both.map(([, lookup]) => lookup.find(target.id)));
    await containerd.stopContainer(target.id);
    assert.deepEqual(await byCgroup.processes(containers[0]), []);
    assert.deepEqual(await byCri.processes(containers[1]), []);
    await assert.rejects(byCgroup.find(target.id), { status: "NOT_FOUND" });
    await assert.rejects(byCri.find(target.id), {
      status: "FAILED_PRECONDITION",
      message: /has ended \(CONTAINER_EXITED\)/,
    });
  });
});
