// Lines of runtimes and cgroup versions that this machine cannot produce (it has cgroup v1,
// containerd and no systemd) are written after the sources that daemon/containers/cgroup.ts names.
import assert from "node:assert/strict";
import {
  type CgroupContainer,
  containersAround,
  containersOfCgroup,
} from "../../../daemon/containers/cgroup.ts";

const ID = "b2a102854b4969b2ce98dc329c86b4fb2b06e4ad2cc8da9d8a7578c9cd2004a2";
const INNER = "05c48c82caff3be3d7f1e896981dd410e81487538936914f32b624d168de9db0";
const THIRD = "d3".repeat(32);
const POD = "72f7f152-440c-46ac-9084-e0fc1d8a910c";
const OTHER_POD = "0b7c1de2-5a0f-4e9d-b7d8-1f0e2d3c4b5a";
const POD_ = POD.replaceAll("-", "_");
const STATIC_POD = "3a31a360e5aea903274416e0c4cf8ca8";
const SYSTEMD_POD = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_}.slice`;

const ONE: CgroupContainer[] = [{ id: ID, podUid: POD, depth: 0 }];
const NO_POD: CgroupContainer[] = [{ id: ID, depth: 0 }];

const FOUND: [what: string, text: string, expected: CgroupContainer[]][] = [
  ["containerd, v2, cgroupfs", `0::/kubepods/burstable/pod${POD}/${ID}\n`, ONE],
  ["containerd, v2, cgroupfs, guaranteed", `0::/kubepods/pod${POD}/${ID}\n`, ONE],
  ["containerd, v2, systemd", `0::${SYSTEMD_POD}/cri-containerd-${ID}.scope\n`, ONE],
  [
    "containerd, v2, systemd, guaranteed",
    `0::/kubepods.slice/kubepods-pod${POD_}.slice/cri-containerd-${ID}.scope\n`,
    ONE,
  ],
  [
    "containerd, v1, cgroupfs, no systemd hierarchy",
    [
      "9:name=systemd:/",
      `8:pids:/nptb/node1/kubepods/besteffort/pod${POD}/${ID}`,
      `4:memory:/nptb/node1/kubepods/besteffort/pod${POD}/${ID}`,
      `2:cpu,cpuacct:/nptb/node1/kubepods/besteffort/pod${POD}/${ID}`,
      "0::/",
      "",
    ].join("\n"),
    ONE,
  ],
  [
    "containerd, v1, in one hierarchy alone",
    `3:cpuset:/\n2:freezer:/kubepods/pod${POD}/${ID}\n1:name=systemd:/system.slice/a.service\n`,
    ONE,
  ],
  [
    "containerd, hybrid, systemd",
    `12:blkio:${SYSTEMD_POD}/cri-containerd-${ID}.scope\n` +
    `1:name=systemd:${SYSTEMD_POD}/cri-containerd-${ID}.scope\n` +
    `0::${SYSTEMD_POD}/cri-containerd-${ID}.scope\n`,
    ONE,
  ],
  [
    "containerd, systemd path given to cgroupfs, v1",
    `11:devices:/system.slice/containerd.service/kubepods-besteffort-pod${POD_}.slice:cri-containerd:${ID}\n`,
    ONE,
  ],
  [
    "containerd, systemd path given to cgroupfs, v2",
    `0::/kubepods-burstable-pod${POD_}.slice:cri-containerd:${ID}\n`,
    ONE,
  ],
  ["containerd without Kubernetes", `0::/default/${ID}\n`, NO_POD],
  ["nerdctl, systemd", `0::/system.slice/nerdctl-${ID}.scope\n`, NO_POD],
  ["a static pod, cgroupfs", `0::/kubepods/burstable/pod${STATIC_POD}/${ID}\n`, [
    { id: ID, podUid: STATIC_POD, depth: 0 },
  ]],
  [
    "a static pod, systemd",
    `0::/kubepods.slice/kubepods-pod${STATIC_POD}.slice/cri-containerd-${ID}.scope\n`,
    [{ id: ID, podUid: STATIC_POD, depth: 0 }],
  ],
  ["CRI-O, v2, systemd, runc", `0::${SYSTEMD_POD}/crio-${ID}.scope\n`, ONE],
  ["CRI-O, v2, systemd, crun", `0::${SYSTEMD_POD}/crio-${ID}.scope/container\n`, ONE],
  ["CRI-O, v1, systemd", `10:pids:${SYSTEMD_POD}/crio-${ID}.scope\n`, ONE],
  ["CRI-O, v1, cgroupfs", `10:pids:/kubepods/burstable/pod${POD}/crio-${ID}\n`, ONE],
  ["Docker, v1, cgroupfs", `7:cpuset:/docker/${ID}\n0::/system.slice/docker.service\n`, NO_POD],
  ["Docker, v2, systemd", `0::/system.slice/docker-${ID}.scope\n`, NO_POD],
  ["Docker under cri-dockerd, systemd", `0::${SYSTEMD_POD}/docker-${ID}.scope\n`, ONE],
  ["Docker under cri-dockerd, cgroupfs", `5:cpu:/kubepods/burstable/pod${POD}/${ID}\n`, ONE],
  ["podman, systemd", `0::/machine.slice/libpod-${ID}.scope/container\n`, NO_POD],
  ["podman, cgroupfs", `0::/libpod_parent/libpod-${ID}\n`, NO_POD],
  [
    "podman, rootless",
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container\n`,
    NO_POD,
  ],
  ["podman, a quadlet", `0::/system.slice/web.service/libpod-payload-${ID}\n`, NO_POD],
  [
    "systemd inside",
    `0::${SYSTEMD_POD}/cri-containerd-${ID}.scope/system.slice/nginx.service\n`,
    ONE,
  ],
  [
    "systemd inside, v1",
    `1:name=systemd:/kubepods/pod${POD}/${ID}/init.scope\n4:memory:/kubepods/pod${POD}/${ID}\n`,
    ONE,
  ],
  ["another cgroup namespace, v2", `0::/../../pod${POD}/${ID}\n`, ONE],
  [
    "another cgroup namespace, v2, systemd",
    `0::/../../../kubepods-besteffort.slice/kubepods-besteffort-pod${POD_}.slice/cri-containerd-${ID}.scope\n`,
    ONE,
  ],
  [
    "a sibling in its pod, from its cgroup namespace",
    `0::/../cri-containerd-${ID}.scope\n`,
    NO_POD,
  ],
  [
    "a node that is a container (kind), systemd",
    `0::/system.slice/docker-${ID}.scope/kubelet.slice/kubelet-kubepods.slice/` +
    `kubelet-kubepods-pod${POD_}.slice/cri-containerd-${INNER}.scope\n`,
    [{ id: ID, depth: 0 }, { id: INNER, podUid: POD, depth: 1 }],
  ],
  [
    "Docker inside a pod: its names are the tenant's",
    `0::/kubepods/pod${POD}/${ID}/docker/${INNER}\n`,
    ONE,
  ],
  [
    "another pod's container inside a container: the name is the tenant's",
    `0::/kubepods/pod${POD}/${ID}/kubepods/pod${OTHER_POD}/${INNER}\n`,
    ONE,
  ],
  [
    "another pod's container inside a container, systemd, v1 and v2",
    `1:name=systemd:${SYSTEMD_POD}/cri-containerd-${ID}.scope/kubepods-pod${
      OTHER_POD.replaceAll("-", "_")
    }.slice/cri-containerd-${INNER}.scope\n0::${SYSTEMD_POD}/cri-containerd-${ID}.scope\n`,
    ONE,
  ],
  [
    "another pod's container inside a container, in a hierarchy whose path names no pod",
    `2:cpu:/kubepods/pod${POD}/${ID}\n1:name=systemd:/docker/${ID}/pod${OTHER_POD}/${INNER}\n`,
    ONE,
  ],
  [
    "containers inside of one that is no pod's, in one hierarchy alone",
    `2:cpu:/docker/${ID}\n1:name=systemd:/docker/${ID}/kubepods/pod${POD}/${INNER}\n`,
    [{ id: ID, depth: 0 }, { id: INNER, podUid: POD, depth: 1 }],
  ],
  [
    "hierarchies that disagree below an outer container: the outer one counts",
    `2:cpu:/docker/${ID}/kubepods/pod${POD}/${INNER}\n1:name=systemd:/docker/${ID}/kubepods/pod${POD}/${THIRD}\n`,
    NO_POD,
  ],
];

