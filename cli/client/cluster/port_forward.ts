import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
// @ts-types="@types/ws"
import WebSocket from "ws";
import { formatDuration } from "../../../proto/duration.ts";
import { VERSION } from "../../../version.ts";
import type { ApiFailure } from "./api_failure.ts";

/** A port of a pod. */
export interface PodPort {
  /** The pod's namespace. */
  namespace: string;
  /** The pod's name. */
  pod: string;
  /** A port on which the pod listens, also if on its loopback only. */
  port: number;
}

/** How the API server is asked for a port. */
export interface PortForwardOptions {
  /** TLS, the proxy and headers, as `https.request` takes them. */
  request: RequestOptions;
  /** How long the answer is waited for; 0 for as long as it takes. */
  requestTimeoutSeconds: number;
  /** Ends the attempt. */
  signal?: AbortSignal;
}

/** What an API server answers to the request for a port: a byte stream, or why there is none. */
export type PortForwardResult = { stream: Duplex } | { failure: ApiFailure };

/** The one protocol for port-forward that API servers from 1.20 to 1.37 speak over a WebSocket. */
const PROTOCOL = "v4.channel.k8s.io";

/** The first byte of each message. Of a second port the channels would be 2 and 3. */
const CHANNEL = { data: 0, error: 1 };

/** Each channel starts with the port's number, as it was asked for. */
const PORT_BYTES = 2;

/** A kubelet sends 32 KB at a time. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** How long the other side's goodbye is waited for. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Load balancers forget connections on which nothing happens; client-go's interval. */
const KEEP_ALIVE_MS = 30_000;

/** Of what an API server says when it refuses. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** The path and query of the request for a port. */
export function portForwardPath({ namespace, pod, port }: PodPort): string {
  return `/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`;
}

/**
 * Asks an API server for a connection to a pod's port. The stream ends with the connection, and
 * fails with the words of the API server or the kubelet when they end it. It pauses when it is not
 * read, which does not hold the sender back on Deno 2.9.6: `docs/decisions/tunnel.md`.
 */
export function openPortForward(
  url: string,
  { request, requestTimeoutSeconds, signal }: PortForwardOptions,
): Promise<PortForwardResult> {
  const { promise, resolve } = Promise.withResolvers<PortForwardResult>();
  const timeout = requestTimeoutSeconds > 0
    ? AbortSignal.timeout(requestTimeoutSeconds * 1000)
    : undefined;
  const ends = AbortSignal.any([signal, timeout].filter((each) => each !== undefined));
  const socket = new WebSocket(url.replace(/^http/, "ws"), [PROTOCOL], {
    ...request,
    headers: { ...request.headers, "User-Agent": `necoperf-client/${VERSION}` },
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: MAX_MESSAGE_BYTES,
    // Not in the types yet.
    ...{ closeTimeout: CLOSE_TIMEOUT_MS },
  });
  const giveUp = () => {
    const reason = signal?.aborted
      ? "given up"
      : `no answer within ${formatDuration(requestTimeoutSeconds)} (--request-timeout)`;
    resolve({ failure: { noAnswer: new Error(reason) } });
    socket.terminate();
  };
  ends.addEventListener("abort", giveUp);
  if (ends.aborted) giveUp();
  socket.on("unexpected-response", (_request, response) => {
    readRefusal(response).then((failure) => {
      resolve({ failure });
      socket.terminate();
    });
  });
  // Handled until the end: `terminate` also emits an error.
  socket.on("error", (noAnswer) => resolve({ failure: { noAnswer } }));
  socket.on("upgrade", (response) => (response.socket as Socket).setKeepAlive(true, KEEP_ALIVE_MS));
  // A message can come with the answer: who listens for it has to be there by then.
  socket.on("open", () => resolve({ stream: new PortForwardStream(socket) }));
  return promise.finally(() => ends.removeEventListener("abort", giveUp));
}

async function readRefusal(response: IncomingMessage): Promise<ApiFailure> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      if ((sizeBytes += chunk.length) > MAX_REFUSAL_BYTES) break;
    }
  } catch {
    // Its status says enough.
  }
  const text = Buffer.concat(chunks).toString();
  let message = "";
  try {
    message = String(JSON.parse(text).message ?? "");
  } catch {
    // A proxy's page, or the plain words of a kubelet.
    if (!text.trimStart().startsWith("<")) message = text.trim().slice(0, 500);
  }
  return { httpStatus: response.statusCode ?? 0, message };
}

/** The data channel of one forwarded port. */
class PortForwardStream extends Duplex {
  /** What is left of the port's number at the start of each channel. */
  readonly #left = [PORT_BYTES, PORT_BYTES];
  #told = "";

  constructor(private readonly socket: WebSocket) {
    // Ending one direction ends both: the protocol has no half-close.
    super({ allowHalfOpen: false });
    socket.binaryType = "nodebuffer";
    socket.on("message", (message: Buffer) => this.#onMessage(message));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      if (this.#told) this.destroy(new Error(this.#told));
      else this.push(null);
    });
  }

  #onMessage(message: Buffer): void {
    if (this.destroyed) return;
    const channel = message[0];
    if (channel !== CHANNEL.data && channel !== CHANNEL.error) return;
    const skipped = Math.min(this.#left[channel], message.length - 1);
    this.#left[channel] -= skipped;
    const bytes = message.subarray(1 + skipped);
    if (bytes.length === 0) return;
    if (channel === CHANNEL.error) {
      this.#told = `${this.#told}${bytes}`.slice(0, 500);
      // Nothing comes after it, and some kubelets leave the connection open.
      this.destroy(new Error(this.#told));
    } else if (!this.push(bytes)) this.socket.pause();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.socket.send(Buffer.concat([Uint8Array.of(CHANNEL.data), chunk]), done);
  }

  override _final(done: () => void): void {
    // One that is held up would not hear the other side's goodbye.
    this.socket.resume();
    this.socket.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.terminate();
    done(error);
  }
}
