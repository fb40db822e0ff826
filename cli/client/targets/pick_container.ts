import { CliError, ExitStatus } from "../../errors.ts";
import type { ContainerKind, Pod, PodContainer } from "../cluster/pod.ts";

/** A container that runs, and where. */
export interface RunningContainer {
  name: string;
  /** The runtime's id, without the runtime's name before it. */
  id: string;
  nodeName: string;
  /** What Kubernetes lets it have of the node's processors. */
  cpu: CpuResources;
}

/** CPUs that a container may have; a limit that is not there does not exist. */
export interface CpuResources {
  /** More it never gets. */
  limitCpus?: number;
  /** So much it gets when the node is busy, at least. */
  requestCpus?: number;
  /** Of all containers of the pod together. */
  podLimitCpus?: number;
}

/**
 * Picks the container of a pod to profile: the one with the given name, else the one that the
 * annotation `kubectl.kubernetes.io/default-container` names, else the first.
 *
 * Throws a `CliError` (exit status 3) that says what is in the way when the pod or the container
 * does not run or there is no such container.
 */
export function pickContainer(pod: Pod, containerName?: string): RunningContainer {
  const podName = `pod ${pod.namespace}/${pod.name}`;
  const reason = pod.reason ? ` (${pod.reason})` : "";
  if (pod.phase === "Succeeded" || pod.phase === "Failed") {
    throw notFound(
      `${podName} has ended: its phase is ${pod.phase}${reason}; only a running container can be profiled`,
    );
  }
  if (pod.beingDeleted) {
    throw notFound(`${podName} is being deleted; name the pod that takes its place`);
  }
  const container = choose(pod, containerName);
  if (!container) {
    throw notFound(`${podName} has no container '${containerName}'; it has ${listContainers(pod)}`);
  }
  if (!pod.nodeName) {
    const reason = pod.unschedulable ? ` (${pod.unschedulable})` : "";
    throw notFound(`${podName} is ${pod.phase}: no node runs it yet${reason}`);
  }
  // An init container runs while its pod is still Pending: the container's own state decides.
  if (container.state.is === "running" && container.id) {
    const { name, id } = container;
    return { name, id, nodeName: pod.nodeName, cpu: cpuOf(pod, container) };
  }
  const pending = pod.phase === "Running" ? "" : `, and the pod is ${pod.phase}`;
  throw notFound(
    `${container.kind} '${container.name}' of ${podName} does not run: ${
      describeState(container)
    }${pending}; \`kubectl describe pod -n ${pod.namespace} ${pod.name}\` shows more`,
  );
}

function cpuOf(pod: Pod, { cpuLimit, cpuRequest }: PodContainer): CpuResources {
  return {
    ...cpuLimit === undefined ? {} : { limitCpus: cpuLimit },
    ...cpuRequest === undefined ? {} : { requestCpus: cpuRequest },
    ...pod.cpuLimit === undefined ? {} : { podLimitCpus: pod.cpuLimit },
  };
}

function choose(pod: Pod, name: string | undefined): PodContainer | undefined {
  const named = (wanted?: string) => pod.containers.find(({ name }) => name === wanted);
  if (name !== undefined) return named(name);
  return named(pod.defaultContainer) ?? pod.containers.find(({ kind }) => kind === "container");
}

function describeState({ state }: PodContainer): string {
  switch (state.is) {
    case "running":
      return "it is only just starting";
    case "waiting": {
      const words = [state.reason, state.message].filter(Boolean).join(": ");
      return `it waits${words ? ` (${words})` : ""}`;
    }
    case "terminated":
      return `it has ended (${state.reason ?? "no reason given"}, exit code ${state.exitCode})`;
  }
}

/** For example: `app, cache; init container: proxy`. */
function listContainers(pod: Pod): string {
  const list = (kind: ContainerKind) =>
    pod.containers.filter((container) => container.kind === kind).map(({ name }) => name).join(
      ", ",
    );
  const others = (["init container", "ephemeral container"] as const)
    .filter((kind) => list(kind) !== "").map((kind) => `; ${kind}: ${list(kind)}`);
  return list("container") + others.join("");
}

function notFound(message: string): CliError {
  return new CliError(ExitStatus.NOT_FOUND, message);
}
