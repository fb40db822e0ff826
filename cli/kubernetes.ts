import { type ApiRequest, describeApiFailure } from "./api_failure.ts";
import { type ApiResult, connectToApi, type JsonRequest } from "./api_server.ts";
import type { IssuedToken } from "./bearer_token.ts";
import { CliError, ExitStatus, interrupted } from "./exit_status.ts";
import { type ClusterOptions, findCluster } from "./kubeconfig.ts";
import type { ContainerKind, ContainerState, Pod, PodContainer } from "./pod.ts";

/** The requests that the client has for an API server. */
export interface Cluster {
  /** Where the cluster was found, for messages. */
  origin: string;
  /** The namespace of a pod that is named without one. */
  defaultNamespace: string;
  /** Gets one pod. Rejects with a `CliError`. */
  readPod(namespace: string, name: string): Promise<Pod>;
  /**
   * Lists a namespace's pods on one node that have a label, as they were a moment ago, or `fresh`:
   * then the API server reads all pods of the namespace from its storage to find them. Rejects with
   * a `CliError`.
   */
  listPods(
    namespace: string,
    selectors: { label: string; nodeName: string; fresh?: boolean },
  ): Promise<Pod[]>;
  /**
   * Gets one entry of a ConfigMap, or why there is none for this caller: it is not there, or is not
   * the caller's to read. Rejects with a `CliError` for all else.
   */
  readConfigMapKey(
    namespace: string,
    name: string,
    key: string,
  ): Promise<{ text: string } | { missing: string }>;
  /** Has a token of a service account made, for one audience. Rejects with a `CliError`. */
  requestToken(
    namespace: string,
    serviceAccount: string,
    spec: { audience: string; lifetimeSeconds: number },
    signal?: AbortSignal,
  ): Promise<IssuedToken>;
  /**
   * Asks whether something may be done: by whoever asks, or by `user`, which is not for everybody to
   * ask; then, `undefined`. Rejects with a `CliError` when there is no answer.
   */
  mayAccess(access: ResourceAccess, user?: string): Promise<boolean | undefined>;
  /** Lists all pods of a namespace with a label. Rejects with a `CliError`. */
  listPodsWithLabel(namespace: string, label: string): Promise<Pod[]>;
  /** The names of the cluster's nodes; `undefined` when they are not the caller's to list. */
  listNodeNames(): Promise<string[] | undefined>;
}

/** Something that is done with a resource. */
export interface ResourceAccess {
  verb: "get" | "list" | "create";
  /** Empty for the core's. */
  group: string;
  resource: string;
  subresource?: string;
  namespace: string;
  name?: string;
}

const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Finds the cluster that a user means, as kubectl does: see `findCluster`, whose errors it throws.
 * `signal` ends its requests, but those that have one of their own.
 */
