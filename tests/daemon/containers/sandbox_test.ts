// Names and cgroups of processes as gVisor's runsc was seen to make them (its second container in a
// sandbox has an empty cgroup, and the sandbox's process id), and as Kata's sources have them.
import assert from "node:assert/strict";
import { createCgroupLookup } from "../../../daemon/containers/cgroup_lookup.ts";
import { createCriLookup } from "../../../daemon/containers/cri_lookup.ts";
import { openProcfs } from "../../../daemon/containers/procfs.ts";
import { sandboxOf } from "../../../daemon/containers/sandbox.ts";
import { type FakeProcess, fakeProcfs } from "../../testing/fake_procfs.ts";

const ID = "b2a102854b4969b2ce98dc329c86b4fb2b06e4ad2cc8da9d8a7578c9cd2004a2";
const PAUSE = "05c48c82caff3be3d7f1e896981dd410e81487538936914f32b624d168de9db0";
const POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const OWN_CGROUP = `0::/kubepods/pod${POD}/${ID}\n`;
const PAUSE_CGROUP = `0::/kubepods/pod${POD}/${PAUSE}\n`;
const KATA_CGROUP = `0::/kubepods/pod${POD}/kata_${PAUSE}\n`;

/** What both lookups say of a container whose main process is this. */
async function problems(
  process: Omit<FakeProcess, "pid">,
): Promise<Record<string, string | undefined>> {
  using fake = fakeProcfs([{ pid: 50, ...process }]);
  const procfs = openProcfs(fake.dir);
  const status = { state: "CONTAINER_RUNNING", labels: {}, info: { info: '{"pid":50}' } };
  const cri = createCriLookup({
    procfs,
    cri: {
      containerStatus: (id) => Promise.resolve({ id, ...status }),
      check: () => Promise.resolve(),
      close: () => {},
    },
  });
  const byCgroup = await createCgroupLookup({ procfs }).find(ID).catch(({ status }) => ({
    problem: { message: status },
  }));
  return {
    cgroup: byCgroup.problem?.message,
    cri: (await cri.find(ID)).problem?.message,
  };
}

Deno.test("sandboxOf: knows the programs of gVisor and Kata by their whole names", () => {
  for (const program of ["runsc-sandbox", "runsc-gofer"]) {
    assert.equal(sandboxOf(program), "gVisor");
  }
  for (
    const program of [
      ...["containerd-shim-kata-v2", "qemu-system-x86_64", "qemu-system-aarch64", "qemu-kvm"],
      ...["cloud-hypervisor", "firecracker", "stratovirt"],
    ]
  ) {
    assert.equal(sandboxOf(program), "Kata Containers");
  }
  for (const program of ["runsc", "my-runsc-sandbox", "qemu-img", "sh", "", undefined]) {
    assert.equal(sandboxOf(program), undefined);
  }
});

Deno.test("find: nothing of a gVisor container can be seen from the node", async () => {
  const args = ["runsc-sandbox", "--root=/run/containerd/runsc/k8s.io", "boot", ID];
  // Kubernetes: the container's own cgroup is empty, and the runtime gives the sandbox's process.
  const inPod = await problems({ args, cgroup: PAUSE_CGROUP });
  assert.equal(inPod.cgroup, "NOT_FOUND");
  const message =
    /^container b2a102854b49 runs in a sandbox .* \(gVisor\): .*nothing of them can be seen/;
  assert.match(inPod.cri!, message);
  // Without a pod, the sandbox is the container's.
  const alone = await problems({ args, cgroup: OWN_CGROUP });
  assert.match(alone.cgroup!, message);
  assert.match(alone.cri!, message);
});

Deno.test("find: nothing of a Kata container can be seen from the node", async () => {
  for (const cgroup of [KATA_CGROUP, "0::/system.slice/containerd.service\n", PAUSE_CGROUP]) {
    for (
      const args of [["/opt/kata/bin/qemu-system-x86_64", "-name", "sandbox"], [
        "/usr/bin/containerd-shim-kata-v2",
      ]]
    ) {
      const { cgroup: byCgroup, cri } = await problems({ args, cgroup });
      assert.equal(byCgroup, "NOT_FOUND");
      assert.match(cri!, /\(Kata Containers\): .*nothing of them can be seen from it/);
    }
  }
});

Deno.test("find: a hypervisor that a container of the node runs is recorded like any program", async () => {
  const args = ["/usr/bin/qemu-system-x86_64", "-m", "512"];
  assert.deepEqual(await problems({ args, cgroup: OWN_CGROUP }), {
    cgroup: undefined,
    cri: undefined,
  });
});
