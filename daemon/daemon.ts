import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, protoPath as healthProtoPath } from "grpc-health-check";
import {
  grpc,
  loadNecoPerf,
  loadNecoPerfDefinition,
  loadPackageDefinition,
} from "../proto/grpc.ts";
import type { DaemonOptions } from "./arguments.ts";
import { createContainerLookup } from "./container_lookup.ts";
import { createHttpHandler } from "./http.ts";
import type { Log } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { checkPerf, perfVersion, startPerfRecord, startPerfScript } from "./perf.ts";
import { findVersionSkew } from "./perf_version.ts";
import { ReadinessProbe } from "./readiness.ts";
import { RecordingQueue } from "./recording_queue.ts";
import { Recordings } from "./recordings.ts";
import { ResultStore } from "./result_store.ts";
import { createService } from "./service.ts";

/** The process that the daemon tries perf on: in the host's PID namespace it is another user's. */
const HOST_INIT_PID = 1;
/** How long calls that are under way at shutdown have when the recordings have ended. */
const LAST_CALLS_SECONDS = 10;

const SERVER_OPTIONS: grpc.ServerOptions = {
  // Requests are small: a container id and a few numbers.
  "grpc.max_receive_message_length": 64 * 1024,
  // A caller that is cut off without a word is found out, and its recording ended, in seconds.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

/** A daemon that serves. */
export interface RunningDaemon {
  /** The ports it listens on, which differ from the options' where those are 0. */
  port: number;
  metricsPort: number;
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
  const store = new ResultStore(options.workDir, options.resultRetentionSeconds);
  await store.open();
  const queue = new RecordingQueue({
    maxConcurrent: options.maxConcurrent,
    maxWaiting: options.maxQueue,
  });
  const metrics = new Metrics(queue);
  const recordings = new Recordings({
    lookup,
    perf: { startRecord: startPerfRecord, startScript: startPerfScript },
    limits: options.limits,
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
  await compareVersions(metrics, readiness, log);
  const { report, ready } = await readiness.get();
  if (!ready) log.error("not ready", { report });

  const health = new HealthImplementation({ "": "SERVING", "necoperf.NecoPerf": "SERVING" });
  const server = new grpc.Server(SERVER_OPTIONS);
  server.addService(
    loadNecoPerf().NecoPerf.service,
    createService(recordings, { maxRecordResponseBytes: options.maxRecordResponseBytes }),
  );
  health.addToServer(server);
  new ReflectionService({
    ...loadNecoPerfDefinition(),
    ...loadPackageDefinition(healthProtoPath),
  }).addToServer(server);
  const port = await listen(server, options.address, options.port);

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

  return {
    port,
    metricsPort: http.addr.port,
    async shutDown(now) {
      health.setStatus("", "NOT_SERVING");
      health.setStatus("necoperf.NecoPerf", "NOT_SERVING");
      readiness.invalidate();
      await recordings.shutDown(options.shutdownGraceSeconds, now);
      // Callers delete a result when they have it whole.
      await store.drained(LAST_CALLS_SECONDS);
      await closeServer(server);
      await store.close();
      lookup.close();
      // Last, so that whoever asks meanwhile hears that the daemon is not ready.
      ended.abort();
    },
  };
}

/** Says in the log, a metric and the readiness report which perf and kernel work together here. */
async function compareVersions(
  metrics: Metrics,
  readiness: ReadinessProbe,
  log: Log,
): Promise<void> {
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
}

function checkAccepting(recordings: Recordings): Promise<void> {
  return recordings.accepting
    ? Promise.resolve()
    : Promise.reject(new Error("the daemon is shutting down"));
}

function listen(server: grpc.Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync(`${address}:${port}`, credentials, (error, boundPort) => {
      if (error) reject(new Error(`cannot listen on ${address}:${port}: ${error.message}`));
      else resolve(boundPort);
    });
  });
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
