import type { V1Container, V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { stripRuntime } from "../../../proto/container_id.ts";
import type { ContainerKind, ContainerState, Pod, PodContainer } from "./pod.ts";

/** Takes from the API's pod what the client needs. */
export function toPod({ metadata, spec, status }: V1Pod): Pod {
  const condition = (type: string) =>
    status?.conditions?.find((condition) => condition.type === type);
  const scheduled = condition("PodScheduled");
  return {
    namespace: metadata?.namespace ?? "",
    name: metadata?.name ?? "",
    phase: status?.phase ?? "Unknown",
    reason: status?.reason,
    beingDeleted: metadata?.deletionTimestamp !== undefined,
    ready: condition("Ready")?.status === "True",
    nodeName: spec?.nodeName,
    unschedulable: scheduled?.status === "False" ? scheduled.message : undefined,
    ip: status?.podIP,
    defaultContainer: metadata?.annotations?.["kubectl.kubernetes.io/default-container"],
    containers: [
      ...toContainers("container", spec?.containers, status?.containerStatuses),
      ...toContainers("init container", spec?.initContainers, status?.initContainerStatuses),
      ...toContainers(
        "ephemeral container",
        spec?.ephemeralContainers,
        status?.ephemeralContainerStatuses,
      ),
    ],
  };
}

function toContainers(
  kind: ContainerKind,
  containers: V1Container[] = [],
  statuses: V1ContainerStatus[] = [],
): PodContainer[] {
  return containers.map(({ name, ports }) => {
    const status = statuses.find((status) => status.name === name);
    return {
      name,
      kind,
      id: stripRuntime(status?.containerID ?? "") || undefined,
      state: toState(status?.state),
      ports: Object.fromEntries(
        (ports ?? []).flatMap(({ name, containerPort }) => name ? [[name, containerPort]] : []),
      ),
    };
  });
}

function toState(state: V1ContainerStatus["state"]): ContainerState {
  if (state?.running) return { is: "running" };
  if (state?.terminated) {
    const { reason, exitCode } = state.terminated;
    return { is: "terminated", reason, exitCode };
  }
  return { is: "waiting", reason: state?.waiting?.reason, message: state?.waiting?.message };
}
