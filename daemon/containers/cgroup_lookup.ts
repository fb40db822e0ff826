import { shortContainerId } from "../../proto/container_id.ts";
import { parseContainerId } from "./container_id.ts";
import type { Container, ContainerLookup } from "./container.ts";
import { enteredProcesses, lookAtContainer, mainProcess } from "./container_processes.ts";
import type { Look } from "./container_processes.ts";
import { guardPids } from "./pid_guard.ts";
import { readThreadTimes } from "./thread_times.ts";
import type { Procfs } from "./procfs.ts";
import { sandboxedError, sandboxOf } from "./sandbox.ts";
import { StatusError } from "../status_error.ts";

/** How often `entered` looks, unless told. */
export const POLL_INTERVAL_MS = 1000;

/** Finds containers by the cgroups of the node's processes: it takes no right but to read them. */
export function createCgroupLookup(
  { procfs, pollIntervalMs = POLL_INTERVAL_MS }: { procfs: Procfs; pollIntervalMs?: number },
): ContainerLookup {
  /** What `processes` saw last, so that `entered` misses nothing that came in since. */
  const lastLooks = new WeakMap<Container, Look>();

  const lookup: ContainerLookup = {
    async find(containerId, signal) {
      const id = parseContainerId(containerId);
      const { processes } = await lookAtContainer(procfs, id);
      if (signal?.aborted) throw new StatusError("CANCELLED", "the caller gave up");
      const main = mainProcess(processes);
      if (!main) {
        throw new StatusError(
          "NOT_FOUND",
          `no process on this node belongs to container ${shortContainerId(id)}; ` +
            "it may have ended, or runs on another node",
        );
      }
      const sandbox = sandboxOf(await procfs.program(main.pid));
      const container: Container = { id, mainPid: main.pid };
      // A hypervisor may well be what a container of the node runs.
      if (sandbox === "gVisor") container.problem = sandboxedError(id, sandbox);
      // All of a container's processes are in one pod.
      const isSure = processes.every(({ podUid }) => podUid === main.podUid);
      if (isSure && main.podUid !== undefined) container.podUid = main.podUid;
      return container;
    },

    async processes(container) {
      const look = await lookAtContainer(procfs, container.id);
      lastLooks.set(container, look);
      return look.processes.map(({ pid }) => pid);
    },

    guard: (container) => guardPids(procfs, () => lookup.processes(container)),

    threadTimes: (pids, maxThreads) => readThreadTimes(procfs, pids, maxThreads),

    uptime: () => procfs.uptime(),

    entered(container, signal) {
      const last = lastLooks.get(container);
      return enteredProcesses(procfs, container.id, { last, pollIntervalMs, signal });
    },

    check: () => procfs.check(),
  };
  return lookup;
}
