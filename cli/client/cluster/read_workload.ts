import type { ConfigurationOptions, V1PodTemplateSpec } from "@kubernetes/client-node";
import type { ApiClient } from "./api_client.ts";
import type { WorkloadType } from "./workload.ts";

/** What is read of an object that selects pods. */
interface Workload {
  spec?: { selector?: unknown; template?: V1PodTemplateSpec };
}

/** Reads an object that selects pods, of one of the `WORKLOAD_TYPES`. */
export function readWorkload(
  { core, apps, batch }: Pick<ApiClient, "core" | "apps" | "batch">,
  { resource }: WorkloadType,
  object: { namespace: string; name: string },
  options: ConfigurationOptions,
): Promise<Workload> {
  switch (resource) {
    case "deployments":
      return apps.readNamespacedDeployment(object, options);
    case "statefulsets":
      return apps.readNamespacedStatefulSet(object, options);
    case "daemonsets":
      return apps.readNamespacedDaemonSet(object, options);
    case "replicasets":
      return apps.readNamespacedReplicaSet(object, options);
    case "jobs":
      return batch.readNamespacedJob(object, options);
    case "services":
      return core.readNamespacedService(object, options);
    case "replicationcontrollers":
      return core.readNamespacedReplicationController(object, options);
  }
  throw new Error(`${resource} select no pods`);
}

/** The selectors of a list; see the API's list options. */
export interface ListQuery {
  namespace: string;
  fieldSelector?: string;
  labelSelector?: string;
  resourceVersion?: string;
}

/** Lists objects of a namespace: pods, or those of one of the `WORKLOAD_TYPES`. */
export function listObjects(
  { core, apps, batch }: Pick<ApiClient, "core" | "apps" | "batch">,
  resource: string,
  query: ListQuery,
  options: ConfigurationOptions,
): Promise<unknown> {
  switch (resource) {
    case "pods":
      return core.listNamespacedPod(query, options);
    case "deployments":
      return apps.listNamespacedDeployment(query, options);
    case "statefulsets":
      return apps.listNamespacedStatefulSet(query, options);
    case "daemonsets":
      return apps.listNamespacedDaemonSet(query, options);
    case "replicasets":
      return apps.listNamespacedReplicaSet(query, options);
    case "jobs":
      return batch.listNamespacedJob(query, options);
    case "services":
      return core.listNamespacedService(query, options);
    case "replicationcontrollers":
      return core.listNamespacedReplicationController(query, options);
  }
  throw new Error(`${resource} have no pods`);
}
