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
import { blindMeter, createCpuMeters, type OpenCpuMeter } from "./containers/cpu_meter.ts";
import type { ContainerLookup } from "./containers/container.ts";
import { describeDaemon } from "./service/daemon_info.ts";
import { watchMemory } from "./operations/memory_watchdog.ts";
import { createHttpHandler } from "./operations/http.ts";
import { apiServerOfPod, connectKubernetes } from "./access/kubernetes_api.ts";
import type { Log } from "./operations/log.ts";
import { Metrics } from "./operations/metrics.ts";
import { openProcfs } from "./containers/procfs.ts";
import {
  checkPerf,
  perfVersion,
  type ScriptConfinement,
  startPerfRecord,
  startPerfScript,
} from "./perf/perf.ts";
import type { ReadUsage } from "./perf/idle_deadline.ts";
import { PerfWatch } from "./perf/perf_watch.ts";
import { findVersionSkew, type PerfAndKernel } from "./perf/perf_version.ts";
import { createApiOwners, createRuntimeOwners } from "./access/pod_owner.ts";
import { ReadinessProbe } from "./operations/readiness.ts";
import { RecordingQueue } from "./recordings/recording_queue.ts";
import { Recordings } from "./recordings/recordings.ts";
import { ResultStore } from "./results/result_store.ts";
import { listenHttp } from "./service/http_listener.ts";
import { startServer } from "./service/server.ts";

/** The process that the daemon tries perf on: in the host's PID namespace it is another user's. */
const HOST_INIT_PID = 1;
/** How long calls that are under way at shutdown have when the recordings have ended. */
const LAST_CALLS_SECONDS = 10;

/** A daemon that serves. */
interface RunningDaemon {
  /** The ports it listens on, which differ from the options' where those are 0. */
  port: number;
  metricsPort: number;
  /**
   * Resolves with the resident bytes when they are above the options' bound and nothing is done.
   */
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
      "--auth=none: everyone who reaches this daemon may profile everything on this node; it is for " +
        "development",
    );
  } else if (!certificates) {
    log.warning("callers' tokens are not encrypted on the way: there is no --tls-cert-file");
  }
  const admission = createAdmission(options, lookup);
  // The one for development has no host's /proc mounted elsewhere.
  const readUsage = options.containerLookup === "pid"
    ? undefined
    : openProcfs(options.procDir).usage;
  const confinement = confineScripts(options, readUsage);
  const recordings = new Recordings({
    admission,
    lookup,
    openCpuMeter: cpuMeters(options, lookup),
    perf: {
      startRecord: (perfOptions, target, signal) =>
        startPerfRecord(perfOptions, target, signal, readUsage),
      startScript: (perfOptions, signal) => startPerfScript(perfOptions, signal, confinement),
    },
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

  const server = await startServer(recordings, {
    ...{ address: options.address, port: options.port, certificates },
    maxConnections: options.maxConnections,
    onRefused: (reason) => metrics.connectionRefused(reason),
    maxRecordResponseBytes: options.maxRecordResponseBytes,
    stallSeconds: options.stallSeconds,
    async describe(credentials, podNamespace) {
      const caller = await admission.identify(credentials);
      const rights = podNamespace === ""
        ? undefined
        : await admission.rightsIn(caller, podNamespace);
      const nodeName = options.auth.kind === "kubernetes" ? options.auth.nodeName : undefined;
      const state = { versions, readiness: await readiness.get(), queue, rights };
      return describeDaemon({ ...options, nodeName }, state);
    },
    lastCallsSeconds: LAST_CALLS_SECONDS,
  });
  let inUse = certificates;
  const watch = options.tls && certificates &&
    watchCertificates(options.tls, certificates, log, (next) => {
      server.replace(next);
      inUse = next;
    });
  if (inUse) metrics.certificateExpiry(() => expirySeconds(inUse!));

  const http = await listenHttp({
    ...{ address: options.address, port: options.metricsPort },
    answer: createHttpHandler(metrics, readiness),
  });

  // A recording may go on without a call, while its caller is away.
  const isIdle = () => server.calls + queue.running + queue.waiting === 0;
  const growth = watchMemory(options.maxMemoryBytes, isIdle);

  return {
    port: server.port,
    metricsPort: http.port,
    outgrown: growth.outgrown,
    async shutDown(now) {
      growth[Symbol.dispose]();
      server.stopServing();
      readiness.invalidate();
      await recordings.shutDown(options.shutdownGraceSeconds, now);
      // Callers delete a result when they have it whole.
      await store.drained(LAST_CALLS_SECONDS);
      await server.close();
      watch?.[Symbol.dispose]();
      await store.close();
      lookup.close();
      // Last, so that probes see meanwhile that the daemon is not ready.
      http.close();
    },
  };
}

function cpuMeters(
  { containerLookup, procDir, cgroupDir }: DaemonOptions,
  lookup: ContainerLookup,
): OpenCpuMeter {
  // A process of this machine is not a container.
  if (containerLookup === "pid") {
    const meter = blindMeter(
      "processes that are looked up by their ids have no CPU limit of their own",
    );
    return () => Promise.resolve(meter);
  }
  return createCpuMeters({ procfs: openProcfs(procDir), directory: cgroupDir, lookup });
}

/** The limits of perf scripts. */
function confineScripts(
  { maxPerfMemoryBytes: maxMemoryBytes }: DaemonOptions,
  readUsage: ReadUsage | undefined,
): ScriptConfinement {
  // Processes of this machine instead of containers may be in the daemon's mount namespace.
  if (!readUsage) return { directory: "/" };
  return { watch: new PerfWatch({ maxMemoryBytes, readUsage }) };
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
