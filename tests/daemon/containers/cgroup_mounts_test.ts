import assert from "node:assert/strict";
import { cgroupMounts, wayTo } from "../../../daemon/containers/cgroup_mounts.ts";

Deno.test("cgroupMounts: finds v1 and v2 below a directory, as a pod's cgroup namespace shows them", () => {
  // Of a pod on Kubernetes 1.37 whose node's hierarchies were mounted below /host/cgroup.
  const text = [
    "850 849 0:100 / / rw,relatime master:200 - overlay overlay rw,lowerdir=/a - b",
    "857 856 0:38 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw",
    "858 850 0:200 / /host/cgroup rw,relatime - tmpfs tmpfs rw",
    "859 858 0:38 /../../../.. /host/cgroup/unified ro,relatime - cgroup2 cgroup2 rw",
    "862 858 0:29 /nptb/node1 /host/cgroup/v1/cpu rw,relatime shared:7 master:2 - cgroup cgroup rw,cpu,cpuacct",
    "863 858 0:29 / /host/cgroups rw,relatime - cgroup cgroup rw,pids",
    "",
  ].join("\n");
  assert.deepEqual(cgroupMounts(text, "/host/cgroup"), [
    { controllers: [], directory: "/host/cgroup/unified", root: "/../../../.." },
    {
      controllers: ["cpu", "cpuacct"],
      directory: "/host/cgroup/v1/cpu",
      root: "/nptb/node1",
    },
  ]);
  assert.deepEqual(cgroupMounts(text, "/host/nothing"), []);
  assert.deepEqual(cgroupMounts("", "/host/cgroup"), []);
});

const WAYS: [what: string, path: string, root: string, way: ReturnType<typeof wayTo>][] = [
  ["all of a hierarchy", "/kubepods/x", "/", { unknownLevels: 0, names: ["kubepods", "x"] }],
  ["a part of it", "/node/kubepods/x", "/node", { unknownLevels: 0, names: ["kubepods", "x"] }],
  ["beside that part", "/other/x", "/node", undefined],
  ["a name that begins alike", "/node10/x", "/node1", undefined],
  ["the mounted cgroup itself", "/node", "/node", undefined],
  ["above it", "/", "/node", undefined],
  ["the root of all", "/", "/", undefined],
  [
    "from a namespace two levels below the fork",
    "/../../podX/c",
    "/../../../..",
    { unknownLevels: 2, names: ["podX", "c"] },
  ],
  [
    "from a namespace, down from the mounted cgroup",
    "/../../../../kubepods/c",
    "/../../../..",
    { unknownLevels: 0, names: ["kubepods", "c"] },
  ],
  ["in the namespace itself", "/inner", "/../..", { unknownLevels: 2, names: ["inner"] }],
  [
    "a part of a hierarchy, from a namespace",
    "/../../node/x",
    "/../../node",
    { unknownLevels: 0, names: ["x"] },
  ],
  ["above the mounted cgroup", "/../../../x", "/../..", undefined],
  ["the namespace's own ancestor", "/../..", "/../../..", undefined],
  ["beside what is mounted", "/../x", "/../../node", undefined],
  ["names that no kernel writes", "/a/../b", "/", undefined],
  ["a dot", "/a/./b", "/", undefined],
  ["an empty name", "/a//b", "/", undefined],
  ["no path", "a/b", "/", undefined],
];

for (const [what, path, root, way] of WAYS) {
  Deno.test(`wayTo: ${what}: ${path} from ${root}`, () => assert.deepEqual(wayTo(path, root), way));
}
