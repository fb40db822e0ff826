import { formatLabelSelector, type LabelSelector } from "./label_selector.ts";

/** A type of object that selects pods, and what it is called: those that `kubectl logs` takes. */
export interface WorkloadType {
  /** The plural, as in the API's paths. */
  resource: string;
  /** Empty for the core group. */
  apiGroup: string;
  /** One of them, as in `kubectl get deployment`. */
  singular: string;
  /** The API's abbreviations. */
  shortNames: string[];
  /** Whether `spec.selector` is a `LabelSelector`, or labels with their values alone. */
  selects: "by expressions" | "by labels";
}

/** All of them. They are asked for in version v1 of their group. */
export const WORKLOAD_TYPES: WorkloadType[] = [
  workload("deployments.apps", "deployment", ["deploy"]),
  workload("statefulsets.apps", "statefulset", ["sts"]),
  workload("daemonsets.apps", "daemonset", ["ds"]),
  workload("replicasets.apps", "replicaset", ["rs"]),
  workload("jobs.batch", "job", []),
  { ...workload("services", "service", ["svc"]), selects: "by labels" },
  { ...workload("replicationcontrollers", "replicationcontroller", ["rc"]), selects: "by labels" },
];

function workload(name: string, singular: string, shortNames: string[]): WorkloadType {
  const [resource, apiGroup = ""] = name.split(".");
  return { resource, apiGroup, singular, shortNames, selects: "by expressions" };
}

/** A type's name with its group, as Kubernetes writes it: `deployments.apps`, `services`. */
export function fullName({ resource, apiGroup }: { resource: string; apiGroup: string }): string {
  return apiGroup === "" ? resource : `${resource}.${apiGroup}`;
}

/**
 * Takes from a workload's `spec.selector` which pods are its own, as text for a query; nothing when
 * it selects none, such as a service without a selector. Throws as `formatLabelSelector` does.
 */
export function podSelector({ selects }: WorkloadType, selector: unknown): string | undefined {
  if (!selector) return undefined;
  return selects === "by labels"
    ? formatLabelSelector({ matchLabels: selector as Record<string, string> }) || undefined
    : formatLabelSelector(selector as LabelSelector);
}
