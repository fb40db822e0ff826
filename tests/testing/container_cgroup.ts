/**
 * A container as far as `--container-lookup cgroup` sees one: a cgroup that is named by its id.
 * Real processes in a real cgroup, without a runtime and an image.
 *
 * @module
 */
import { eventually, run, type Running } from "./process.ts";

/** A container of a test's own. Its processes end with the test, by `await using`. */
export interface CgroupContainer extends AsyncDisposable {
  id: string;
  /**
   * Starts a program in it. What is started in it later came in from outside, as by `kubectl exec`.
   */
  run(command: string, ...args: string[]): Running;
  /** The processes in it. */
  pids(): number[];
}

/** Makes a container without processes. Needs root. */
export function makeContainer(): CgroupContainer {
  const id = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const directory = `${hierarchy()}/necoperf-test-${id.slice(0, 12)}`;
  Deno.mkdirSync(`${directory}/${id}`, { recursive: true });
  const list = `${directory}/${id}/cgroup.procs`;
  const pids = () => Deno.readTextFileSync(list).split("\n").filter(Boolean).map(Number);
  const started: Running[] = [];
  return {
    id,
    pids,
    run(command, ...args) {
      const script = `echo $$ >${list} && exec "$@"`;
      const running = run("sh", "-c", script, "sh", command, ...args);
      started.push(running);
      return running;
    },
    async [Symbol.asyncDispose]() {
      await eventually(async () => {
        for (const pid of pids()) kill(pid);
        for (const running of started) await running[Symbol.asyncDispose]();
        Deno.removeSync(`${directory}/${id}`);
      });
      Deno.removeSync(directory);
    },
  };
}

/** Where cgroups can be made: v2, or one of v1's hierarchies. */
function hierarchy(): string {
  const root = "/sys/fs/cgroup";
  const names = [...Deno.readDirSync(root)].map(({ name }) => name);
  return names.includes("cgroup.controllers") ? root : `${root}/pids`;
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
