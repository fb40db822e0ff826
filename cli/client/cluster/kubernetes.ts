import type { Duplex } from "node:stream";
import { type ConfigurationOptions, Observable } from "@kubernetes/client-node";
import { type ApiFailure, type ApiRequest, describeApiFailure } from "./api_failure.ts";
import { misanswered, openApiClient, type SentRequest } from "./api_client.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { findCluster, type KubeconfigOptions } from "./kubeconfig.ts";
import type { Pod } from "./pod.ts";
import type { PodPort } from "./port_forward.ts";
import { readWorkload } from "./read_workload.ts";
import {
  serviceAccountGroups,
  serviceAccountUser,
  type TokenRights,
  toTokenRights,
} from "./service_accounts.ts";
import { toPod } from "./to_pod.ts";
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
   * Gets which pods are a workload's, as a label selector. Rejects with a `CliError`, also for
   * a selector that selects none (exit status 3).
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
   * Asks whether something may be done: by the caller, or by `user`, with the groups that it has if
   * it is a service account. `undefined` when the caller may not ask that of others. Rejects with a
   * `CliError` when there is no answer.
   */
  mayAccess(access: ResourceAccess, user?: string): Promise<boolean | undefined>;
  /**
   * Asks whether a service account of the same namespace may do something, in one of two ways: with
   * an access review, or with one that the caller makes as that account (impersonation; the
   * built-in ClusterRole `edit` has that right and not the other). `undefined` when the caller may
   * do neither. Rejects with a `CliError` when there is no answer.
   */
  mayServiceAccountAccess(access: ResourceAccess, name: string): Promise<boolean | undefined>;
  /**
   * Asks of which service accounts of a namespace the caller may request tokens. Rejects with a
   * `CliError`.
   */
  readTokenRights(namespace: string): Promise<TokenRights>;
  /**
   * Lists the names of a namespace's first service accounts, by name, at most `limit` of them;
   * `undefined` when the caller may not. Rejects with a `CliError`.
   */
  listServiceAccounts(namespace: string, limit: number): Promise<string[] | undefined>;
  /**
   * Connects to a port of a pod through the API server. Rejects with a `CliError`; what ends the
   * connection later is the stream's error.
   */
  forwardPort(port: PodPort, signal?: AbortSignal): Promise<Duplex>;
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

/**
 * Whether an answer's objects are there, as they are unless something else answers for the API
 * server.
 */
function areObjects(objects: unknown): boolean {
  return Array.isArray(objects) &&
    objects.every((object) => typeof object?.metadata?.name === "string");
}

const REQUEST_TIMEOUT_SECONDS = 10;

/** How many objects are asked for at once; kubectl's. */
const PAGE_SIZE = 500;

/**
 * Finds the cluster that a user means, as kubectl does: see `findCluster`, whose errors it throws.
 * `signal` ends its requests, but those that have one of their own.
 */