const NOT_FOUND: [what: string, text: string][] = [
  ["hierarchies that disagree", `4:memory:/kubepods/pod${POD}/${ID}\n3:cpu:/docker/${INNER}\n`],
  [
    "hierarchies that disagree about the pod",
    `4:memory:/kubepods/pod${POD}/${ID}\n3:cpu:/kubepods/pod${OTHER_POD}/${ID}\n`,
  ],
  ["nothing", ""],
  ["no line of this form", "garbage\n::\n0:\n"],
  ["a process of the host", "0::/system.slice/sshd.service\n"],
  ["the root", "1:name=systemd:/\n0::/\n"],
  ["the root of another namespace", "0::/../..\n"],
  ["a pod's own cgroup, cgroupfs", `0::/kubepods/burstable/pod${POD}\n`],
  ["a pod's own cgroup, systemd", `0::${SYSTEMD_POD}\n`],
  ["CRI-O's monitor, systemd", `0::${SYSTEMD_POD}/crio-conmon-${ID}.scope\n`],
  ["CRI-O's monitor, system slice", `0::/system.slice/crio-conmon-${ID}.scope\n`],
  ["CRI-O's monitor, cgroupfs", `4:pids:/kubepods/pod${POD}/crio-conmon-${ID}\n`],
  ["podman's monitor", `0::/machine.slice/libpod-conmon-${ID}.scope\n`],
  ["podman's monitor, cgroupfs", "0::/libpod_parent/conmon\n"],
  ["a mount unit", `0::/system.slice/var-lib-docker-containers-${ID}-shm.mount\n`],
  ["a rootfs mount unit", `0::/system.slice/run-containerd-k8s.io-${ID}-rootfs.mount\n`],
  ["a shorter number", `0::/kubepods/pod${POD}/${ID.slice(1)}\n`],
  ["a longer number", `0::/kubepods/pod${POD}/${ID}0\n`],
  ["capitals", `0::/kubepods/pod${POD}/${ID.toUpperCase()}\n`],
  ["a machine's id", "4:memory:/process_api/8057c6da1e355ea86d8c301d9d2a1f7b\n"],
  ["something before", `0::/kubepods/pod${POD}/x${ID}\n`],
  ["another runtime's prefix", `0::/system.slice/evil-docker-${ID}.scope\n`],
  ["something after", `0::/system.slice/docker-${ID}.scope.d\n`],
  ["a slice of the name", `0::/system.slice/docker-${ID}.slice\n`],
  ["a removed cgroup", `0::/kubepods/pod${POD}/${ID} (deleted)\n`],
  ["the systemd form without a slice", `0::/:cri-containerd:${ID}\n`],
  ["an id among the controllers", `4:/docker/${ID}:/\n`],
];

