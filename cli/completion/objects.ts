import { connectToApi } from "../client/cluster/api_server.ts";
import { DAEMON_LABEL } from "../client/cluster/daemon_pod.ts";
import { findCluster, type KubeconfigOptions } from "../client/cluster/kubeconfig.ts";
import { type ApiPod, pathIn, toPod } from "../client/cluster/kubernetes.ts";
import { POD, type TargetType } from "../client/targets/target_name.ts";
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

/**
 * What `kubectl get` shows of objects, and no more: 280 bytes of a pod. Its metadata alone, with who
 * manages each field of it, is larger, and does not tell whether it runs.
 */
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

/** A `meta.k8s.io/v1` `Table`, as far as it is read here. */
interface Table {
  columnDefinitions: { name: string }[];
  rows?: { cells: unknown[] }[];
}

/** What is read of a workload. */
interface Workload {
  spec?: { template?: ApiPod };
}

/** Finds the cluster that a command line means. Rejects as `findCluster` does, or when it takes long. */
export async function openObjectNames(options: KubeconfigOptions): Promise<ObjectNames> {
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("no credentials")), PATIENCE_MS.credentials);
  const access = await Promise.race([findCluster(options), tooLong]);
  clearTimeout(timer);
  const send = await connectToApi(access);
  const patience = AbortSignal.timeout(PATIENCE_MS.answers);

  /** Rows by the names of their columns. */
  const list = async (path: string, query = {}): Promise<Record<string, string>[]> => {
    // Out of the API server's memory: current enough, and the list is not read from etcd.
    const words = new URLSearchParams({ includeObject: "None", resourceVersion: "0", ...query });
    const result = await send<Table>(
      { method: "GET", path: `${path}?${words}`, accept: TABLE },
      patience,
    );
    if ("failure" in result) return [];
    const { columnDefinitions, rows } = result.answer;
    return (rows ?? []).map(({ cells }) =>
      Object.fromEntries(columnDefinitions.map(({ name }, index) => [name, `${cells[index]}`]))
    );
  };
  return {
    defaultNamespace: access.defaultNamespace,
    namespaces: async () =>
      (await list("/api/v1/namespaces")).map(({ Name, Status }) => describe(Name, Status)),
    targets: async (namespace, type) => {
      const alive = { fieldSelector: "status.phase!=Succeeded,status.phase!=Failed" };
      const rows = await list(pathOf(namespace, type), type === POD ? alive : {});
      return rows.map(({ Name, Ready, Status }) => describe(Name, Ready, Status));
    },
    containers: async (namespace, type, name) => {
      const path = pathOf(namespace, type, name);
      const result = await send<ApiPod | Workload>({ method: "GET", path }, patience);
      if ("failure" in result) return [];
      const { spec } = result.answer;
      const pod = spec && "template" in spec ? spec.template : result.answer as ApiPod;
      return toPod(pod ?? {}).containers.map(({ name, kind }) => describe(name, kind));
    },
    serviceAccounts: async (namespace) =>
      (await list(pathIn("", namespace, "serviceaccounts"))).map(({ Name }) => describe(Name)),
    daemonNodes: async (namespace) =>
      (await list(pathOf(namespace, POD), { labelSelector: DAEMON_LABEL }))
        .map(({ Node, Status }) => describe(Node, "daemon", Status)),
  };
}

function pathOf(namespace: string, { apiGroup, resource }: TargetType, ...name: string[]): string {
  return pathIn(apiGroup, namespace, resource, ...name);
}

function describe(value: string, ...words: (string | undefined)[]): Candidate {
  return { value, description: words.filter((word) => word).join(" ") };
}
