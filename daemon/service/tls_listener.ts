/**
 * Takes connections for gRPC, encrypted or not, and hands them to grpc-js: its own server can do no
 * TLS on Deno (denoland/deno has no `http2.createSecureServer` that grpc-js could use; when
 * `grpc.ServerCredentials.createSsl` serves, most of this can go).
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  createServer as createTlsServer,
  type PeerCertificate,
  type Server as TlsServer,
  type TLSSocket,
} from "node:tls";
import type { Certificates } from "./certificate_files.ts";
import { ConnectionTable, peerOf } from "./connection_table.ts";
import { type EndReason, GuardedConnection } from "./guarded_connection.ts";
import { RequestBudget } from "./http2/request_budget.ts";
import { Turns } from "./turns.ts";
import { listenOn } from "./listen_on.ts";

/** How long a peer may take to show that it speaks TLS. */
const HANDSHAKE_DEADLINE_MS = 10_000;

/** How much the calls under way may take in memory on all connections, as the guard counts it. */
const MAX_REQUEST_BYTES = 4 << 20;

/** Why a connection was not served, or not any longer. */
type RefusalReason =
  | "too-many"
  | "tls"
  | "handshake-deadline"
  | "client-certificate"
  | EndReason;

/** How to listen. */
export interface ListenerOptions {
  /** An address without a port; an IPv6 one in brackets. */
  address: string;
  port: number;
  maxConnections: number;
  /** Without, connections are not encrypted. */
  certificates?: Certificates;
  /** Takes a connection to serve it. */
  serve(connection: Duplex): void;
  onRefused(reason: RefusalReason): void;
  handshakeDeadlineMs?: number;
}

/** A connection that is served. */
export interface ServedConnection {
  /** What TLS has verified. */
  certificate?: PeerCertificate;
  /** Whether nothing comes from the peer any more. */
  readonly hasEnded: boolean;
  /** Resolves when not too much of what was sent waits for the peer, or when the connection ends. */
  drained(): Promise<void>;
}

/** Takes connections until it is closed. */
export interface Listener {
  port: number;
  /** Keeps the connection of a peer while a call is under way; returns what ends that. */
  hold(peer: string): () => void;
  /** What is known of the connection of a peer that is served. */
  connectionOf(peer: string): ServedConnection | undefined;
  /** Uses other certificates for the connections to come. */
  replace(certificates: Certificates): void;
  /** Takes no more connections. Those there are go on. */
  close(): void;
}

/** Starts to listen. Rejects with words for an administrator. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { certificates, address } = options;
  const table = new ConnectionTable(
    options.maxConnections,
    () => options.onRefused("too-many"),
  );
  const served = new Map<string, ServedConnection>();
  const serve = createServe(options, table, served);
  const server = certificates
    ? createEncrypted(options, certificates, table, serve)
    : createServer((socket) => {
      socket.on("error", ignore);
      if (table.add(socket)) serve(socket);
    });
  const port = await listenOn(server, address, options.port);
  return {
    port,
    hold: (peer) => table.hold(peer),
    connectionOf: (peer) => served.get(peer),
    replace: (next) => (server as TlsServer).setSecureContext(next),
    close: () => void server.close(),
  };
}

/** Serves connections from behind a guard, whether they are encrypted or not. */
function createServe(
  options: ListenerOptions,
  table: ConnectionTable,
  served: Map<string, ServedConnection>,
): (socket: Socket, certificate?: PeerCertificate) => void {
  const budget = new RequestBudget(MAX_REQUEST_BYTES);
  const turns = new Turns();
  return (socket, certificate) => {
    const peer = peerOf(socket);
    const guarded = new GuardedConnection(socket, {
      budget,
      turns,
      isHeld: () => table.isHeld(peer),
      onEnded: options.onRefused,
    });
    const connection = {
      certificate,
      get hasEnded() {
        return guarded.hasEnded;
      },
      drained: () => guarded.drained(),
    };
    served.set(peer, connection);
    guarded.once("close", () => {
      // The same peer may be back by then.
      if (served.get(peer) === connection) served.delete(peer);
    });
    options.serve(guarded);
  };
}

function createEncrypted(
  options: ListenerOptions,
  certificates: Certificates,
  table: ConnectionTable,
  serve: ReturnType<typeof createServe>,
): Server {
  const { onRefused, handshakeDeadlineMs = HANDSHAKE_DEADLINE_MS } = options;
  const handshakes = new Map<string, ReturnType<typeof setTimeout>>();
  const handshakeEnded = (peer: string) => {
    clearTimeout(handshakes.get(peer));
    handshakes.delete(peer);
  };
  const server = createTlsServer({
    ...certificates,
    ALPNProtocols: ["h2"],
    requestCert: certificates.ca !== undefined,
    // Callers with a token need no certificate. One that is shown must be good: see below.
    rejectUnauthorized: false,
  });
  server.on("connection", (socket: Socket) => {
    socket.on("error", ignore);
    if (!table.add(socket)) return;
    const peer = peerOf(socket);
    socket.once("close", () => handshakeEnded(peer));
    handshakes.set(
      peer,
      setTimeout(() => {
        onRefused("handshake-deadline");
        socket.destroy();
      }, handshakeDeadlineMs),
    );
  });
  server.on("tlsClientError", (_error, socket: TLSSocket) => {
    onRefused("tls");
    socket.destroy();
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", ignore);
    handshakeEnded(peerOf(socket));
    if (socket.alpnProtocol !== "h2") {
      onRefused("tls");
      socket.destroy();
      return;
    }
    const certificate = socket.getPeerCertificate();
    if (!certificate?.raw) {
      serve(socket);
    } else if (socket.authorized) {
      serve(socket, certificate);
    } else {
      // Expired, or of an authority that is not among the configured ones.
      onRefused("client-certificate");
      socket.destroy();
    }
  });
  return server;
}

/** Peers come and go as they like; a connection that fails ends, and that is all there is to do. */
function ignore(): void {}
