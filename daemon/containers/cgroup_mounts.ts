/** A hierarchy of cgroups, or a part of it, that is mounted. */
export interface CgroupMount {
  /** Those of v1 that the hierarchy has; empty: it is the hierarchy of v2. */
  controllers: string[];
  /** Where it is mounted. */
  directory: string;
  /**
   * Which cgroup is there, as the reader's cgroup namespace sees it: with a `..` for each level
   * that it is above the namespace's own root.
   */
  root: string;
}

/**
 * Finds the hierarchies that are mounted at a directory or below it in the text of a `mountinfo`
 * file (proc_pid_mountinfo(5)). Other mounts there, such as a directory of plain files, do not
 * count.
 */
export function cgroupMounts(text: string, directory: string): CgroupMount[] {
  return text.split("\n").flatMap((line) => {
    // 859 850 0:38 /../../../.. /host/cgroup ro,relatime master:1 - cgroup2 cgroup2 rw
    const [before, after] = line.split(" - ");
    const [, , , root, place] = before.split(" ");
    const [type, , options = ""] = after?.split(" ") ?? [];
    if (type !== "cgroup" && type !== "cgroup2") return [];
    if (place !== directory && !place.startsWith(`${directory}/`)) return [];
    const controllers = type === "cgroup2"
      ? []
      : options.split(",").filter((option) => option !== "rw" && option !== "ro");
    return { controllers, directory: place, root };
  });
}

/** How to get from a mounted hierarchy to a cgroup of it. */
interface CgroupWay {
  /** So many directories down, whose names are not known. */
  unknownLevels: number;
  /** And then by these. */
  names: string[];
}

/**
 * Finds the way from a mounted cgroup to another one, when both are as the same cgroup namespace
 * sees them. From one that is above the namespace's own root the first names are not known: the
 * namespace hides its own place. Undefined when the cgroup is not below the mounted one, or is the
 * same.
 */
export function wayTo(path: string, root: string): CgroupWay | undefined {
  const [to, from] = [parsePath(path), parsePath(root)];
  if (!to || !from || to.names.length === 0) return undefined;
  if (from.up > to.up) {
    // What is named below an ancestor of the namespace's root is beside the way to that.
    if (from.names.length > 0) return undefined;
    return { unknownLevels: from.up - to.up, names: to.names };
  }
  const isBelow = from.up === to.up && from.names.length < to.names.length &&
    from.names.every((name, index) => name === to.names[index]);
  return isBelow ? { unknownLevels: 0, names: to.names.slice(from.names.length) } : undefined;
}

/** How far up a path leads, and then by which names; undefined for one that no kernel writes. */
function parsePath(path: string): { up: number; names: string[] } | undefined {
  const all = path === "/" ? [] : path.split("/").slice(1);
  const index = all.findIndex((name) => name !== "..");
  const up = index < 0 ? all.length : index;
  const names = all.slice(up);
  if (!path.startsWith("/") || names.some((name) => ["", ".", ".."].includes(name))) {
    return undefined;
  }
  return { up, names };
}
