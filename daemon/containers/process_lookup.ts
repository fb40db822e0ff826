import type { ContainerLookup, PidGuard } from "./container.ts";
import { MAX_PID } from "./cri_info.ts";
import { processAndDescendants } from "./descendants.ts";
import { guardPids } from "./pid_guard.ts";
import { readThreadTimes } from "./thread_times.ts";
import type { Procfs } from "./procfs.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/**
 * Takes process ids for container ids: for development, on a machine without containers. Without a
 * procfs nothing is known but the number: perf says whether there is such a process.
 */
export function createProcessLookup({ procfs }: { procfs?: Procfs } = {}): ContainerLookup {
  const lookup: ContainerLookup = {
    async find(containerId) {
      const pid = Number(containerId);
      if (!/^[1-9]\d{0,6}$/.test(containerId) || pid > MAX_PID) {
        throw new StatusError(
          "INVALID_ARGUMENT",
          `container_id ${quote(containerId)} is not a process id: this daemon runs for ` +
            `development (--container-lookup=pid) and expects a number from 1 to ${MAX_PID}`,
        );
      }
      const stat = await procfs?.stat(pid);
      if (procfs && (!stat || stat.ended)) {
        throw new StatusError("NOT_FOUND", `there is no process ${pid}`);
      }
      return { id: containerId, mainPid: pid };
    },

    processes: ({ mainPid }) =>
      procfs ? processAndDescendants(procfs, mainPid) : Promise.resolve([mainPid]),

    guard: (container) =>
      procfs ? guardPids(procfs, () => lookup.processes(container)) : Promise.resolve(UNGUARDED),

    threadTimes: (pids, maxThreads) =>
      procfs ? readThreadTimes(procfs, pids, maxThreads) : Promise.resolve([]),

    uptime: () => procfs?.uptime() ?? Promise.resolve(undefined),

    /** Nothing comes into a process from outside. */
    async *entered(_container, signal) {
      await new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      yield* [];
    },

    check: () => Promise.resolve(),
  };
  return lookup;
}

/** Without a procfs there is nothing to look at. */
const UNGUARDED: PidGuard = {
  note: () => Promise.resolve(0),
  holds: () => Promise.resolve(true),
};
