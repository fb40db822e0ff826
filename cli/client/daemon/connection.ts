import type { Client, Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import type { NecoPerfClient } from "../../../proto/gen/necoperf/NecoPerf.ts";
import { VERSION } from "../../../version.ts";
import { describeConnectionFailure } from "./connection_failure.ts";
import { splitAddress } from "../cluster/address.ts";
import type { DaemonEndpoint } from "./daemon_endpoint.ts";
import { CliError, ExitStatus, interrupted } from "../../errors.ts";
import {
  type DaemonCredentials,
  refuseToExposeToken,
  type TlsConnection,
} from "./daemon_credentials.ts";
import { wait } from "../../../wait.ts";

/** A connection to a daemon. */
export interface Connection extends Disposable {
  client: NecoPerfClient;
  /** Whether it goes through the API server, and not to the daemon's address. */
  isTunnelled: boolean;
  /**
   * What each call takes along: the token, if there is one. Rejects as the token's source does, and
   * with a `CliError` (exit status 130) as soon as `signal` aborts.
   */
  authorize(signal?: AbortSignal): Promise<Metadata>;
  /** Blackens every token that was sent: a daemon's words could repeat it. */
  withoutToken(text: string): string;
}

/** How patient the client is, in milliseconds. */
const PATIENCE_MS = {
  connect: 10_000,
  /** For a TCP connection to a daemon that can also be reached in another way. */
  directConnect: 1_000,
  /** For the words of an error that has happened already. */
  connectionError: 500,
  /** A connection that is silent for so long is asked whether it is still there. */
  keepalive: 20_000,
  keepaliveAnswer: 10_000,
};

/**
 * Waits between attempts to connect, in milliseconds. A daemon that is just restarting is worth a
 * second and a third; who waits for one that is not there has better to do.
 */
const PAUSES_MS = [500, 1000];

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * Loads what a connection takes: as much work as all else that a client does until then. So it is
 * worth doing while something else is waited for.
 */
export function loadGrpc(): Promise<typeof import("../../../proto/grpc.ts")> {
  return import("../../../proto/grpc.ts");
}

/** Everything needed to connect to a daemon. */
export interface ConnectOptions {
  /** Where the daemon is, and which ways lead there. */
  endpoint: DaemonEndpoint;
  /** What messages call the daemon. */
  name: string;
  access: DaemonCredentials;
  /** How long it may be silent before it is asked whether it is there. Default: 20. */
  keepaliveSeconds?: number;
  signal: AbortSignal;
}

/**
 * Connects to a daemon.
 *
 * Rejects with a `CliError`: the token may not be sent that way, or the API server's port-forward
 * is not the caller's to use (exit status 4), the daemon cannot be reached or is not who it should
 * be (5), `signal` aborts (130).
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { endpoint, name, access, keepaliveSeconds, signal } = options;
  const { address } = endpoint;
  const tls = access.connection.kind === "tls" ? access.connection : undefined;
  const deadline = Date.now() + PATIENCE_MS.connect;
  for (let attempt = 0;; attempt++) {
    const way = await takeWay(options);
    const client = await createClient(way.target, tls, keepaliveSeconds);
    const state = await settle(client, deadline, signal);
    if (state === "ready" && !signal.aborted) {
      if (way.isTunnelled) endpoint.tunnel!.route.isTunnelled = true;
      return await toConnection(client, access, way);
    }
    const reason = state === "failed" && !signal.aborted
      ? way.failure?.() ?? await lastError(client)
      : undefined;
    client.close();
    way[Symbol.dispose]();
    if (signal.aborted) throw interrupted();
    const failure = {
      daemon: name,
      isTunnelled: way.isTunnelled,
      serverName: tls?.serverName,
      plainBecause: access.connection.kind === "plain" ? access.connection.because : undefined,
      clientCertificate: tls?.clientCertificate !== undefined,
      reason,
      retryTimeoutSeconds: PATIENCE_MS.connect / 1000,
    };
    const { error, final, isForeign } = describeConnectionFailure(failure);
    const pause = PAUSES_MS[attempt];
    if (final || state === "pending" || pause === undefined || Date.now() + pause >= deadline) {
      if (!isForeign || way.isTunnelled) throw error;
      const { recognizePeer } = await import("./peer_greeting.ts");
      const peer = await recognizePeer(address);
      throw peer ? describeConnectionFailure({ ...failure, peer }).error : error;
    }
    await wait(pause, signal);
  }
}

/** A way to a daemon, for one connection. */
interface Way extends Disposable {
  /** For grpc-js. */
  target: string;
  isTunnelled: boolean;
  /** Why it ended, if it has, as the side that ended it says. */
  failure?(): string | undefined;
}

/**
 * Opens the tunnel, unless the daemon is to be reached at its address. Rejects as `connect` does.
 */
async function takeWay({ endpoint, name, access, signal }: ConnectOptions): Promise<Way> {
  const { address, tunnel } = endpoint;
  const via = tunnel?.route.via ?? "direct";
  const direct: Way = {
    target: `dns:${address}`,
    isTunnelled: false,
    [Symbol.dispose]: () => {},
  };
  if (via !== "port-forward") refuseToExposeToken(access, address);
  if (!tunnel || via === "direct") return direct;
  let unanswered: string | undefined;
  if (via === "auto" && !tunnel.route.isTunnelled) {
    // grpc-js takes as long to load as an address to answer.
    const [answer] = await Promise.all([tryAddress(address, signal), loadGrpc()]);
    if (answer === "connected") return direct;
    unanswered = answer.failure;
  }
  refuseToExposeToken(access, address, { isTunnelled: true });
  try {
    const stream = await tunnel.open(signal);
    let ended: string | undefined;
    stream.on("error", ({ message }) => ended = message);
    const { offerStream } = await import("./stream_target.ts");
    return { ...offerStream(stream), isTunnelled: true, failure: () => ended };
  } catch (error) {
    if (!(error instanceof CliError) || unanswered === undefined) throw error;
    if (error.exitStatus === ExitStatus.INTERRUPTED) throw error;
    // Unreachable even where the caller may not use the tunnel: a daemon that is restarted is away
    // at its address for a moment, and is tried again.
    throw new CliError(
      ExitStatus.UNREACHABLE,
      `cannot reach ${name} at its address (${unanswered}), nor through the API server: ` +
        error.message,
      { cause: error },
    );
  }
}

/** Says whether anybody answers at `host:port`, before patience ends. */
async function tryAddress(
  address: string,
  signal: AbortSignal,
): Promise<"connected" | { failure: string }> {
  const { connect } = await import("node:net");
  const { promise, resolve } = Promise.withResolvers<"connected" | { failure: string }>();
  const socket = connect(splitAddress(address));
  socket.on("connect", () => resolve("connected"));
  socket.on("error", ({ message }) => resolve({ failure: message }));
  const seconds = PATIENCE_MS.directConnect / 1000;
  const giveUp = () => resolve({ failure: `no answer within ${seconds} s` });
  const ends = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS.directConnect)]);
  ends.addEventListener("abort", giveUp);
  if (ends.aborted) giveUp();
  const answer = await promise;
  ends.removeEventListener("abort", giveUp);
  socket.destroy();
  if (signal.aborted) throw interrupted();
  return answer;
}

