/**
 * The Kubernetes API server, as far as the daemon asks it anything. The only module that knows it.
 *
 * Not through `@kubernetes/client-node`, which takes 35 MB more on every node, and keeps lists of
 * pods whole: see docs/decisions/client-node.md.
 *
 * @module
 */
import type { Caller } from "../caller.ts";
import { JsonItems } from "./json_items.ts";
import { type ApiPod, type NodePod, toNodePod } from "./node_pod.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/** What an access review asks: may this be created? */
export interface AccessQuestion {
  /** `profiles`, or `profiles/kernel` for what the kernel does. */
  resource: "profiles" | "profiles/kernel";
  /** Empty: in every namespace. */
  namespace: string;
  /** The pod's name; empty: any. */
  name: string;
}

/** The API server. All rejections are `UNAVAILABLE` `StatusError`s that hold no secret. */
export interface KubernetesApi {
  /** Who a token stands for; undefined when it is not good for the audience. */
  reviewToken(token: string, audience: string): Promise<Caller | undefined>;

  /** Whether a user may do what is asked. */
  reviewAccess(caller: Caller, question: AccessQuestion): Promise<boolean>;

  /** The pods of a node. */
  podsOfNode(nodeName: string): Promise<NodePod[]>;
}

/** Where the API server is, and what shows it who asks. */
interface KubernetesApiOptions {
  /** `https://host:port`. */
  server: string;
  /** Holds `token` and `ca.crt`, which change while the daemon runs. */
  serviceAccountDir: string;
  /** How long an answer may take, and when it has not come, another to the same question. */
  deadlinesMs?: readonly number[];
}

/** The API group of the resources whose creation stands for profiling. */
export const API_GROUP = "necoperf.cybozu.io";

/** The second is for a node, or an API server, that is too busy for the first. */
const DEADLINES_MS = [5_000, 10_000];
/** How long it waits before it asks again, at most, where the API server says how long. */
const MAX_PAUSE_MS = 2_000;
/** A review is some KB. */
const MAX_ANSWER_BYTES = 1 << 20;
/** etcd takes 1.5 MB by default. */
const MAX_POD_BYTES = 4 << 20;
/**
 * A node has a few hundred pods of some ten KB. Tenants decide how large they are: pods go by one
 * after the other, and this many bytes are not what keeps everyone from profiling.
 */
const MAX_PODS_BYTES = 1 << 30;

/** Connects when it is asked first. */
export function connectKubernetes(options: KubernetesApiOptions): KubernetesApi {
  const http = new ApiHttp(options);
  return {
    async reviewToken(token, audience) {
      const { status } = await http.post<TokenReview>(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenReview",
          spec: { token, audiences: [audience] },
        },
      );
      // An authenticator that knows no audiences names none, and its word would be for any token.
      const good = status?.authenticated === true && status.audiences?.includes(audience);
      return good ? toCaller(status.user) : undefined;
    },

    async reviewAccess({ user, uid, groups, extra }, { resource, namespace, name }) {
      const [main, subresource] = resource.split("/");
      const { status } = await http.post<SubjectAccessReview>(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: {
            ...{ user, uid, groups, extra },
            resourceAttributes: {
              verb: "create",
              group: API_GROUP,
              resource: main,
              ...{ subresource, namespace, name },
            },
          },
        },
      );
      return status?.allowed === true && status.denied !== true;
    },

    async podsOfNode(nodeName) {
      const query = new URLSearchParams({
        fieldSelector: `spec.nodeName=${nodeName}`,
        // From the API server's memory: etcd is not asked by every node every few seconds.
        resourceVersion: "0",
      });
      return await http.list(
        `/api/v1/pods?${query}`,
        (pod) => toNodePod(pod as ApiPod, nodeName),
      );
    },
  };
}

interface TokenReview {
  status?: { authenticated?: boolean; audiences?: string[]; user?: Partial<Caller> & UserInfo };
}

interface UserInfo {
  username?: string;
}

interface SubjectAccessReview {
  status?: { allowed?: boolean; denied?: boolean };
}

function toCaller(user: Partial<Caller> & UserInfo | undefined): Caller {
  if (!user?.username) throw unavailable("the API server names no user for a token");
  const { username, uid = "", groups = [], extra = {} } = user;
  return { user: username, uid, groups, extra };
}

/** JSON over HTTPS, with the rights of the daemon's service account. */
class ApiHttp {
  #client: { http: Deno.HttpClient; ca: string } | undefined;

  constructor(private readonly options: KubernetesApiOptions) {}

  /** What `toItem` makes of the items of a list, of which one at a time is in memory. */
  list<Item>(path: string, toItem: (item: unknown) => Item): Promise<Item[]> {
    return this.#request("GET", path, (body) => readItems(body, toItem));
  }

