import http from "node:http";
import https from "node:https";
import type { ApiFailure } from "./api_failure.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

/** A request for an API server. */
export interface JsonRequest {
  method: "GET" | "POST";
  /** With the query. */
  path: string;
  body?: unknown;
  /** The form of the answer, with its encoding, JSON. Default: the object as it is. */
  accept?: string;
}

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
export type ApiResult<T> = { answer: T } | { failure: ApiFailure };

/** Sends requests to an API server, on connections that are used again. */
export type SendToApi = <T>(request: JsonRequest, signal: AbortSignal) => Promise<ApiResult<T>>;

/** A list of one node's daemon pods, or one pod, is some KB; etcd takes objects of 1.5 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Prepares to send requests to a cluster's API server; nothing is sent yet.
 *
 * Over `node:https`, not `fetch`, which knows neither another name for the server's certificate nor
 * a server whose certificate is not checked.
 */
export async function connectToApi(
  access: ClusterAccess,
  onRequest?: (request: SentRequest) => void,
): Promise<SendToApi> {
  const agent = await agentFor(access);
  return async <T>(
    { method, path, body, accept = "application/json" }: JsonRequest,
    signal: AbortSignal,
  ) => {
    const url = new URL(access.server.replace(/\/$/, "") + path);
    const startedAt = performance.now();
    const sent = (outcome: string) =>
      onRequest?.({
        method,
        url: url.origin + url.pathname + url.search,
        outcome,
        milliseconds: Math.round(performance.now() - startedAt),
      });
    try {
      const { httpStatus, reason, text } = await exchange(
        url,
        {
          method,
          agent,
          headers: {
            ...access.headers,
            accept,
            ...body !== undefined && { "content-type": "application/json" },
          },
          signal,
        },
        body === undefined ? undefined : JSON.stringify(body),
      );
      sent(`${httpStatus} ${reason}`.trimEnd());
      if (httpStatus >= 200 && httpStatus < 300) return { answer: JSON.parse(text) as T };
      return { failure: { httpStatus, message: messageOf(text) } };
    } catch (error) {
      const noAnswer = signal.aborted ? signal.reason : error;
      sent(`no answer (${noAnswer.message})`);
      return { failure: { noAnswer } };
    }
  };
}

/** What a proxy takes is loaded for those who have one only. */
async function agentFor({ server, proxy, tls }: ClusterAccess): Promise<http.Agent> {
  const encrypted = !isPlain(server);
  const options = { keepAlive: true, ...tls };
  if (proxy === undefined) return encrypted ? new https.Agent(options) : new http.Agent(options);
  if (proxy.startsWith("socks")) {
    const { SocksProxyAgent } = await import("./socks_proxy.ts");
    return new SocksProxyAgent(proxy, options);
  }
  const { HttpProxyAgent, HttpsProxyAgent } = await import("hpagent");
  return encrypted
    ? new HttpsProxyAgent({ proxy, ...options })
    : new HttpProxyAgent({ proxy, ...options });
}

/** Whether a server speaks without TLS, as `kubectl proxy` does. */
function isPlain(server: string): boolean {
  return new URL(server).protocol === "http:";
}

interface HttpAnswer {
  httpStatus: number;
  /** The words beside the number. */
  reason: string;
  text: string;
}

/** Sends one request and reads the whole answer. */
async function exchange(
  url: URL,
  options: https.RequestOptions,
  body?: string,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const { request: send } = isPlain(url.href) ? http : https;
  const request = send(url, options, async (response) => {
    try {
      let text = "";
      response.setEncoding("utf8");
      for await (const chunk of response) {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) throw new Error("its answer is too large");
      }
      resolve({ httpStatus: response.statusCode!, reason: response.statusMessage ?? "", text });
    } catch (error) {
      request.destroy();
      reject(error);
    }
  });
  request.on("error", reject);
  request.end(body);
  return await promise;
}

/** The words of a `Status`. */
function messageOf(text: string): string {
  try {
    return String(JSON.parse(text).message ?? "");
  } catch {
    return "";
  }
}