async function createClient(
  target: string,
  tls?: TlsConnection,
  keepaliveSeconds = PATIENCE_MS.keepalive / 1000,
): Promise<NecoPerfClient> {
  const { grpc, loadNecoPerf } = await loadGrpc();
  const pem = (text?: string) => text === undefined ? null : Buffer.from(text);
  const credentials = tls
    ? grpc.credentials.createSsl(
      pem(tls.authoritiesPem),
      pem(tls.clientCertificate?.keyPem),
      pem(tls.clientCertificate?.certificatePem),
    )
    : grpc.credentials.createInsecure();
  return new (loadNecoPerf().NecoPerf)(target, credentials, {
    "grpc.primary_user_agent": `necoperf-client/${VERSION}`,
    // Pods often have proxy variables; a pod's address is not for a proxy.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // Otherwise the next attempt's client would share this one's connection and its pauses.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_time_ms": keepaliveSeconds * 1000,
    "grpc.keepalive_timeout_ms": PATIENCE_MS.keepaliveAnswer,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    // A daemon is reached by its pod's address, and no certificate is for that.
    ...tls && {
      "grpc.ssl_target_name_override": tls.serverName,
      "grpc.default_authority": tls.serverName,
    },
  });
}

/** Waits until a connection is there or has failed; `pending` when it takes too long. */
function settle(
  client: Client,
  deadline: number,
  signal: AbortSignal,
): Promise<"ready" | "failed" | "pending"> {
  const channel = client.getChannel();
  const { promise, resolve } = Promise.withResolvers<"ready" | "failed" | "pending">();
  const giveUp = () => resolve("pending");
  const look = (tooLate?: Error) => {
    if (tooLate) return giveUp();
    const state = channel.getConnectivityState(true);
    if (state === ConnectivityState.READY) return resolve("ready");
    if (state === ConnectivityState.TRANSIENT_FAILURE) return resolve("failed");
    if (state !== ConnectivityState.SHUTDOWN) {
      channel.watchConnectivityState(state, deadline, look);
    }
  };
  look();
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  return promise.finally(() => signal.removeEventListener("abort", giveUp));
}

/** grpc-js's numbers, which it is not loaded for before it is needed. */
const ConnectivityState = { READY: 2, TRANSIENT_FAILURE: 3, SHUTDOWN: 4 };

/**
 * Why the last attempt to connect has failed, as grpc-js says it. The channel reports it to calls
 * only: a harmless one without a token, which fails at once.
 */
function lastError(client: NecoPerfClient): Promise<string> {
  return new Promise((resolve) => {
    const deadline = Date.now() + PATIENCE_MS.connectionError;
    client.stopRecording({}, { deadline }, (error) => resolve(error?.details ?? ""));
  });
}

async function toConnection(
  client: NecoPerfClient,
  access: DaemonCredentials,
  way: Way,
): Promise<Connection> {
  const { grpc } = await loadGrpc();
  const sent = new Set<string>();
  return {
    client,
    isTunnelled: way.isTunnelled,
    authorize: async (signal) => {
      const metadata = new grpc.Metadata();
      const token = access.token && await orAborted(access.token(signal), signal);
      if (token !== undefined) {
        sent.add(token);
        metadata.set("authorization", `Bearer ${token}`);
      }
      return metadata;
    },
    withoutToken: (text) => {
      for (const token of sent) text = text.replaceAll(token, "(the token)");
      return text;
    },
    [Symbol.dispose]: () => {
      client.close();
      way[Symbol.dispose]();
    },
  };
}

/** Rejects as soon as `signal` aborts, whatever becomes of the promise. */
async function orAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(interrupted());
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
