// Before the libraries, of which one reads a .proto file as soon as it is imported.
import {
  grpc,
  loadNecoPerf,
  loadNecoPerfDefinition,
  loadPackageDefinition,
} from "../proto/grpc.ts";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, protoPath as healthProtoPath } from "grpc-health-check";
import {
  type Admission,
  createKubernetesAdmission,
  createOpenAdmission,
} from "./access/admission.ts";
import type { DaemonOptions } from "./arguments.ts";
import { createAuthenticator } from "./access/authenticator.ts";
import { createAuthorizer } from "./access/authorizer.ts";
import { expirySeconds, readCertificates, watchCertificates } from "./service/certificate_files.ts";
import { createContainerLookup } from "./containers/container_lookup.ts";
import type { ContainerLookup } from "./containers/container.ts";
import { describeDaemon } from "./service/daemon_info.ts";
import { watchMemory } from "./operations/memory_watchdog.ts";
import { createHttpHandler } from "./operations/http.ts";
import { connectKubernetes } from "./access/kubernetes_api.ts";
import type { Log } from "./operations/log.ts";
import { Metrics } from "./operations/metrics.ts";
import { checkPerf, perfVersion, startPerfRecord, startPerfScript } from "./perf/perf.ts";
import { findVersionSkew, type PerfAndKernel } from "./perf/perf_version.ts";
import { createApiOwners, createRuntimeOwners } from "./access/pod_owner.ts";
import { ReadinessProbe } from "./operations/readiness.ts";
import { RecordingQueue } from "./recordings/recording_queue.ts";
import { Recordings } from "./recordings/recordings.ts";
import { ResultStore } from "./results/result_store.ts";
import { createService } from "./service/service.ts";
import { listen } from "./service/tls_listener.ts";

/** The process that the daemon tries perf on: in the host's PID namespace it is another user's. */
const HOST_INIT_PID = 1;
/** How long calls that are under way at shutdown have when the recordings have ended. */
const LAST_CALLS_SECONDS = 10;

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

/** A daemon that serves. */
export interface RunningDaemon {
  /** The ports it listens on, which differ from the options' where those are 0. */
  port: number;
  metricsPort: number;
  /** Resolves with the resident bytes when they are above the options' bound and nothing is done. */
  outgrown: Promise<number>;
  /**
   * Takes no more work, lets running recordings end within the options' grace period, or stops them
   * at once when `now` aborts, and resolves when nothing is left of them.
   */
  shutDown(now: AbortSignal): Promise<void>;
}

/**
 * Builds the daemon's parts, connects them and serves. Rejects with words for an administrator when
 * it cannot: a port that is taken, a work directory that cannot be used.
 */
export async function startDaemon(options: DaemonOptions, log: Log): Promise<RunningDaemon> {
  const lookup = createContainerLookup({
    by: options.containerLookup,
    // The one for development is for machines where no host's /proc is mounted elsewhere.
    procDir: options.containerLookup === "pid" ? undefined : options.procDir,
    runtimeEndpoint: options.runtimeEndpoint,
  });
  const store = new ResultStore({
    directory: options.workDir,
    retentionSeconds: options.resultRetentionSeconds,
    maxResultsBytes: options.maxResultsBytes,
    maxResultBytes: options.maxResultBytes,
    log,
  });
  await store.open();
  const queue = new RecordingQueue({
    maxConcurrent: options.maxConcurrent,
    maxWaiting: options.maxQueue,
  });
  const metrics = new Metrics(queue);
  metrics.resultsKept(store);
  const certificates = options.tls && await readCertificates(options.tls);
  metrics.authDisabled(options.auth.kind === "none");
  if (options.auth.kind === "none") {
    log.warning(
      "--auth=none: whoever reaches this daemon may profile everything on this node; it is for " +
        "development",
    );
  } else if (!certificates) {
    log.warning("callers' tokens are not encrypted on the way: there is no --tls-cert-file");
  }
  const admission = createAdmission(options, lookup);
  const recordings = new Recordings({
    admission,
    lookup,
    perf: { startRecord: startPerfRecord, startScript: startPerfScript },
    limits: options.limits,
    conversionTimeoutSeconds: options.conversionTimeoutSeconds,
    queue,
    store,
    metrics,
    log,
  });

  const perfCheckPid = options.containerLookup === "pid" ? Deno.pid : HOST_INIT_PID;
  const readiness = new ReadinessProbe([
    { name: "perf", run: () => checkPerf(perfCheckPid) },
    { name: "container-lookup", run: () => lookup.check() },
    { name: "accepting", run: () => checkAccepting(recordings) },
  ]);
  metrics.perfUsable(() => readiness.passed("perf"));
  const versions = await compareVersions(metrics, readiness, log);
  const { report, ready } = await readiness.get();
  if (!ready) log.error("not ready", { report });

  const health = new HealthImplementation({ "": "SERVING", "necoperf.NecoPerf": "SERVING" });
  const server = new grpc.Server(SERVER_OPTIONS);
  const definition = loadNecoPerfDefinition();
  let callsUnderWay = 0;
  server.addService(
    loadNecoPerf(definition).NecoPerf.service,
    createService(recordings, {
      maxRecordResponseBytes: options.maxRecordResponseBytes,
      stallSeconds: options.stallSeconds,
      hold(peer) {
        const release = listener.hold(peer);
        callsUnderWay++;
        return () => {
          callsUnderWay--;
          release();
        };
      },
      async describe(credentials) {
        await admission.identify(credentials);
        return describeDaemon(options, { versions, readiness: await readiness.get(), queue });
      },
    }),
  );
  health.addToServer(server);
  new ReflectionService({
    ...definition,
    ...loadPackageDefinition(healthProtoPath),
  }).addToServer(server);
  // Of grpc-js' own: the connections that it gets are encrypted already, where they are to be.
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = await listen({
    ...{ address: options.address, port: options.port, certificates },
    maxConnections: options.maxConnections,
    serve: (connection) => injector.injectConnection(connection),
    onRefused: (reason) => metrics.connectionRefused(reason),
  });
  const { port } = listener;
  let inUse = certificates;
  const watch = options.tls && certificates &&
    watchCertificates(options.tls, certificates, log, (next) => {
      listener.replace(next);
      inUse = next;
    });
  if (inUse) metrics.certificateExpiry(() => expirySeconds(inUse!));

  const ended = new AbortController();
  const http = Deno.serve(
    {
      hostname: options.address.replace(/^\[|\]$/g, ""),
      port: options.metricsPort,
      signal: ended.signal,
      onListen: () => {},
    },
    createHttpHandler(metrics, readiness),
  );

  // A recording may go on without a call, while its caller is away.
  const isIdle = () => callsUnderWay + queue.running + queue.waiting === 0;
  const growth = watchMemory(options.maxMemoryBytes, isIdle);

  return {
    port,
    metricsPort: http.addr.port,
    outgrown: growth.outgrown,
    async shutDown(now) {
      growth[Symbol.dispose]();
      health.setStatus("", "NOT_SERVING");
      health.setStatus("necoperf.NecoPerf", "NOT_SERVING");
      readiness.invalidate();
      await recordings.shutDown(options.shutdownGraceSeconds, now);
      // Callers delete a result when they have it whole.
      await store.drained(LAST_CALLS_SECONDS);
      listener.close();
      await closeServer(server);
      watch?.[Symbol.dispose]();
      await store.close();
      lookup.close();
      // Last, so that whoever asks meanwhile hears that the daemon is not ready.
      ended.abort();
    },
  };
}

