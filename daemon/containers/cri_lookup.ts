import { POLL_INTERVAL_MS } from "./cgroup_lookup.ts";
import { shortContainerId } from "../../proto/container_id.ts";
import { parseContainerId } from "./container_id.ts";
import {
  cgroupReader,
  enteredProcesses,
  type Look,
  lookAtContainer,
} from "./container_processes.ts";
import type { Container, ContainerLookup } from "./container.ts";
import type { Cri, RuntimeContainer } from "./cri.ts";
import { pidOfInfo } from "./cri_info.ts";
import { processAndDescendants } from "./descendants.ts";
import { guardPids } from "./pid_guard.ts";
import { readThreadTimes } from "./thread_times.ts";
import type { Procfs } from "./procfs.ts";
import { sandboxedError, sandboxOf } from "./sandbox.ts";
import { StatusError } from "../status_error.ts";

/** Which of the node's processes belong to a container. */
interface Extent {
  /**
   * When the main process started, if it is in no cgroup with the container's id: the container is
   * the main process and what it started then.
   */
  mainStartTicks?: number;
  /** What `processes` saw last, so that `entered` misses nothing that came in since. */
  last?: Look;
}

/** Finds containers by asking the container runtime, and their processes by their cgroups. */
export function createCriLookup(
  { cri, procfs, pollIntervalMs = POLL_INTERVAL_MS }: {
    cri: Cri;
    procfs: Procfs;
    pollIntervalMs?: number;
  },
): ContainerLookup {
  const extents = new WeakMap<Container, Extent>();

  async function extentOf(
    id: string,
    mainPid: number,
  ): Promise<Extent & Pick<Container, "problem">> {
    const text = await procfs.cgroup(mainPid);
    const stat = await procfs.stat(mainPid);
    if (text === undefined || !stat) return {};
    const containers = (await cgroupReader(procfs))(text);
    const isInside = containers.some((container) => container.id === id);
    const sandbox = sandboxOf(await procfs.program(mainPid));
    // A hypervisor may well be what a container of the node runs.
    if (sandbox === "gVisor" || (sandbox && !isInside)) {
      return { problem: sandboxedError(id, sandbox) };
    }
    if (isInside) return {};
    // Before anything is taken for the container on the runtime's word alone: its number must not
    // be somebody else's process, as when it counts in another PID namespace than the daemon.
    const { processes } = await lookAtContainer(procfs, id);
    if (containers.length > 0 || processes.length > 0) {
      throw new StatusError(
        "INTERNAL",
        `process ${mainPid}, which the container runtime gave for container ` +
          `${
            shortContainerId(id)
          }, is not in that container's cgroup: does the daemon's pod have ` +
          "hostPID: true?",
      );
    }
    return { mainStartTicks: stat.startTicks };
  }

  const lookup: ContainerLookup = {
    async find(containerId, signal) {
      const id = parseContainerId(containerId);
      const found = await cri.containerStatus(id, signal);
      if (!found) {
        throw new StatusError(
          "NOT_FOUND",
          `the container runtime of this node knows no container ${shortContainerId(id)}; ` +
            "it may have been removed, or runs on another node",
        );
      }
      requireRunning(found);
      const container: Container = { id, mainPid: pidOfInfo(found.info), ...podOf(found.labels) };
      const { problem, ...extent } = await extentOf(id, container.mainPid);
      if (problem) container.problem = problem;
      extents.set(container, extent);
      return container;
    },

    async processes(container) {
      const extent = extents.get(container) ?? {};
      if (extent.mainStartTicks !== undefined) {
        // The number may be another process's by now.
        const main = await procfs.stat(container.mainPid);
        if (main?.startTicks !== extent.mainStartTicks) return [];
        return processAndDescendants(procfs, container.mainPid);
      }
      const last = await lookAtContainer(procfs, container.id);
      extents.set(container, { last });
      return last.processes.map(({ pid }) => pid);
    },

    guard: (container) => guardPids(procfs, () => lookup.processes(container)),

    threadTimes: (pids, maxThreads) => readThreadTimes(procfs, pids, maxThreads),

    uptime: () => procfs.uptime(),

    entered(container, signal) {
      // Where a container's cgroup is not known, what came from outside is not known either.
      // Then no process has its id on the path, and this yields nothing.
      const last = extents.get(container)?.last;
      return enteredProcesses(procfs, container.id, { last, pollIntervalMs, signal });
    },

    async check() {
      await cri.check();
      await procfs.check();
    },
  };
  return lookup;
}

/** Descriptions of containers that do not run, by their state's name. */
const STATE_WORDS: Record<string, string> = {
  CONTAINER_CREATED: "has not started yet",
  CONTAINER_EXITED: "has ended",
};

function requireRunning({ id, state }: RuntimeContainer): void {
  if (state === "CONTAINER_RUNNING") return;
  throw new StatusError(
    "FAILED_PRECONDITION",
    `container ${shortContainerId(id)} ${
      STATE_WORDS[state] ?? "is in a state that its runtime does not know"
    } (${state}); only a running container can be profiled`,
  );
}

/** The labels that the kubelet gives every container (pkg/kubelet/types/labels.go). */
function podOf(labels: Record<string, string>): Partial<Container> {
  const pod = {
    podUid: labels["io.kubernetes.pod.uid"],
    podNamespace: labels["io.kubernetes.pod.namespace"],
    podName: labels["io.kubernetes.pod.name"],
    containerName: labels["io.kubernetes.container.name"],
  };
  return Object.fromEntries(Object.entries(pod).filter(([, value]) => value));
}
