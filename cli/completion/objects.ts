import { type ApiClient, openApiClient } from "../client/cluster/api_client.ts";
import { DAEMON_LABEL } from "../client/cluster/daemon_pod.ts";
import { findCluster, type KubeconfigOptions } from "../client/cluster/kubeconfig.ts";
import { listObjects, type ListQuery, readWorkload } from "../client/cluster/read_workload.ts";
import { toPod } from "../client/cluster/to_pod.ts";
import { POD, type TargetType } from "../client/targets/target_name.ts";
import { WORKLOAD_TYPES } from "../client/cluster/workload.ts";
import type { Candidate } from "./completion.ts";

/** Names of a cluster's objects. What cannot be had in time, or by this user, is empty. */
export interface ObjectNames {
  /** The namespace of objects that are named without one. */
  defaultNamespace: string;
  namespaces(): Promise<Candidate[]>;
  /** Objects of a type; of pods those that have not ended. */
  targets(namespace: string, type: TargetType): Promise<Candidate[]>;
  /** The containers of a pod, or of a workload's pods. */
  containers(namespace: string, type: TargetType, name: string): Promise<Candidate[]>;
  serviceAccounts(namespace: string): Promise<Candidate[]>;
  /** The nodes that have a daemon, which runs in `namespace`. */
  daemonNodes(namespace: string): Promise<Candidate[]>;
}

/**
 * How long is waited, in milliseconds. Nobody waits for candidates; but a credential plug-in of a
 * large provider takes a second, and without it there would be none ever.
 */
const PATIENCE_MS = { credentials: 2_000, answers: 400 };

/** From the API server's memory: current enough, and the list is not read from etcd. */
const CACHED = { resourceVersion: "0" };

/**
 * Finds the cluster that a command line means. Rejects as `findCluster` does, or when it takes
 * long.
 */
export async function openObjectNames(options: KubeconfigOptions): Promise<ObjectNames> {
  const access = await findCluster(options);
  // A credential plug-in runs with the first request, which it would keep waiting.
  await within(PATIENCE_MS.credentials, access.credentials.get());
  const client = openApiClient(access, {
    requestTimeoutSeconds: 0,
    signal: AbortSignal.timeout(PATIENCE_MS.answers),
  });
  const { core } = client;
  const rowsOf = async (call: Parameters<ApiClient["callForTable"]>[0]) => {
    const result = await client.callForTable(call).catch(() => undefined);
    return result && "answer" in result ? result.answer : [];
  };
  const list = (type: TargetType, query: ListQuery) =>
    rowsOf((options) => listObjects(client, type.resource, { ...CACHED, ...query }, options));
  return {
    defaultNamespace: access.defaultNamespace,
    namespaces: async () =>
      (await rowsOf((options) => core.listNamespace(CACHED, options)))
        .map(({ Name, Status }) => describe(Name, Status)),
    targets: async (namespace, type) => {
      const fieldSelector = type === POD
        ? "status.phase!=Succeeded,status.phase!=Failed"
        : undefined;
      return (await list(type, { namespace, fieldSelector }))
        .map(({ Name, Ready, Status }) => describe(Name, Ready, Status));
    },
    containers: async (namespace, type, name) => {
      const workload = WORKLOAD_TYPES.find(({ resource }) => resource === type.resource);
      const result = await client.call<{ spec?: object }>((options) =>
        workload
          ? readWorkload(client, workload, { namespace, name }, options)
          : core.readNamespacedPod({ namespace, name }, options)
      ).catch(() => undefined);
      if (!result || "failure" in result) return [];
      const { spec } = result.answer;
      const pod = spec && "template" in spec ? spec.template as object : result.answer;
      return toPod(pod ?? {}).containers.map(({ name, kind }) => describe(name, kind));
    },
    serviceAccounts: async (namespace) =>
      (await rowsOf((options) =>
        core.listNamespacedServiceAccount({ namespace, ...CACHED }, options)
      )).map(({ Name }) => describe(Name)),
    daemonNodes: async (namespace) =>
      (await list(POD, { namespace, labelSelector: DAEMON_LABEL }))
        .map(({ Node, Status }) => describe(Node, "daemon", Status)),
  };
}

/** Rejects when something takes longer. */
async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it takes too long")), milliseconds);
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(value: string, ...words: (string | undefined)[]): Candidate {
  return { value, description: words.filter((word) => word).join(" ") };
}
