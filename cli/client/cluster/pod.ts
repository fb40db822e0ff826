/** What the client needs to know of a pod, free of the API's own types. */
export interface Pod {
  namespace: string;
  name: string;
  /** Pending, Running, Succeeded, Failed or Unknown. */
  phase: string;
  /** Why the pod as a whole is in its phase, such as `Evicted`. */
  reason?: string;
  /** It has a deletion timestamp: its processes end within its grace period. */
  beingDeleted: boolean;
  /** Its condition `Ready`. */
  ready: boolean;
  /** Not there before the scheduler has found a node. */
  nodeName?: string;
  /** The scheduler's words when it found no node. */
  unschedulable?: string;
  ip?: string;
  /** The container that kubectl takes when none is named, by the pod's annotation. */
  defaultContainer?: string;
  /** The CPU limit of all its containers together, if it has one: a number of CPUs. */
  cpuLimit?: number;
  /** In the order of the pod's specification, all three kinds. */
  containers: PodContainer[];
}

/** One container of a pod. */
export interface PodContainer {
  name: string;
  kind: ContainerKind;
  /** The runtime's id, without the `containerd://` that Kubernetes writes before it. */
  id?: string;
  state: ContainerState;
  /** Ports by their names. */
  ports: Record<string, number>;
  /** How many CPUs it may have at most, if there is a limit. */
  cpuLimit?: number;
  /** How many CPUs are kept for it. */
  cpuRequest?: number;
}

/** Where a pod's specification lists a container. */
export type ContainerKind = "container" | "init container" | "ephemeral container";

/** The current state of a container. */
export type ContainerState =
  | { is: "running" }
  | { is: "waiting"; reason?: string; message?: string }
  | { is: "terminated"; reason?: string; exitCode: number };
