/**
 * Takes connections for gRPC, encrypted or not, and hands them to grpc-js: its own server can do no
 * TLS on Deno (denoland/deno has no `http2.createSecureServer` that grpc-js could use; when
 * `grpc.ServerCredentials.createSsl` serves, most of this can go).
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type PeerCertificate, TLSSocket } from "node:tls";
import type { Certificates } from "./certificate_files.ts";
import { ConnectionTable, peerOf } from "./connection_table.ts";
import { type EndReason, GuardedConnection } from "./guarded_connection.ts";
import { RequestBudget } from "./http2/request_budget.ts";
import { startsWithClientHello } from "./client_hello.ts";
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
  /**
   * Resolves when not too much of what was sent waits for the peer, or when the connection ends.
   */
  drained(): Promise<void>;
}

/** Takes connections until it is closed. */
export interface Listener {
  port: number;
  /** Keeps the connection of a peer while a call is under way; returns what ends that. */
  hold(peer: string): () => void;
  /** The connection of a peer that is served. */
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
  const { server, replace } = certificates
    ? createEncrypted(options, certificates, table, serve)
    : createPlain(table, serve);
  const port = await listenOn(server, address, options.port);
  return {
    port,
    hold: (peer) => table.hold(peer),
    connectionOf: (peer) => served.get(peer),
    replace,
    close: () => void server.close(),
  };
}

/** Serves connections through a guard, whether they are encrypted or not. */
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

function createPlain(table: ConnectionTable, serve: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on("error", ignore);
    if (table.add(socket)) serve(socket);
  });
  return { server, replace: () => {} };
}

function createEncrypted(
  options: ListenerOptions,
  certificates: Certificates,
  table: ConnectionTable,
  serve: ReturnType<typeof createServe>,
): { server: Server; replace(certificates: Certificates): void } {
  const { onRefused, handshakeDeadlineMs = HANDSHAKE_DEADLINE_MS } = options;
  let context = createSecureContext(certificates);
  const server = createServer((raw) => {
    raw.on("error", ignore);
    if (!table.add(raw)) return;
    let socket: (TLSSocket & HandshakenSocket) | undefined;
    let isDecided = false;
    /** Whether this is the first that is decided of the connection. */
    const decide = () => {
      clearTimeout(timer);
      return !isDecided && (isDecided = true);
    };
    const refuse = (reason: RefusalReason) => {
      if (decide()) onRefused(reason);
      socket?.destroy();
      raw.destroy();
    };
    const timer = setTimeout(() => refuse("handshake-deadline"), handshakeDeadlineMs);
    const handshake = () => {
      const started: TLSSocket & HandshakenSocket = socket = new TLSSocket(raw, {
        isServer: true,
        secureContext: context,
        ALPNProtocols: ["h2"],
        requestCert: certificates.ca !== undefined,
        // Callers with a token need no certificate. One that is shown must be good: see below.
        rejectUnauthorized: false,
      });
      started.on("error", () => refuse("tls"));
      started.once("secure", () => {
        if (started.alpnProtocol !== "h2") return refuse("tls");
        const certificate = started.getPeerCertificate();
        const isShown = certificate?.raw !== undefined;
        // Expired, or of an authority that is not among the configured ones.
        if (isShown && started.ssl?.verifyError()) return refuse("client-certificate");
        stopReadingWhenPaused(started, raw);
        if (decide()) serve(started, isShown ? certificate : undefined);
      });
    };
    raw.once("close", () => refuse("tls"));
    readClientHello(raw, handshake, () => refuse("tls"));
  });
  return { server, replace: (next) => context = createSecureContext(next) };
}

/**
 * Reads so much of a connection that it is seen to start with a ClientHello, which stays to be
 * read, and calls back. Without this a peer that sends anything else has much of it in memory
 * before TLS fails.
 */
function readClientHello(raw: Socket, onHello: () => void, onOther: () => void): void {
  let begun: Uint8Array = new Uint8Array(0);
  const read = (chunk: Uint8Array) => {
    begun = Buffer.concat([begun, chunk]);
    const isHello = startsWithClientHello(begun);
    if (isHello === undefined) return;
    raw.off("data", read);
    raw.pause();
    if (!isHello) return onOther();
    raw.unshift(begun);
    onHello();
  };
  raw.on("data", read);
}

/**
 * Has a TLS socket read nothing from the network while it is paused. Deno's (2.9.6) goes on, and
 * keeps all that its peer sends in memory.
 */
function stopReadingWhenPaused(socket: TLSSocket, raw: Socket & { _handle?: Handle | null }): void {
  const { pause, resume } = socket;
  socket.pause = () => {
    raw._handle?.readStop();
    return pause.call(socket);
  };
  socket.resume = () => {
    raw._handle?.readStart();
    return resume.call(socket);
  };
}

/** What Node.js and Deno have below a socket; it goes when that is closed. */
interface Handle {
  readStart(): void;
  readStop(): void;
}

/**
 * What Node.js and Deno have of a server's `TLSSocket` beside its types: `tls.Server` sets
 * `authorized` by it. That one is not used: on Deno 2.9.6 it keeps 18 to 90 KB for each handshake
 * that fails.
 */
interface HandshakenSocket {
  ssl?: { verifyError(): unknown };
}

/** Peers come and go as they like; a connection that fails ends, and that is all there is to do. */
function ignore(): void {}