for (const [what, text, expected] of FOUND) {
  Deno.test(`containersOfCgroup finds: ${what}`, () => {
    assert.deepEqual(containersOfCgroup(text), expected);
  });
}

for (const [what, text] of NOT_FOUND) {
  Deno.test(`containersOfCgroup: finds nothing in: ${what}`, () => {
    assert.deepEqual(containersOfCgroup(text), []);
  });
}

Deno.test("containersOfCgroup: goes on below the containers around the reader itself", () => {
  // A node that is a pod's container, as where a cluster is made inside another one.
  const node = `/kubepods/pod${OTHER_POD}/${THIRD}`;
  const own = `4:memory:${node}/kubepods/pod${OTHER_POD}/${INNER}\n1:name=systemd:/\n`;
  const around = containersAround(own);
  assert.deepEqual(around, new Set([THIRD, INNER]));
  const spoofed = `4:memory:${node}/kubepods/pod${POD}/${ID}/kubepods/pod${OTHER_POD}/${
    "e5".repeat(32)
  }\n`;
  assert.deepEqual(containersOfCgroup(spoofed, around), [
    { id: THIRD, podUid: OTHER_POD, depth: 0 },
    { id: ID, podUid: POD, depth: 1 },
  ]);
  assert.deepEqual(containersOfCgroup(spoofed), [{ id: THIRD, podUid: OTHER_POD, depth: 0 }]);
});
