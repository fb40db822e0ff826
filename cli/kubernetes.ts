import type { CoreV1Api, V1Container, V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { type ApiFailure, type ApiRequest, describeApiFailure } from "./api_failure.ts";
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
  /** Lists a namespace's pods on one node that have a label. Rejects with a `CliError`. */
  listPods(
    namespace: string,
    selectors: { label: string; nodeName: string },
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
}

const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Finds the cluster that a user means, as kubectl does: see `findCluster`, whose errors it throws.
 * `signal` ends its requests, but those that have one of their own.
 */
export async function openCluster(options: ClusterOptions, signal?: AbortSignal): Promise<Cluster> {
  const { config, server, origin, defaultNamespace } = await findCluster(options);
  const { CoreV1Api, createConfiguration, ServerConfiguration } = await import(
    "@kubernetes/client-node"
  );
  /** Sends one request; `failure` is what there is instead of an answer. */
  const attempt = async <T>(
    call: (api: CoreV1Api) => Promise<T>,
    gaveUp = signal,
  ): Promise<{ answer: T } | { failure: ApiFailure }> => {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const ends = gaveUp ? AbortSignal.any([gaveUp, timeout]) : timeout;
    const api = new CoreV1Api(createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: config },
      promiseMiddleware: [{
        pre: (context) => {
          context.setSignal(ends);
          return Promise.resolve(context);
        },
        post: (context) => Promise.resolve(context),
      }],
    }));
    try {
      return { answer: await call(api) };
    } catch (error) {
      if (gaveUp?.aborted) throw interrupted();
      return { failure: toApiFailure(error, ends) };
    }
  };
  const send = async <T>(
    request: Omit<ApiRequest, "server" | "origin">,
    call: (api: CoreV1Api) => Promise<T>,
    gaveUp?: AbortSignal,
  ): Promise<T> => {
    const result = await attempt(call, gaveUp);
    if ("answer" in result) return result.answer;
    throw describeApiFailure({ server, origin, ...request }, result.failure);
  };
  return {
    origin,
    defaultNamespace,
    readPod: async (namespace, name) =>
      toPod(
        await send(
          { verb: "get", resource: "pods", namespace, name },
          (api) => api.readNamespacedPod({ namespace, name }),
        ),
      ),
    listPods: async (namespace, { label, nodeName }) => {
      const list = await send(
        { verb: "list", resource: "pods", namespace },
        (api) =>
          api.listNamespacedPod({
            namespace,
            labelSelector: label,
            fieldSelector: `spec.nodeName=${nodeName}`,
          }),
      );
      return list.items.map(toPod);
    },
    readConfigMapKey: async (namespace, name, key) => {
      const result = await attempt((api) => api.readNamespacedConfigMap({ namespace, name }));
      if ("answer" in result) return { text: result.answer.data?.[key] ?? "" };
      const { failure } = result;
      const httpStatus = "httpStatus" in failure ? failure.httpStatus : undefined;
      if (httpStatus === 404) return { missing: `there is no ConfigMap ${namespace}/${name}` };
      if (httpStatus === 403) {
        return { missing: `ConfigMap ${namespace}/${name} may not be read with ${origin}` };
      }
      const request = { verb: "get", resource: "configmaps", namespace, name } as const;
      throw describeApiFailure({ server, origin, ...request }, failure);
    },
    requestToken: async (namespace, serviceAccount, spec, ownSignal) => {
      const { status, spec: granted } = await send(
        { verb: "create", resource: "serviceaccounts/token", namespace, name: serviceAccount },
        (api) =>
          api.createNamespacedServiceAccountToken({
            namespace,
            name: serviceAccount,
            body: {
              spec: { audiences: [spec.audience], expirationSeconds: spec.lifetimeSeconds },
            },
          }),
        ownSignal,
      );
      if (!status) {
        throw new CliError(ExitStatus.OTHER, `the API server ${server} made no token`);
      }
      return {
        token: status.token,
        // An API server may have its own idea of how long tokens are good for.
        lifetimeSeconds: granted.expirationSeconds ?? spec.lifetimeSeconds,
      };
    },
  };
}

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
  containers: Pick<V1Container, "name" | "ports">[] = [],
  statuses: V1ContainerStatus[] = [],
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

function toState(state: V1ContainerStatus["state"]): ContainerState {
  if (state?.running) return { is: "running" };
  if (state?.terminated) {
    const { reason, exitCode } = state.terminated;
    return { is: "terminated", reason, exitCode };
  }
  return { is: "waiting", reason: state?.waiting?.reason, message: state?.waiting?.message };
}

function toApiFailure(error: unknown, ends: AbortSignal): ApiFailure {
  if (error instanceof Error && "code" in error && typeof error.code === "number") {
    return { httpStatus: error.code, message: serverMessage(error) };
  }
  if (ends.aborted) {
    return { noAnswer: new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`) };
  }
  return { noAnswer: error };
}

/** The words of the `Status` object that the API server answers with. */
function serverMessage(error: Error): string {
  const body = "body" in error ? error.body : undefined;
  try {
    const status = typeof body === "string" ? JSON.parse(body) : body;
    return typeof status?.message === "string" ? status.message : "";
  } catch {
    return "";
  }
}