export async function openCluster(options: ClusterOptions, signal?: AbortSignal): Promise<Cluster> {
  const connection = await findCluster(options);
  const { server, origin, defaultNamespace } = connection;
  const { requestTimeoutSeconds = REQUEST_TIMEOUT_SECONDS, onRequest } = options;
  const client = openApiClient(connection, { requestTimeoutSeconds, onRequest, signal });
  const { core, authorization } = client;
  const fail = (words: RequestWords, { failure }: { failure: ApiFailure }) =>
    describeApiFailure({ server, origin, ...words }, failure);
  const send = async <T>(words: RequestWords, call: Call<T>, own?: AbortSignal): Promise<T> => {
    const result = await client.call(call, own);
    if ("answer" in result) return result.answer;
    throw fail(words, result);
  };
  const failMisanswered = (words: RequestWords) =>
    fail(words, { failure: { noAnswer: misanswered() } });
  type ReviewCall = Call<{ status?: { allowed: boolean } }>;
  /** Gives an access review's answer; `undefined` when it is not the caller's to ask. */
  const review = async (access: ResourceAccess, call: ReviewCall) => {
    const result = await client.call(call);
    if ("answer" in result) return result.answer.status?.allowed ?? false;
    if (hasStatus(result, HTTP_FORBIDDEN)) return undefined;
    const { verb, namespace, resource } = access;
    throw fail({ verb, resource, namespace }, result);
  };
  const reviewSelf = (access: ResourceAccess, acting: ConfigurationOptions = {}) =>
    review(access, (options) =>
      authorization.createSelfSubjectAccessReview({
        body: {
          apiVersion: `${AUTHORIZATION}/v1`,
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: access },
        },
      }, { ...options, ...acting }));
  const reviewUser = (access: ResourceAccess, user: string) => {
    const { namespace } = access;
    return review(access, (options) =>
      // A right in the namespace, which its administrators have: SubjectAccessReviews are for the
      // cluster's.
      authorization.createNamespacedLocalSubjectAccessReview({
        namespace,
        body: {
          apiVersion: `${AUTHORIZATION}/v1`,
          kind: "LocalSubjectAccessReview",
          metadata: { namespace },
          spec: { resourceAttributes: access, user, groups: serviceAccountGroups(user) },
        },
      }, options));
  };
  /** Lists all objects, page by page. */
  const listAll = async <T>(
    words: RequestWords,
    list: (position: Position, options: ConfigurationOptions) => Promise<Page<T>>,
  ): Promise<T[]> => {
    const objects: T[] = [];
    let position: Position = { limit: PAGE_SIZE };
    for (;;) {
      const result = await client.call((options) => list(position, options));
      if ("answer" in result) {
        const { items, metadata } = result.answer;
        if (!areObjects(items)) throw failMisanswered(words);
        objects.push(...items);
        if (!metadata?._continue) return objects;
        position = { limit: PAGE_SIZE, _continue: metadata._continue };
      } else if (position._continue !== undefined && hasStatus(result, HTTP_GONE)) {
        // The server has forgotten the list that the pages are of: all of it at once, then.
        objects.length = 0;
        position = {};
      } else throw fail(words, result);
    }
  };
  return {
    origin,
    defaultNamespace,
    readPod: async (namespace, name) => {
      const words: RequestWords = { verb: "get", resource: "pods", namespace, name };
      const pod = await send(
        words,
        (options) => core.readNamespacedPod({ namespace, name }, options),
      );
      if (!areObjects([pod])) throw failMisanswered(words);
      return toPod(pod);
    },
    listPods: async (namespace, { label, nodeName, fresh = false }) => {
      const words: RequestWords = { verb: "list", resource: "pods", namespace };
      const { items } = await send(
        words,
        (options) =>
          core.listNamespacedPod({
            namespace,
            labelSelector: label,
            fieldSelector: `spec.nodeName=${nodeName}`,
            // From the API server's cache, which has an index of nodes.
            ...fresh ? {} : { resourceVersion: "0" },
          }, options),
      );
      if (!areObjects(items)) throw failMisanswered(words);
      return items.map(toPod);
    },
    selectPods: async (namespace, { label: labelSelector, field: fieldSelector }) => {
      const pods = await listAll(
        { verb: "list", resource: "pods", namespace },
        (position, options) =>
          core.listNamespacedPod(
            { namespace, labelSelector, fieldSelector, ...position },
            options,
          ),
      );
      return pods.map(toPod);
    },
    readSelector: async (namespace, workload, name) => {
      const { resource, apiGroup } = workload;
      const { spec } = await send(
        { verb: "get", resource, apiGroup, namespace, name },
        (options) => readWorkload(client, workload, { namespace, name }, options),
      );
      const selector = podSelector(workload, spec?.selector);
      if (selector !== undefined) return selector;
      throw new CliError(
        ExitStatus.NOT_FOUND,
        `${fullName(workload)} ${namespace}/${name} has no selector, and so no pods`,
      );
    },
    readConfigMapKey: async (namespace, name, key) => {
      const result = await client.call((options) =>
        core.readNamespacedConfigMap({ namespace, name }, options)
      );
      if ("answer" in result) return { text: result.answer.data?.[key] ?? "" };
      if (hasStatus(result, HTTP_NOT_FOUND)) {
        return { missing: `there is no ConfigMap ${namespace}/${name}` };
      }
      if (hasStatus(result, HTTP_FORBIDDEN)) {
        return { missing: `ConfigMap ${namespace}/${name} may not be read with ${origin}` };
      }
      throw fail({ verb: "get", resource: "configmaps", namespace, name }, result);
    },
    requestToken: async (namespace, serviceAccount, wanted, ownSignal) => {
      const { status, spec: granted } = await send(
        { verb: "create", resource: "serviceaccounts/token", namespace, name: serviceAccount },
        (options) =>
          core.createNamespacedServiceAccountToken({
            namespace,
            name: serviceAccount,
            body: {
              apiVersion: "authentication.k8s.io/v1",
              kind: "TokenRequest",
              spec: { audiences: [wanted.audience], expirationSeconds: wanted.lifetimeSeconds },
            },
          }, options),
        ownSignal,
      );
      if (!status?.token) {
        throw new CliError(ExitStatus.OTHER, `the API server ${server} made no token`);
      }
      return {
        token: status.token,
        // An API server may have its own idea of how long tokens are good for.
        lifetimeSeconds: granted?.expirationSeconds ?? wanted.lifetimeSeconds,
      };
    },
    mayAccess: (access, user) => user === undefined ? reviewSelf(access) : reviewUser(access, user),
    mayServiceAccountAccess: async (access, name) => {
      const user = serviceAccountUser(access.namespace, name);
      const allowed = await reviewUser(access, user);
      // A user who is impersonating already cannot impersonate a third.
      if (allowed !== undefined || connection.impersonation.length > 0) return allowed;
      return await reviewSelf(access, actAs(user));
    },
    readTokenRights: async (namespace) => {
      const { status } = await send(
        { verb: "create", resource: "selfsubjectrulesreviews", apiGroup: AUTHORIZATION, namespace },
        (options) =>
          authorization.createSelfSubjectRulesReview({
            body: {
              apiVersion: `${AUTHORIZATION}/v1`,
              kind: "SelfSubjectRulesReview",
              spec: { namespace },
            },
          }, options),
      );
      return toTokenRights(status ?? { resourceRules: [], incomplete: false });
    },
    listServiceAccounts: (namespace, limit) =>
      unlessForbidden(async () => {
        const { items } = await send(
          { verb: "list", resource: "serviceaccounts", namespace },
          (options) => core.listNamespacedServiceAccount({ namespace, limit }, options),
        );
        return items.map(({ metadata }) => metadata?.name ?? "").sort();
      }),
    forwardPort: async (port, own) => {
      const result = await client.forwardPort(port, own);
      if ("answer" in result) return result.answer;
      const { namespace, pod: name } = port;
      throw fail({ verb: "create", resource: "pods/portforward", namespace, name }, result);
    },
    listNodeNames: () =>
      unlessForbidden(async () => {
        const nodes = await listAll(
          { verb: "list", resource: "nodes", namespace: "" },
          (position, options) => core.listNode(position, options),
        );
        return nodes.map(({ metadata }) => metadata?.name ?? "");
      }),
  };
}

