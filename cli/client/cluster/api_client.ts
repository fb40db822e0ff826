import {
  ApiException,
  AppsV1Api,
  AuthorizationV1Api,
  BatchV1Api,
  type Configuration,
  type ConfigurationOptions,
  CoreV1Api,
  createConfiguration,
  IsomorphicFetchHttpLibrary,
  type RequestContext,
  ServerConfiguration,
  wrapHttpLibrary,
} from "@kubernetes/client-node";
import type { RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { formatDuration } from "../../../proto/duration.ts";
import { VERSION } from "../../../version.ts";
import { CliError, interrupted } from "../../errors.ts";
import type { ApiFailure } from "./api_failure.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import { KubectlConfig } from "./kubectl_config.ts";
import type { PodPort } from "./port_forward.ts";

/** A request that was sent, and what became of it, for those who watch. */
export interface SentRequest {
  /** HTTP's. */
  method: string;
  /** Without user and password. */
  url: string;
  /** For example `200 OK`, or why there was no answer. */
  outcome: string;
  /** From its start to the end of the answer. */
  milliseconds: number;
}

/** What an API server answers, or why it does not. */
type ApiResult<T> = { answer: T } | { failure: ApiFailure };

/** How requests are sent. */
interface ApiClientOptions {
  /** How long an answer is waited for; 0 for as long as it takes. */
  requestTimeoutSeconds: number;
  /** Hears of each request. */
  onRequest?: (request: SentRequest) => void;
  /** Ends every request that has no signal of its own. */
  signal?: AbortSignal;
}

/** The typed API calls of client-node, and what they have in common. */
export interface ApiClient {
  core: CoreV1Api;
  apps: AppsV1Api;
  batch: BatchV1Api;
  authorization: AuthorizationV1Api;
  /**
   * Makes a call, which has to pass `options` on. Rejects with a `CliError` when there are no
   * credentials (exit status 2 or 4) or a signal aborts (130).
   */
  call<T>(
    call: (options: ConfigurationOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<ApiResult<T>>;
  /**
   * Makes a call that lists objects, and answers with the rows that `kubectl get` would print, by
   * the names of their columns: 280 bytes of a pod. Rejects as `call` does.
   */
  callForTable(
    call: (options: ConfigurationOptions) => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<ApiResult<Record<string, string>[]>>;
  /**
   * Connects to a port of a pod, through the API server and the kubelet. Rejects as `call` does;
   * what ends the connection later is the stream's error.
   */
  forwardPort(port: PodPort, signal?: AbortSignal): Promise<ApiResult<Duplex>>;
}

/** The form of an answer that has the columns of `kubectl get`. */
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

/** A `meta.k8s.io/v1` `Table`, as far as it is read here. */
interface Table {
  columnDefinitions?: { name: string }[];
  rows?: { cells: unknown[] }[];
}

/** What is said of an answer that no API server gives, but something else in its place may. */
export function misanswered(): Error {
  return new Error("its answer is not what was asked for");
}

/** Prepares calls to a cluster's API server; nothing is sent yet. */
export function openApiClient(access: ClusterAccess, options: ApiClientOptions): ApiClient {
  const config = new KubectlConfig(access);
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(config.getCurrentCluster()!.server, {}),
    authMethods: { default: config },
  });
  const { requestTimeoutSeconds, onRequest } = options;
  const attempt = async <T>(
    call: (options: ConfigurationOptions) => Promise<T>,
    gaveUp?: AbortSignal,
    onBody?: (text: string) => void,
  ): Promise<Attempt<T>> => {
    const sending: Sending = { requestTimeoutSeconds, gaveUp };
    try {
      const answer = await call({ httpApi: watched(sending, onRequest, onBody) });
      return { result: { answer } };
    } catch (error) {
      if (error instanceof ApiException) {
        const failure = { httpStatus: error.code, message: messageOf(error.body) };
        return { result: { failure }, sentAtMs: sending.sentAtMs };
      }
      if (gaveUp?.aborted) throw interrupted();
      if (error instanceof CliError) throw error;
      const noAnswer = sending.timeout?.aborted
        ? new Error(
          `no answer within ${formatDuration(requestTimeoutSeconds)} (--request-timeout)`,
        )
        : sending.isAnswered
        ? misanswered()
        : error;
      return { result: { failure: { noAnswer } } };
    }
  };
  const make = <T>(Api: new (configuration: Configuration) => T) => new Api(configuration);
  const call: ApiClient["call"] = (call, signal = options.signal) =>
    repeatRefused(() => attempt(call, signal));
  const repeatRefused = async <T>(attempt: () => Promise<Attempt<T>>): Promise<ApiResult<T>> => {
    const { result, sentAtMs } = await attempt();
    const refused = "failure" in result && "httpStatus" in result.failure &&
      result.failure.httpStatus === 401 && sentAtMs !== undefined && config.refused(sentAtMs);
    return refused ? (await attempt()).result : result;
  };
  return {
    core: make(CoreV1Api),
    apps: make(AppsV1Api),
    batch: make(BatchV1Api),
    authorization: make(AuthorizationV1Api),
    call,
    async callForTable(call, signal = options.signal) {
      let body = "";
      const result = await repeatRefused(() => attempt(call, signal, (text) => body = text));
      if ("failure" in result) return result;
      try {
        return { answer: toRows(JSON.parse(body) as Table) };
      } catch {
        return { failure: { noAnswer: misanswered() } };
      }
    },
    async forwardPort(port, signal = options.signal) {
      const { openPortForward, portForwardPath } = await import("./port_forward.ts");
      const url = `${config.getCurrentCluster()!.server}${portForwardPath(port)}`;
      const attempt = async (): Promise<Attempt<Duplex>> => {
        const request: RequestOptions = {};
        await config.applyToHTTPSOptions(request);
        if (signal?.aborted) throw interrupted();
        const startedAt = performance.now();
        const result = await openPortForward(url, { request, requestTimeoutSeconds, signal });
        const milliseconds = Math.round(performance.now() - startedAt);
        onRequest?.({ method: "GET", url, outcome: describeOutcome(result), milliseconds });
        if (signal?.aborted) throw interrupted();
        return {
          result: "stream" in result ? { answer: result.stream } : result,
          sentAtMs: startedAt,
        };
      };
      return await repeatRefused(attempt);
    },
  };
}

/** What came of sending a request once. */
interface Attempt<T> {
  result: ApiResult<T>;
  /** The moment of `performance.now()` when a request was sent that has an answer. */
  sentAtMs?: number;
}

/** A request on its way. */
interface Sending {
  /** 0 for as long as it takes. */
  requestTimeoutSeconds: number;
  /** Aborts when its caller does not want it any more. */
  gaveUp?: AbortSignal;
  /** When it was sent: a user who logs in before takes time that is none of the request's. */
  sentAtMs?: number;
  /** Whether all of an answer has come that is a success and a JSON object. */
  isAnswered?: boolean;
  /** Aborts when it has had no answer for too long since. */
  timeout?: AbortSignal;
}

/**
 * client-node's own way to send requests, which it does with undici's fetch, with a signal and a
 * log.
 */
function watched(
  sending: Sending,
  onRequest?: (request: SentRequest) => void,
  onBody?: (text: string) => void,
) {
  const fetching = new IsomorphicFetchHttpLibrary();
  return wrapHttpLibrary({
    async send(request: RequestContext) {
      const url = new URL(request.getUrl());
      request.setHeaderParam("User-Agent", `necoperf-client/${VERSION}`);
      if (onBody) request.setHeaderParam("Accept", TABLE);
      const { requestTimeoutSeconds, gaveUp } = sending;
      const startedAt = sending.sentAtMs = performance.now();
      if (requestTimeoutSeconds > 0) {
        sending.timeout = AbortSignal.timeout(requestTimeoutSeconds * 1000);
      }
      const ends = [gaveUp, sending.timeout].filter((each) => each !== undefined);
      const signal = AbortSignal.any(ends);
      request.setSignal(signal);
      const sent = (outcome: string) =>
        onRequest?.({
          method: request.getHttpMethod(),
          url: url.origin + url.pathname + url.search,
          outcome,
          milliseconds: Math.round(performance.now() - startedAt),
        });
      try {
        const response = await fetching.send(request).toPromise();
        const { httpStatusCode } = response;
        const text = await readText(response.body.stream(), signal);
        response.body.text = () => Promise.resolve(text);
        if (httpStatusCode < 300) {
          if (!/^\s*\{/.test(text)) throw new Error("its answer is not a JSON object");
          onBody?.(text);
          sending.isAnswered = true;
        }
        sent(describeStatus(httpStatusCode));
        return response;
      } catch (error) {
        sent(`no answer (${((signal.aborted ? signal.reason : error) as Error).message})`);
        throw error;
      }
    },
  });
}

/** A list of one node's daemon pods, or one pod, is some KB; etcd takes objects of 1.5 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Reads a whole answer. Rejects when it is larger than any of an API server that means well, and
 * when the signal aborts: undici lets what comes slowly go on.
 */
async function readText(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return text + decoder.decode();
      sizeBytes += value.length;
      if (sizeBytes > MAX_ANSWER_BYTES) throw new Error("its answer is too large");
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

function toRows({ columnDefinitions = [], rows }: Table): Record<string, string>[] {
  return (rows ?? []).map(({ cells }) =>
    Object.fromEntries(columnDefinitions.map(({ name }, index) => [name, `${cells[index]}`]))
  );
}

/** What became of the request for a port. */
function describeOutcome(result: { failure: ApiFailure } | { stream: Duplex }): string {
  if ("stream" in result) return describeStatus(101);
  const { failure } = result;
  return "httpStatus" in failure
    ? describeStatus(failure.httpStatus)
    : `no answer (${(failure.noAnswer as Error).message})`;
}

function describeStatus(httpStatus: number): string {
  return `${httpStatus} ${STATUS_TEXTS[httpStatus] ?? ""}`.trimEnd();
}

/**
 * Words of the HTTP statuses that an API server answers with: client-node keeps the number alone.
 */
const STATUS_TEXTS: Record<number, string> = {
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  202: "Accepted",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  422: "Unprocessable Entity",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** The words of a `Status`. */
function messageOf(body: unknown): string {
  try {
    const status = typeof body === "string" ? JSON.parse(body) : body;
    return String(status?.message ?? "");
  } catch {
    return "";
  }
}
