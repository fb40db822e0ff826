import type { V1Container, V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { isIP } from "node:net";
import { stripRuntime } from "../../../proto/container_id.ts";
import { escapeControls } from "../../escape_controls.ts";
import { parseCpuQuantity } from "./cpu_quantity.ts";
import type { ContainerKind, ContainerState, Pod, PodContainer } from "./pod.ts";

/**
 * Takes from the API's pod what the client needs, without control characters: what is not
 * Kubernetes' API server may put them where that has names.
 */
export function toPod(pod: V1Pod): Pod {
  return escapeStrings(readPod(pod));
}

function readPod({ metadata, spec, status }: V1Pod): Pod {
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
    ip: isIP(status?.podIP ?? "") ? status?.podIP : undefined,
    ...numbers({ cpuLimit: parseCpuQuantity(spec?.resources?.limits?.cpu) }),
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
  return containers.map(({ name, ports, resources: wanted }) => {
    const status = statuses.find((status) => status.name === name);
    // What counts now: those of the specification may be on their way (resizing in place).
    const { limits, requests } = status?.resources ?? wanted ?? {};
    return {
      name,
      kind,
      id: stripRuntime(status?.containerID ?? "") || undefined,
      state: toState(status?.state),
      ports: Object.fromEntries(
        (ports ?? []).flatMap(({ name, containerPort }) => name ? [[name, containerPort]] : []),
      ),
      ...numbers({
        cpuLimit: parseCpuQuantity(limits?.cpu),
        cpuRequest: parseCpuQuantity(requests?.cpu),
      }),
    };
  });
}

function escapeStrings<Value>(value: Value): Value {
  if (typeof value === "string") return escapeControls(value) as Value;
  if (Array.isArray(value)) return value.map(escapeStrings) as Value;
  if (typeof value !== "object" || value === null) return value;
  const escaped = Object.entries(value).map(([name, each]) => [
    escapeControls(name),
    escapeStrings(each),
  ]);
  return Object.fromEntries(escaped);
}

/** Those that there are. */
function numbers<Name extends string>(
  named: Record<Name, number | undefined>,
): Partial<Record<Name, number>> {
  const known = Object.entries(named).filter(([, number]) => number !== undefined);
  return Object.fromEntries(known) as Partial<Record<Name, number>>;
}

function toState(state: V1ContainerStatus["state"]): ContainerState {
  if (state?.running) return { is: "running" };
  if (state?.terminated) {
    const { reason, exitCode } = state.terminated;
    return { is: "terminated", reason, exitCode };
  }
  return { is: "waiting", reason: state?.waiting?.reason, message: state?.waiting?.message };
}
