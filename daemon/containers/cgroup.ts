/** A container on the path of a process's cgroup. */
export interface CgroupContainer {
  /** The runtime's id: 64 hexadecimal digits. */
  id: string;
  /** The UID of the pod that the path names above the container. */
  podUid?: string;
  /** How many containers are above it on its path: 0 unless it runs inside another one. */
  depth: number;
}

/**
 * Reads a `/proc/<pid>/cgroup` file: the containers that the process belongs to, outermost first.
 * A process in a nested container belongs to the outer one as well; one of the host, of a pod's own
 * cgroup or of a runtime's monitor belongs to none.
 *
 * Below a pod's container all names are the tenant's, who may make cgroups there (with a cgroup
 * namespace, or as systemd does in a container) and call them what another container and its pod
 * are called. So that is where a path ends for this. It goes on below the containers `around` the
 * reader itself, by their ids: a node may be a container of another cluster's.
 *
 * The file has a line `<hierarchy>:<controllers>:<path>` for each cgroup v1 hierarchy, and
 * `0::<path>` for v2 (cgroups(7)); a hybrid system has both. Which hierarchies a runtime uses
 * differs, so all lines count, as far as they agree: one in which a process is somewhere else than
 * in the others was not made by a runtime. Paths are as the reader's cgroup namespace sees them:
 * what is outside of it starts with `/..`, which changes nothing here, because names and not
 * positions are looked at.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * const id = "0f".repeat(32);
 * const pod = "7e5c4e2a-9b1f-4d0e-8c36-2f4b8a1d9c70";
 * assert.deepEqual(containersOfCgroup(`0::/kubepods/besteffort/pod${pod}/${id}\n`), [
 *   { id, podUid: pod, depth: 0 },
 * ]);
 * ```
 */
export function containersOfCgroup(
  text: string,
  around: ReadonlySet<string> = NONE,
): CgroupContainer[] {
  const paths = pathsOf(text).map((path) => [...containersOfPath(path)]);
  const found: CgroupContainer[] = [];
  for (let depth = 0;; depth++) {
    const here = paths.flatMap((containers) => containers[depth] ?? []);
    const ids = new Set(here.map(({ id }) => id));
    const podUids = new Set(here.flatMap(({ podUid }) => podUid ?? []));
    if (ids.size !== 1 || podUids.size > 1) return found;
    const [[id], [podUid]] = [[...ids], [...podUids]];
    found.push(podUid === undefined ? { id, depth } : { id, podUid, depth });
    if (podUid !== undefined && !around.has(id)) return found;
  }
}

const NONE: ReadonlySet<string> = new Set();

/** Every name of a container on a path, with the UID of the pod that is named before it. */
function* containersOfPath(path: string): Generator<{ id: string; podUid?: string }> {
  let podUid: string | undefined;
  for (const name of path.split("/")) {
    podUid = podUidOf(name) ?? podUid;
    const id = containerIdOf(name);
    if (id === undefined) continue;
    yield { id, podUid };
    // A pod above the outer container is not the inner one's.
    podUid = undefined;
  }
}

/** The ids of all containers that the reader of the file is in itself, whatever is around them. */
export function containersAround(text: string): Set<string> {
  return new Set(pathsOf(text).flatMap((path) => [...containersOfPath(path)].map(({ id }) => id)));
}

function pathsOf(text: string): string[] {
  return hierarchiesOf(text).map(({ path }) => path);
}

/** Where a process is in one of the kernel's hierarchies of cgroups. */
interface CgroupHierarchy {
  /** Those of v1 that the hierarchy has, or `name=...`; empty: it is the hierarchy of v2. */
  controllers: string[];
  /** As the reader's cgroup namespace sees it. */
  path: string;
}

/** Reads the lines of a `/proc/<pid>/cgroup` file; lines of another form are left out. */
export function hierarchiesOf(text: string): CgroupHierarchy[] {
  return text.split("\n").flatMap((line) => {
    const [, names, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    return { controllers: names === "" ? [] : names.split(","), path };
  });
}

/**
 * How many of the names on a path lead to the cgroup of a container itself; undefined when none of
 * them is the container's. Below that all names are the tenant's.
 */
export function containerDepth(
  names: readonly string[],
  containerId: string,
): number | undefined {
  const index = names.findIndex((name) => containerIdOf(name) === containerId);
  return index < 0 ? undefined : index + 1;
}

/** Whether a cgroup is called as a container's own or a pod's. */
export function kindOfCgroup(name: string): "container" | "pod" | undefined {
  if (containerIdOf(name) !== undefined) return "container";
  return podUidOf(name) === undefined ? undefined : "pod";
}

/**
 * Names of a container's cgroup, complete: what merely contains an id is none, as
 * `crio-conmon-<id>.scope` and `libpod-conmon-<id>.scope` (the monitors, which are host processes)
 * or systemd's `run-...-<id>-rootfs.mount`.
 */
const CONTAINER_NAMES = [
  // containerd's CRI plugin with cgroupfs: internal/cri/server, getCgroupsPath; and Docker's
  // `/docker/<id>`: moby daemon/oci_linux.go, withCgroups.
  /^([0-9a-f]{64})$/,
  // runc's systemd driver makes `<prefix>-<name>.scope` of `<slice>:<prefix>:<name>`
  // (opencontainers/cgroups systemd/common.go, getUnitName). The prefixes: containerd
  // `cri-containerd`, nerdctl `nerdctl`, moby `docker`, cri-o internal/config/cgmgr `crio`, podman
  // libpod/container_internal_linux.go `libpod`, and `libpod-payload` under `--cgroups=split`.
  // CRI-O and podman use the same names without `.scope` under cgroupfs. crun runs the container
  // in `container` below, which is one more sub-cgroup.
  /^(?:cri-containerd|nerdctl|docker|crio|libpod|libpod-payload)-([0-9a-f]{64})(?:\.scope)?$/,
  // A path that was meant for the systemd driver and got to cgroupfs: containerd without
  // `SystemdCgroup = true` under a kubelet with the systemd driver.
  /^.+\.slice:(?:cri-containerd|nerdctl|docker|crio|libpod):([0-9a-f]{64})$/,
];

function containerIdOf(name: string): string | undefined {
  for (const pattern of CONTAINER_NAMES) {
    const id = pattern.exec(name)?.[1];
    if (id !== undefined) return id;
  }
}

/**
 * The kubelet's names of a pod's cgroup (pkg/kubelet/cm: `pod<uid>`, and ToSystemd, which writes
 * `_` for `-`). The UID of a static pod is a hash without dashes.
 */
const POD_NAMES = [
  /^pod([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/,
  /^(?:.+-)?pod([0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}|[0-9a-f]{32})\.slice(?::.*)?$/,
];

function podUidOf(name: string): string | undefined {
  for (const pattern of POD_NAMES) {
    const uid = pattern.exec(name)?.[1];
    if (uid !== undefined) return uid.replaceAll("_", "-");
  }
}