  post<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#request("POST", path, readAnswer<Answer>, JSON.stringify(body));
  }

  /** Asks, and once more when no answer has come: no question changes anything. */
  async #request<Answer>(
    method: string,
    path: string,
    read: ReadBody<Answer>,
    body?: string,
  ): Promise<Answer> {
    const { deadlinesMs = DEADLINES_MS } = this.options;
    const failures: string[] = [];
    for (const deadlineMs of deadlinesMs) {
      try {
        return await this.#ask(method, path, read, body, deadlineMs);
      } catch (error) {
        if (!(error instanceof NoAnswerError)) throw error;
        failures.push(error.message);
        if (failures.length < deadlinesMs.length) await pause(error.pauseMs);
      }
    }
    throw unavailable(failures.join("; asked again, "), "try again in a moment");
  }

  async #ask<Answer>(
    method: string,
    path: string,
    read: ReadBody<Answer>,
    body: string | undefined,
    deadlineMs: number,
  ): Promise<Answer> {
    const { server } = this.options;
    // Both are replaced while the daemon runs, a projected token every hour.
    const [token, ca] = await Promise.all([this.#file("token"), this.#file("ca.crt")]);
    const client = this.#clientFor(ca);
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, server), {
        ...{ method, body, client },
        headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
        // Nobody but the API server gets to see the tokens.
        redirect: "error",
        signal: AbortSignal.timeout(deadlineMs),
      });
      if (response.ok) return await read(response.body ?? []);
      text = await readText(response.body ?? []);
    } catch (error) {
      if (error instanceof StatusError) throw error;
      // A connection that has died silently would also make the next requests wait.
      this.#drop(client);
      const cause = nameCause(error, deadlineMs);
      throw new NoAnswerError(`the API server at ${server} does not answer: ${cause}`);
    }
    const { status } = response;
    const message = `the API server answers ${method} ${pathOnly(path)} with ${status}: ${
      // Names the daemon's own account and what it may not do; quotes nothing of the request.
      quote(messageOf(text), 300)}`;
    if (status !== 429 && status < 500) throw unavailable(message);
    const seconds = Number(response.headers.get("retry-after"));
    throw new NoAnswerError(message, Math.min(seconds * 1000 || 0, MAX_PAUSE_MS));
  }

  async #file(name: string): Promise<string> {
    const path = `${this.options.serviceAccountDir}/${name}`;
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw unavailable(`the daemon's service account cannot be read: ${path}: ${error}`);
    }
  }

  #clientFor(ca: string): Deno.HttpClient {
    if (this.#client?.ca !== ca) {
      if (this.#client) this.#drop(this.#client.http);
      try {
        this.#client = { http: Deno.createHttpClient({ caCerts: [ca] }), ca };
      } catch (error) {
        throw unavailable(`ca.crt of the daemon's service account is not a certificate: ${error}`);
      }
    }
    return this.#client!.http;
  }

  #drop(client: Deno.HttpClient): void {
    // Another request may have done so already.
    if (this.#client?.http !== client) return;
    this.#client = undefined;
    client.close();
  }
}

type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
type ReadBody<Answer> = (body: Body) => Promise<Answer>;

async function readText(body: Body): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of bounded(body, MAX_ANSWER_BYTES)) {
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

async function* bounded(body: Body, maxBytes: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new Error("its answer is too large");
    yield chunk;
  }
}

async function readAnswer<Answer>(body: Body): Promise<Answer> {
  const text = await readText(body);
  try {
    const answer = JSON.parse(text);
    if (typeof answer === "object" && answer !== null) return answer;
  } catch {
    // Said below.
  }
  throw unavailable("the API server's answer is not a JSON object");
}

async function readItems<Item>(body: Body, toItem: (item: unknown) => Item): Promise<Item[]> {
  const items: Item[] = [];
  const list = new JsonItems((item) => items.push(toItem(item)), MAX_POD_BYTES);
  try {
    for await (const chunk of bounded(body, MAX_PODS_BYTES)) list.add(chunk);
    list.end();
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw unavailable(`the API server's list of pods is none: ${error.message}`);
    }
    throw error;
  }
  return items;
}

function messageOf(text: string): string {
  try {
    return String(JSON.parse(text).message);
  } catch {
    return "";
  }
}

function pathOnly(path: string): string {
  return path.split("?")[0];
}

/** The API server has not answered the question; it may the next time. */
class NoAnswerError extends Error {
  constructor(message: string, readonly pauseMs = 0) {
    super(message);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function nameCause(error: unknown, deadlineMs: number): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no answer in ${deadlineMs / 1000} s`;
  // Deno's fetch names the URL; what went wrong is below it.
  return cause instanceof Error ? cause.message : message;
}

/** The caller is told little; the log gets the cause. */
function unavailable(cause: string, advice = "ask an administrator"): StatusError {
  return new StatusError(
    "UNAVAILABLE",
    "the daemon cannot ask the Kubernetes API server whether you may do this, and so lets nobody " +
      `in: ${advice}; the reason is in the daemon's log`,
    { cause: new Error(cause) },
  );
}

/** Where Kubernetes says to every pod that the API server is. Throws words for an administrator. */
export function apiServerOfPod(): string {
  const host = Deno.env.get("KUBERNETES_SERVICE_HOST");
  const port = Deno.env.get("KUBERNETES_SERVICE_PORT");
  if (!host || !port) {
    throw new Error(
      "there is no API server to ask who may profile: KUBERNETES_SERVICE_HOST and " +
        "KUBERNETES_SERVICE_PORT are not set, so this is not a pod (for development: --auth=none)",
    );
  }
  // Deno's permissions know no ranges of IPv6 addresses (2.9.6), but this name.
  return `https://${host.includes(":") ? "kubernetes.default.svc" : host}:${port}`;
}
