// Before the libraries, of which one reads a .proto file as soon as it is imported.
import {
  grpc,
  loadNecoPerfDefinition,
  loadPackageDefinition,
  toNecoPerf,
} from "../../proto/grpc.ts";
import "./http2/advertise_limits.ts";
import { HealthImplementation, protoPath as healthProtoPath } from "grpc-health-check";
import type { Recordings } from "../recordings/recordings.ts";
import { refuseMalformed, withStrictRequests } from "./malformed_requests.ts";
import { addReflection } from "./reflection.ts";
import { createService, type ServiceOptions } from "./service.ts";
import { listen, type Listener, type ListenerOptions } from "./tls_listener.ts";

const SERVER_OPTIONS: grpc.ServerOptions = {
  // Requests are small: a container id and a few numbers.
  "grpc.max_receive_message_length": 64 * 1024,
  // A caller that is cut off without a word is found out, and its recording ended, in 15 s. Most of
  // that is time to answer in: on a node with too much to do a caller may not run for seconds.
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A client has one call to record, one to fetch, and a few short ones.
  "grpc.max_concurrent_streams": 100,
  "grpc.max_connection_idle_ms": 300_000,
};

/** How a server listens, and what its service may do. */
interface ServerOptions
  extends Omit<ListenerOptions, "serve">, Omit<ServiceOptions, "hold" | "connectionOf"> {
  /** How long calls that are under way have to end when the server closes. */
  lastCallsSeconds: number;
}

/** A gRPC server that serves NecoPerf, with health checks and reflection. */
interface Server extends Pick<Listener, "port" | "replace"> {
  /** Calls of NecoPerf that are under way. */
  readonly calls: number;
  /** Answers health checks with `NOT_SERVING` from now on. */
  stopServing(): void;
  /** Takes no more connections, and resolves when those there are have ended. */
  close(): Promise<void>;
}

/** Starts to serve recordings. Rejects with words for an administrator. */
export async function startServer(recordings: Recordings, options: ServerOptions): Promise<Server> {
  const server = new grpc.Server({ ...SERVER_OPTIONS, interceptors: [refuseMalformed] });
  const health = new HealthImplementation({ "": "SERVING", "necoperf.NecoPerf": "SERVING" });
  const definition = loadNecoPerfDefinition();
  let calls = 0;
  const hold = (peer: string) => {
    const release = listener.hold(peer);
    calls++;
    return () => {
      calls--;
      release();
    };
  };
  server.addService(
    withStrictRequests(toNecoPerf(definition).NecoPerf.service, definition),
    createService(recordings, {
      ...options,
      hold,
      connectionOf: (peer) => listener.connectionOf(peer),
    }),
  );
  health.addToServer(server);
  addReflection(
    server,
    { ...definition, ...loadPackageDefinition(healthProtoPath) },
    async (peer) => await listener.connectionOf(peer)?.drained(),
  );
  // Of grpc-js' own: the connections that it gets are encrypted already, where they are to be.
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = await listen({
    ...options,
    serve: (connection) => injector.injectConnection(connection),
  });
  return {
    port: listener.port,
    replace: listener.replace,
    get calls() {
      return calls;
    },
    stopServing() {
      health.setStatus("", "NOT_SERVING");
      health.setStatus("necoperf.NecoPerf", "NOT_SERVING");
    },
    async close() {
      listener.close();
      await endConnections(server, options.lastCallsSeconds);
    },
  };
}

/** Ends the connections when their calls have ended, or when those take too long. */
async function endConnections(server: grpc.Server, lastCallsSeconds: number): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  server.tryShutdown(() => resolve());
  const timer = setTimeout(() => {
    // tryShutdown does not call back for a connection whose peer has gone without a word.
    server.forceShutdown();
    resolve();
  }, lastCallsSeconds * 1000);
  await ended;
  clearTimeout(timer);
}
