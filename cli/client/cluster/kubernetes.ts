import { stripRuntime } from "../../../proto/container_id.ts";
import { formatDuration } from "../../../proto/duration.ts";
import { type ApiRequest, describeApiFailure } from "./api_failure.ts";
import { type ApiResult, connectToApi, type JsonRequest, type SentRequest } from "./api_server.ts";
import { CliError, ExitStatus, interrupted } from "../../errors.ts";
import { findCluster, type KubeconfigOptions } from "./kubeconfig.ts";
import type { ContainerKind, ContainerState, Pod, PodContainer } from "./pod.ts";
import { fullName, podSelector, type WorkloadType } from "./workload.ts";

/** A token that an API server has made. */
export interface IssuedToken {
  /** A secret. */
  token: string;
  /** How long it is good for, from when it was asked for. */
  lifetimeSeconds: number;
}

/** Which cluster, and how it is asked. */
export interface ClusterOptions extends KubeconfigOptions {
  /** How long an answer is waited for; 0 for as long as it takes. Default: 10. */
  requestTimeoutSeconds?: number;
  /** Hears of each request. */
  onRequest?: (request: SentRequest) => void;
}

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
   * Lists a namespace's pods that selectors fit, in as many requests as there are pages of them.
   * Rejects with a `CliError`.
   */
  selectPods(namespace: string, selectors: PodSelectors): Promise<Pod[]>;
  /**
   * Gets which pods are a workload's, as a label selector. Rejects with a `CliError`; one that
   * selects none is such an error, too (exit status 3).
   */
  readSelector(namespace: string, workload: WorkloadType, name: string): Promise<string>;
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

/** As the API takes them; what is not there fits all pods. */
export interface PodSelectors {
  /** Labels, such as `app=web,tier!=cache`. */
  label?: string;
  /** Fields, such as `spec.nodeName=node1`. */
  field?: string;
}

const REQUEST_TIMEOUT_SECONDS = 10;

/** How many objects are asked for at once; kubectl's. */
const PAGE_SIZE = 500;

/**
 * Finds the cluster that a user means, as kubectl does: see `findCluster`, whose errors it throws.
 * `signal` ends its requests, but those that have one of their own.
 */
export async function openCluster(options: ClusterOptions, signal?: AbortSignal): Promise<Cluster> {
  const access = await findCluster(options);
  const { server, origin, defaultNamespace } = access;
  const { requestTimeoutSeconds = REQUEST_TIMEOUT_SECONDS } = options;
  const sendToApi = await connectToApi(access, options.onRequest);
  const attempt = async <T>(request: JsonRequest, gaveUp = signal): Promise<ApiResult<T>> => {
    const ends = [gaveUp].filter((signal) => !!signal);
    const timeout = requestTimeoutSeconds > 0
      ? AbortSignal.timeout(requestTimeoutSeconds * 1000)
      : undefined;
    const result = await sendToApi<T>(
      request,
      AbortSignal.any(timeout ? [...ends, timeout] : ends),
    );
    if ("answer" in result) return result;
    if (gaveUp?.aborted) throw interrupted();
    if (!timeout?.aborted) return result;
    const words = `no answer within ${formatDuration(requestTimeoutSeconds)} (--request-timeout)`;
    return { failure: { noAnswer: new Error(words) } };
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
  /** Lists all objects, page by page. */
  const listAll = async <T>(
    words: Omit<ApiRequest, "server" | "origin">,
    path: string,
    selectors: Record<string, string> = {},
  ): Promise<T[]> => {
    const objects: T[] = [];
    let position: Record<string, string> = { limit: `${PAGE_SIZE}` };
    for (;;) {
      const query = new URLSearchParams({ ...selectors, ...position });
      const result = await attempt<Page<T>>({ method: "GET", path: `${path}?${query}` });
      if ("answer" in result) {
        const { items, metadata } = result.answer;
        objects.push(...items);
        if (!metadata?.continue) return objects;
        position = { limit: `${PAGE_SIZE}`, continue: metadata.continue };
      } else if ("continue" in position && hasStatus(result, HTTP_GONE)) {
        // The server has forgotten the list that the pages are of: all of it at once, then.
        objects.length = 0;
        position = {};
      } else throw describeApiFailure({ server, origin, ...words }, result.failure);
    }
  };
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
    selectPods: async (namespace, { label, field }) => {
      const pods = await listAll<ApiPod>(
        { verb: "list", resource: "pods", namespace },
        pathOf(namespace, "pods"),
        { ...label && { labelSelector: label }, ...field && { fieldSelector: field } },
      );
      return pods.map(toPod);
    },
    readSelector: async (namespace, workload, name) => {
      const { resource, apiGroup } = workload;
      const { spec } = await send<{ spec?: { selector?: unknown } }>(
        { verb: "get", resource, apiGroup, namespace, name },
        { method: "GET", path: pathIn(apiGroup, namespace, resource, name) },
      );
      const selector = podSelector(workload, spec?.selector);
      if (selector !== undefined) return selector;
      throw new CliError(
        ExitStatus.NOT_FOUND,
        `${fullName(workload)} ${namespace}/${name} has no selector, and so no pods`,
      );
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
      if (hasStatus(result, HTTP_FORBIDDEN)) return undefined;
      const { verb, namespace } = access;
      throw describeApiFailure(
        { server, origin, verb, resource: access.resource, namespace },
        result.failure,
      );
    },
    listNodeNames: async () => {
      try {
        const words = { verb: "list", resource: "nodes", namespace: "" } as const;
        const nodes = await listAll<{ metadata: { name: string } }>(words, "/api/v1/nodes");
        return nodes.map(({ metadata }) => metadata.name);
      } catch (error) {
        if (error instanceof CliError && error.exitStatus === ExitStatus.NOT_ALLOWED) return;
        throw error;
      }
    },
  };
}

/** The path of a namespace's objects of the core group, or of one. */
function pathOf(namespace: string, ...parts: string[]): string {
  return pathIn("", namespace, ...parts);
}

/** The path of a namespace's objects, or of one. */
export function pathIn(apiGroup: string, namespace: string, ...parts: string[]): string {
  const root = apiGroup === "" ? "/api" : `/apis/${apiGroup}`;
  return [`${root}/v1/namespaces`, ...[namespace, ...parts].map(encodeURIComponent)].join("/");
}

/** Objects of a list, and where the next are. */
interface Page<T> {
  metadata?: { continue?: string };
  items: T[];
}

const HTTP_FORBIDDEN = 403;
/** A list's next page cannot be had any more. */
const HTTP_GONE = 410;

function hasStatus(result: ApiResult<unknown>, httpStatus: number): boolean {
  return "failure" in result && "httpStatus" in result.failure &&
    result.failure.httpStatus === httpStatus;
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
      id: stripRuntime(status?.containerID ?? "") || undefined,
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