export async function openCluster(options: ClusterOptions, signal?: AbortSignal): Promise<Cluster> {
  const access = await findCluster(options);
  const { server, origin, defaultNamespace } = access;
  const sendToApi = await connectToApi(access);
  const attempt = async <T>(request: JsonRequest, gaveUp = signal): Promise<ApiResult<T>> => {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const result = await sendToApi<T>(
      request,
      gaveUp ? AbortSignal.any([gaveUp, timeout]) : timeout,
    );
    if ("answer" in result) return result;
    if (gaveUp?.aborted) throw interrupted();
    if (!timeout.aborted) return result;
    return { failure: { noAnswer: new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`) } };
  };
  const send = async <T>(
    words: Omit<ApiRequest, "server" | "origin">,
    request: JsonRequest,
    gaveUp?: AbortSignal,
  ): Promise<T> => {
    const result = await attempt<T>(request, gaveUp);
    if ("answer" in result) return result.answer;
    throw describeApiFailure({ server, origin, ...words }, result.failure);
  };
  async function* pages<T>(
    words: Omit<ApiRequest, "server" | "origin">,
    path: string,
  ): AsyncGenerator<T> {
    let position = "";
    do {
      const query = new URLSearchParams({ limit: `${PAGE_SIZE}`, continue: position });
      const page = await send<{ items: T[]; metadata?: { continue?: string } }>(
        words,
        { method: "GET", path: `${path}&${query}` },
      );
      yield* page.items;
      position = page.metadata?.continue ?? "";
    } while (position !== "");
  }
  return {
    origin,
    defaultNamespace,
    readPod: async (namespace, name) =>
      toPod(
        await send<ApiPod>(
          { verb: "get", resource: "pods", namespace, name },
          { method: "GET", path: pathOf(namespace, "pods", name) },
        ),
      ),
    listPods: async (namespace, { label, nodeName, fresh = false }) => {
      const query = new URLSearchParams({
        labelSelector: label,
        fieldSelector: `spec.nodeName=${nodeName}`,
        // From the API server's cache, which has an index of nodes.
        ...fresh ? {} : { resourceVersion: "0" },
      });
      const { items } = await send<{ items: ApiPod[] }>(
        { verb: "list", resource: "pods", namespace },
        { method: "GET", path: `${pathOf(namespace, "pods")}?${query}` },
      );
      return items.map(toPod);
    },
    readConfigMapKey: async (namespace, name, key) => {
      const result = await attempt<{ data?: Record<string, string> }>(
        { method: "GET", path: pathOf(namespace, "configmaps", name) },
      );
      if ("answer" in result) return { text: result.answer.data?.[key] ?? "" };
      const { failure } = result;
      const httpStatus = "httpStatus" in failure ? failure.httpStatus : undefined;
      if (httpStatus === 404) return { missing: `there is no ConfigMap ${namespace}/${name}` };
      if (httpStatus === 403) {
        return { missing: `ConfigMap ${namespace}/${name} may not be read with ${origin}` };
      }
      const words = { verb: "get", resource: "configmaps", namespace, name } as const;
      throw describeApiFailure({ server, origin, ...words }, failure);
    },
    requestToken: async (namespace, serviceAccount, wanted, ownSignal) => {
      const { status, spec: granted } = await send<TokenRequest>(
        { verb: "create", resource: "serviceaccounts/token", namespace, name: serviceAccount },
        {
          method: "POST",
          path: pathOf(namespace, "serviceaccounts", serviceAccount, "token"),
          body: {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            spec: { audiences: [wanted.audience], expirationSeconds: wanted.lifetimeSeconds },
          },
        },
        ownSignal,
      );
      if (!status) {
        throw new CliError(ExitStatus.OTHER, `the API server ${server} made no token`);
      }
      return {
        token: status.token,
        // An API server may have its own idea of how long tokens are good for.
        lifetimeSeconds: granted.expirationSeconds ?? wanted.lifetimeSeconds,
      };
    },
    mayAccess: async (access, user) => {
      const kind = user === undefined ? "SelfSubjectAccessReview" : "SubjectAccessReview";
      const result = await attempt<{ status?: { allowed?: boolean } }>({
        method: "POST",
        path: `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`,
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind,
          spec: { resourceAttributes: access, user },
        },
      });
      if ("answer" in result) return result.answer.status?.allowed ?? false;
      if (isForbidden(result)) return undefined;
      const { verb, namespace } = access;
      throw describeApiFailure(
        { server, origin, verb, resource: access.resource, namespace },
        result.failure,
      );
    },
    listPodsWithLabel: async (namespace, label) => {
      const path = `${pathOf(namespace, "pods")}?${new URLSearchParams({ labelSelector: label })}`;
      const pods: Pod[] = [];
      for await (const pod of pages<ApiPod>({ verb: "list", resource: "pods", namespace }, path)) {
        pods.push(toPod(pod));
      }
      return pods;
    },
    listNodeNames: async () => {
      const names: string[] = [];
      try {
        const words = { verb: "list", resource: "nodes", namespace: "" } as const;
        for await (const { metadata } of pages<ApiPod>(words, "/api/v1/nodes?")) {
          names.push(metadata?.name ?? "");
        }
      } catch (error) {
        if (error instanceof CliError && error.exitStatus === ExitStatus.NOT_ALLOWED) return;
        throw error;
      }
      return names;
    },
  };
}

/** How many objects one answer of a list has at most. */
const PAGE_SIZE = 500;

/** The path of a namespace's objects, or of one. */
function pathOf(namespace: string, ...parts: string[]): string {
  return ["/api/v1/namespaces", ...[namespace, ...parts].map(encodeURIComponent)].join("/");
}

function isForbidden(result: ApiResult<unknown>): boolean {
  return "failure" in result && "httpStatus" in result.failure && result.failure.httpStatus === 403;
}

/** What the client reads of the API's `Pod`. */
export interface ApiPod {
  metadata?: {
    namespace?: string;
    name?: string;
    deletionTimestamp?: string;
    annotations?: Record<string, string>;
  };
  spec?: {
    nodeName?: string;
    containers?: ApiContainer[];
    initContainers?: ApiContainer[];
    ephemeralContainers?: ApiContainer[];
  };
  status?: {
    phase?: string;
    reason?: string;
    podIP?: string;
    conditions?: { type: string; status: string; message?: string }[];
    containerStatuses?: ApiContainerStatus[];
    initContainerStatuses?: ApiContainerStatus[];
    ephemeralContainerStatuses?: ApiContainerStatus[];
  };
}

interface ApiContainer {
  name: string;
  ports?: { name?: string; containerPort: number }[];
}

interface ApiContainerStatus {
  name: string;
  containerID?: string;
  state?: {
    running?: object;
    terminated?: { reason?: string; exitCode: number };
    waiting?: { reason?: string; message?: string };
  };
}

interface TokenRequest {
  spec: { expirationSeconds?: number };
  status?: { token: string };
}

/** Takes from the API's pod what the client needs. */
export function toPod({ metadata, spec, status }: ApiPod): Pod {
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
  containers: ApiContainer[] = [],
  statuses: ApiContainerStatus[] = [],
): PodContainer[] {
  return containers.map(({ name, ports }) => {
    const status = statuses.find((status) => status.name === name);
    return {
      name,
      kind,
      id: status?.containerID?.replace(/^.*:\/\//, "") || undefined,
      state: toState(status?.state),
      ports: Object.fromEntries(
        (ports ?? []).flatMap(({ name, containerPort }) => name ? [[name, containerPort]] : []),
      ),
    };
  });
}

function toState(state: ApiContainerStatus["state"]): ContainerState {
  if (state?.running) return { is: "running" };
  if (state?.terminated) {
    const { reason, exitCode } = state.terminated;
    return { is: "terminated", reason, exitCode };
  }
  return { is: "waiting", reason: state?.waiting?.reason, message: state?.waiting?.message };
}
