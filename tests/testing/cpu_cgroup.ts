/**
 * Containers with a CPU limit, as far as the kernel knows of them: cgroups of this machine's own
 * hierarchies, of the one that has the controller `cpu` and, where that is one of v1, of v2. Needs
 * root.
 *
 * @module
 */
import { cgroupMounts } from "../../daemon/containers/cgroup_mounts.ts";
import { eventually, run, type Running } from "./process.ts";

/** Where this machine's hierarchies are mounted, by their controllers; v2's by `""`. */
const PLACES = new Map(
  cgroupMounts(await Deno.readTextFile("/proc/self/mountinfo"), "/sys/fs/cgroup")
    .map(({ controllers, directory }) => [controllers.join(), directory]),
);
const V2 = PLACES.get("")!;
/** Those of v1 that count processor time. */
const V1 = [...PLACES].filter(([names]) => /\bcpu(acct)?\b/.test(names)).map(([, place]) => place);
const CPU = [...PLACES].find(([names]) => /\bcpu\b/.test(names))?.[1] ?? V2;

/** Whether the controller `cpu` is v2's here. */
export const IS_V2 = CPU === V2;

/** A group of cgroups of a test's own. They and their processes end with the test. */
export interface CpuCgroups extends AsyncDisposable {
  /** The path of all of them, from the root of a hierarchy. */
  readonly path: string;
  /** Makes the cgroup at a path below `path` in all hierarchies, or in v2 alone. */
  make(path: string, where?: "v2"): string[];
  /** Limits the cgroup at a path below `path` to so much processor time in 100 ms. */
  limit(path: string, quotaMicroseconds: number): void;
  /** Starts a program in a cgroup of all hierarchies; in v2 in another one, if that is given. */
  run(
    places: { path: string; v2Path?: string },
    command: string,
    ...args: string[]
  ): Running;
}

/** Makes a place for cgroups. */
export function makeCpuCgroups(): CpuCgroups {
  const path = `/necoperf-test-${crypto.randomUUID()}`;
  const started: Running[] = [];
  const makeIn = (place: string, below: string) => {
    let directory = `${place}${path}`;
    Deno.mkdirSync(directory, { recursive: true });
    for (const name of below.split("/")) {
      if (IS_V2) {
        const list = `${directory.slice(0, directory.lastIndexOf("/"))}/cgroup.subtree_control`;
        Deno.writeTextFileSync(list, "+cpu");
        Deno.writeTextFileSync(`${directory}/cgroup.subtree_control`, "+cpu");
      }
      directory += `/${name}`;
      Deno.mkdirSync(directory, { recursive: true });
    }
    return directory;
  };
  const cgroups: CpuCgroups = {
    path,
    make: (below, where) =>
      (where === "v2" ? [V2] : [...V1, V2]).map((place) => makeIn(place, below)),
    limit(below, quotaMicroseconds) {
      const directory = makeIn(CPU, below);
      if (IS_V2) Deno.writeTextFileSync(`${directory}/cpu.max`, `${quotaMicroseconds} 100000`);
      else Deno.writeTextFileSync(`${directory}/cpu.cfs_quota_us`, `${quotaMicroseconds}`);
    },
    run({ path, v2Path = path }, command, ...args) {
      const directories = [...V1.map((place) => makeIn(place, path)), makeIn(V2, v2Path)];
      const moves = directories.map((directory) => `echo $$ >${directory}/cgroup.procs`);
      const script = `${moves.join(" && ")} && exec "$@"`;
      const running = run("sh", "-c", script, "sh", command, ...args);
      started.push(running);
      return running;
    },
    async [Symbol.asyncDispose]() {
      for (const running of started) await running[Symbol.asyncDispose]();
      for (const place of [...V1, V2]) await eventually(() => removeTree(`${place}${path}`));
    },
  };
  return cgroups;
}

function removeTree(directory: string): void {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) removeTree(`${directory}/${name}`);
    }
    Deno.removeSync(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
