import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { ConnectionTable } from "./connection_table.ts";
import { listenOn } from "./listen_on.ts";

/** Probes and Prometheus come now and then; each connection is of one request. */
const MAX_CONNECTIONS = 64;
/** How long a request may take to arrive, and how often that is looked at. */
const REQUEST_DEADLINE_MS = 5_000;
const CHECK_INTERVAL_MS = 1_000;
const MAX_HEADER_BYTES = 8 * 1024;

/** What is answered. */
interface HttpAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** How to listen. */
export interface HttpListenerOptions {
  /** An address without a port; an IPv6 one in brackets. */
  address: string;
  port: number;
  /** Answers a request for a path, which has no query. */
  answer(method: string, path: string): Promise<HttpAnswer>;
  maxConnections?: number;
  requestDeadlineMs?: number;
}

/** Serves plain HTTP until it is closed. */
interface HttpListener {
  port: number;
  /** Ends all connections. */
  close(): void;
}

/**
 * Starts to serve. Bounds the connections and the time that a request takes to arrive, which
 * `Deno.serve` (2.9.6) does not: for one connection too many another one makes place, so that a
 * probe is served beside any number of others. Rejects with words for an administrator.
 */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const { address, requestDeadlineMs = REQUEST_DEADLINE_MS } = options;
  const table = new ConnectionTable(options.maxConnections ?? MAX_CONNECTIONS, () => {});
  const server = createServer({
    headersTimeout: requestDeadlineMs,
    requestTimeout: requestDeadlineMs,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, requestDeadlineMs),
    maxHeaderSize: MAX_HEADER_BYTES,
  }, (request, response) => void respond(options, request, response));
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    table.add(socket);
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  const port = await listenOn(server, address, options.port);
  return {
    port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function respond(
  { answer }: HttpListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on("error", () => {});
  // A body is not of interest, but what is not read stays in the way of what is answered.
  request.on("error", () => {}).resume();
  try {
    const [path] = (request.url ?? "/").split("?", 1);
    const { status, headers, body } = await answer(request.method ?? "GET", path);
    response.writeHead(status, { ...headers, connection: "close" });
    response.end(request.method === "HEAD" ? undefined : body);
  } catch {
    response.destroy();
  }
}