function createAdmission(
  { auth, containerLookup }: DaemonOptions,
  lookup: ContainerLookup,
): Admission {
  if (auth.kind === "none") return createOpenAdmission(lookup);
  const { serviceAccountDir, tokenAudience: audience, nodeName = "" } = auth;
  const server = auth.apiServer ?? apiServerOfPod();
  const api = connectKubernetes({ server, serviceAccountDir });
  return createKubernetesAdmission({
    lookup,
    owners: containerLookup === "cri" ? createRuntimeOwners() : createApiOwners(api, { nodeName }),
    authenticator: createAuthenticator(api, { audience }),
    authorizer: createAuthorizer(api),
  });
}

/** Where Kubernetes says to every pod that the API server is. */
function apiServerOfPod(): string {
  const host = Deno.env.get("KUBERNETES_SERVICE_HOST");
  const port = Deno.env.get("KUBERNETES_SERVICE_PORT");
  if (!host || !port) {
    throw new Error(
      "there is no API server to ask who may profile: KUBERNETES_SERVICE_HOST and " +
        "KUBERNETES_SERVICE_PORT are not set, so this is no pod (for development: --auth=none)",
    );
  }
  // Deno's permissions know no ranges of IPv6 addresses (2.9.6), but this name.
  return `https://${host.includes(":") ? "kubernetes.default.svc" : host}:${port}`;
}

/** Says in the log, a metric and the readiness report which perf and kernel work together here. */
async function compareVersions(
  metrics: Metrics,
  readiness: ReadinessProbe,
  log: Log,
): Promise<PerfAndKernel> {
  const kernel = Deno.osRelease();
  // A perf that cannot be run is the readiness check's to report.
  const perf = await perfVersion().catch(() => "none");
  const skew = perf === "none" ? undefined : findVersionSkew(perf, kernel);
  metrics.versions(perf, kernel, perf !== "none" && skew === undefined);
  if (skew === undefined) {
    log.info("versions", { perf, kernel });
  } else {
    readiness.warn(skew);
    log.warning(skew, { perf, kernel });
  }
  return { perf, kernel, skew };
}

function checkAccepting(recordings: Recordings): Promise<void> {
  return recordings.accepting
    ? Promise.resolve()
    : Promise.reject(new Error("the daemon is shutting down"));
}

/** Ends the connections when their calls have ended, or when those take too long. */
async function closeServer(server: grpc.Server): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  server.tryShutdown(() => resolve());
  const timer = setTimeout(() => {
    // tryShutdown does not call back for a connection whose peer has gone without a word.
    server.forceShutdown();
    resolve();
  }, LAST_CALLS_SECONDS * 1000);
  await ended;
  clearTimeout(timer);
}
