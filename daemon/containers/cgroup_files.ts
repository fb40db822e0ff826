import { type CgroupMount, cgroupMounts, wayTo } from "./cgroup_mounts.ts";
import { containerDepth, hierarchiesOf, kindOfCgroup } from "./cgroup.ts";
import { cgroupReader } from "./container_processes.ts";
import type { ReadCgroupFile } from "./cpu_files.ts";
import { type Procfs, readEach } from "./procfs.ts";

/** More than there are beside the daemon's own cgroup and its ancestors. */
const MAX_DIRECTORIES = 5000;
/** The longest files that are read have half a kilobyte. */
const MAX_FILE_BYTES = 4096;

/** The cgroups of a container. */
export interface ContainerCgroups {
  /**
   * Reads the container's own cgroup in the hierarchy of v2, or in that of v1 with a controller.
   */
  reader(hierarchy: string): ReadCgroupFile | undefined;
  /** Reads its pod's, where the cgroup of the container is in it. */
  podReader(hierarchy: string): ReadCgroupFile | undefined;
}

/** The name of the hierarchy of v2, beside those of v1's controllers. */
export const V2 = "v2";

/**
 * Finds the cgroups of a container among those that are mounted at a directory or below it.
 *
 * A process's `cgroup` file says where it is, and any process that may move it decides that: its
 * container, below the container's own cgroup. So of a path that names the container, what is below
 * that name is left out. One that does not name it counts only when each process in that cgroup is
 * the container's and there is no cgroup below. Nothing else of the mount is ever read, and what is
 * read is a file of the kernel: in these file systems there are no others, and no links.
 */
export async function findCgroups(
  procfs: Procfs,
  directory: string,
  container: { id: string; mainPid: number },
): Promise<ContainerCgroups | "none are mounted" | "not among them"> {
  const mounts = cgroupMounts(await procfs.mountInfo(), directory);
  if (mounts.length === 0) return "none are mounted";
  const text = await procfs.cgroup(container.mainPid) ?? "";
  const found = new Map<string, { own: string; pod?: string }>();
  for (const { controllers, path } of hierarchiesOf(text)) {
    const hierarchies = controllers.length === 0 ? [V2] : controllers;
    for (const mount of mounts) {
      if (!isOf(mount, controllers) || hierarchies.some((name) => found.has(name))) continue;
      const place = await findPlace(procfs, mount, path, container.id);
      if (place) { for (const name of hierarchies) found.set(name, place); }
    }
  }
  if (found.size === 0) return "not among them";
  const reader = (path: string | undefined) =>
    path === undefined ? undefined : (name: string) => readBeginning(`${path}/${name}`);
  return {
    reader: (hierarchy) => reader(found.get(hierarchy)?.own),
    podReader: (hierarchy) => reader(found.get(hierarchy)?.pod),
  };
}

/** Whether a mount is of the hierarchy with these controllers; none: of v2. */
function isOf(mount: CgroupMount, controllers: readonly string[]): boolean {
  return controllers.length === 0
    ? mount.controllers.length === 0
    : controllers.every((name) => mount.controllers.includes(name));
}

/** Finds the directory of a container's own cgroup in a mounted hierarchy, and its pod's. */
async function findPlace(
  procfs: Procfs,
  mount: CgroupMount,
  path: string,
  containerId: string,
): Promise<{ own: string; pod?: string } | undefined> {
  const way = wayTo(path, mount.root);
  if (!way) return undefined;
  const depth = containerDepth(way.names, containerId);
  const names = depth === undefined ? way.names : way.names.slice(0, depth);
  const places: string[] = [];
  for (const start of await directoriesBelow(mount.directory, way.unknownLevels)) {
    const place = `${start}/${names.join("/")}`;
    if (await isDirectory(place)) places.push(place);
  }
  // Two of the same name cannot be told apart.
  if (places.length !== 1) return undefined;
  const [own] = places;
  if (depth === undefined) {
    return await isContainersAlone(procfs, own, containerId) ? { own } : undefined;
  }
  const isInPod = names.length > 1 && kindOfCgroup(names.at(-2)!) === "pod";
  return isInPod ? { own, pod: own.slice(0, own.lastIndexOf("/")) } : { own };
}

/**
 * The directories so many levels below one. Those below a container's cgroup are left out: they are
 * the tenant's, who calls them as he likes.
 */
async function directoriesBelow(directory: string, levels: number): Promise<string[]> {
  let found = [directory];
  for (let level = 0; level < levels; level++) {
    const next: string[] = [];
    for (const one of found) {
      try {
        for await (const { name, isDirectory } of Deno.readDir(one)) {
          if (isDirectory && kindOfCgroup(name) !== "container") next.push(`${one}/${name}`);
          if (next.length > MAX_DIRECTORIES) return [];
        }
      } catch (error) {
        // A pod that ends takes its cgroup with it.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    found = next;
  }
  return found;
}

/** Whether no process but the container's is in a cgroup. */
async function isContainersAlone(
  procfs: Procfs,
  directory: string,
  containerId: string,
): Promise<boolean> {
  for await (const { isDirectory } of Deno.readDir(directory)) if (isDirectory) return false;
  const text = await Deno.readTextFile(`${directory}/cgroup.procs`);
  const pids = text.split("\n").filter((line) => line !== "").map(Number);
  const containersOf = await cgroupReader(procfs);
  // One that has ended since is left out.
  const texts = await readEach(pids, (pid) => procfs.cgroup(pid));
  return texts.size > 0 &&
    texts.values().every((text) => containersOf(text).some(({ id }) => id === containerId));
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isDirectory;
  } catch {
    return false;
  }
}

/** The beginning of a file; undefined when there is none, as when its cgroup has gone. */
async function readBeginning(path: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(MAX_FILE_BYTES);
    const length = await file.read(bytes) ?? 0;
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch {
    return undefined;
  }
}