/** What `read` gives; `undefined` when the caller is not allowed to read it. */
async function unlessForbidden<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CliError && error.exitStatus === ExitStatus.NOT_ALLOWED) return;
    throw error;
  }
}

/** Has one request made as another user. */
function actAs(user: string): ConfigurationOptions {
  return {
    middleware: [{
      pre(context) {
        context.setHeaderParam("Impersonate-User", user);
        return new Observable(Promise.resolve(context));
      },
      post: (context) => new Observable(Promise.resolve(context)),
    }],
  };
}

/** What messages say of a request. */
type RequestWords = Omit<ApiRequest, "server" | "origin">;

type Call<T> = (options: ConfigurationOptions) => Promise<T>;

/** Where a page of a list starts, and how long it is. */
interface Position {
  limit?: number;
  _continue?: string;
}

/** Objects of a list, and where the next are. */
interface Page<T> {
  metadata?: { _continue?: string };
  items: T[];
}

/** The API group of access reviews. */
const AUTHORIZATION = "authorization.k8s.io";

const HTTP_FORBIDDEN = 403;
const HTTP_NOT_FOUND = 404;
/** A list's next page cannot be had any more. */
const HTTP_GONE = 410;

function hasStatus(result: { failure: ApiFailure }, httpStatus: number): boolean {
  return "httpStatus" in result.failure && result.failure.httpStatus === httpStatus;
}
