import {
  type AccessOptions,
  completeAccess,
  type DaemonAccess,
  readAccessFiles,
} from "./daemon_access.ts";
import { DAEMON_LABEL, pickDaemonAddress } from "./daemon_pod.ts";
import { recordContainer, type RecordingEvent, type RecordingSummary } from "./daemon_client.ts";
import { interrupted } from "./exit_status.ts";
import type { ClusterOptions } from "./kubeconfig.ts";
import { openCluster } from "./kubernetes.ts";
import { openFileOutput, openStandardOutput, type Output } from "./output.ts";
import type { RecordOptions } from "./record_options.ts";
import { pickContainer } from "./target.ts";

/** A container of a pod that a user names. */
export interface PodReference extends ClusterOptions {
  pod: string;
  /** Default: the kubeconfig context's, or that of the pod this runs in. */
  namespace?: string;
  /** Default: as kubectl picks it. */
  container?: string;
  /** Where the daemons are. Default: `necoperf`. */
  necoperfNamespace?: string;
  /** How the daemon is called. Default: as `AccessOptions` says. */
  access?: AccessOptions;
}

/** A container that is known to a daemon by its id; no cluster is asked. */
export interface ContainerReference {
  containerId: string;
  /** `host:port` of the daemon. */
  daemonAddress: string;
  /** Part of the name that the daemon's certificate has. Default: `necoperf`. */
  necoperfNamespace?: string;
  /** How the daemon is called. There is no service account to ask a token for. */
  access?: Omit<AccessOptions, "serviceAccount">;
}

/** A container that runs, and the daemon that can profile it. */
export interface Target {
  containerId: string;
  /** `host:port` of the daemon on the container's node. */
  daemonAddress: string;
  /** How the daemon is called. Default: without a token, over plain text. */
  access?: DaemonAccess;
  /** Known when it was found by its pod. */
  pod?: { namespace: string; name: string; container: string; nodeName: string };
}

/** What to record, and where the result goes. */
export interface ProfileOptions {
  target: Target;
  durationSeconds: number;
  recordOptions?: RecordOptions;
  /** A directory, which is made when it is missing; `-` for standard output. */
  outputDirectory: string;
  onEvent?: (event: RecordingEvent) => void;
  /** Gives up: nothing is kept. */
  signal?: AbortSignal;
  /** Ends sampling early and keeps what there is by then. */
  stopSignal?: AbortSignal;
}

/** A result that has arrived whole. */
export interface ProfileResult extends RecordingSummary {
  /** Not there when it went to standard output. */
  path?: string;
}

/** What is used where a reference says nothing. */
const NECOPERF_NAMESPACE = "necoperf";

/**
 * Finds a pod's container and the daemon on its node, with one GET and one LIST of pods, and how to
 * call it: from files or, at the same time, with one GET of a ConfigMap.
 *
 * Rejects with a `CliError` that says what is in the way: a kubeconfig or a file with a token or a
 * certificate, before anything is asked (exit status 2), no such pod, container or daemon or one
 * that does not run (3), missing rights (4), an API server that does not answer (5), `signal` (130).
 */
export async function findTarget(reference: PodReference, signal?: AbortSignal): Promise<Target> {
  const { access: options = {}, necoperfNamespace = NECOPERF_NAMESPACE } = reference;
  const files = await readAccessFiles(options);
  const cluster = await openCluster(reference, signal);
  const namespace = reference.namespace ?? cluster.defaultNamespace;
  const access = completeAccess(files, options, necoperfNamespace, {
    cluster,
    targetNamespace: namespace,
  });
  // Awaited last: what is wrong with the pod is what people want to hear first.
  access.catch(() => {});
  const pod = await cluster.readPod(namespace, reference.pod);
  const { id, name: container, nodeName } = pickContainer(pod, reference.container);
  const daemons = await cluster.listPods(necoperfNamespace, { label: DAEMON_LABEL, nodeName });
  return {
    containerId: id,
    daemonAddress: pickDaemonAddress(daemons, { nodeName, namespace: necoperfNamespace }),
    access: await access,
    pod: { namespace: pod.namespace, name: pod.name, container, nodeName },
  };
}

/**
 * Puts together how to call a daemon whose address is known. Nothing is contacted.
 *
 * Rejects with a `CliError` (exit status 2 or 4) that names the file with a token or a certificate
 * that is of no use.
 */
export async function openTarget(reference: ContainerReference): Promise<Target> {
  const { containerId, daemonAddress, access: options = {} } = reference;
  const files = await readAccessFiles(options);
  const access = await completeAccess(
    files,
    options,
    reference.necoperfNamespace ?? NECOPERF_NAMESPACE,
  );
  return { containerId, daemonAddress, access };
}

/**
 * Profiles a container and writes the result into a directory, under a name of its own and only
 * when it is whole.
 *
 * Rejects with a `CliError`, and leaves no file: the directory cannot be written, which is seen
 * before anything is recorded (exit status 2), or any of what `recordContainer` rejects with.
 */
export async function profile(options: ProfileOptions): Promise<ProfileResult> {
  const { target, signal, stopSignal, recordOptions = {} } = options;
  if (signal?.aborted || stopSignal?.aborted) throw interrupted();
  const output = await openOutput(options);
  try {
    const summary = await recordContainer({
      daemonAddress: target.daemonAddress,
      nodeName: target.pod?.nodeName,
      containerId: target.containerId,
      durationSeconds: options.durationSeconds,
      options: recordOptions,
      access: target.access,
    }, { write: output.write, onEvent: options.onEvent, signal, stopSignal });
    return { ...summary, path: await output.commit() };
  } catch (error) {
    await output.discard();
    throw error;
  }
}

function openOutput({ outputDirectory, target, recordOptions }: ProfileOptions): Promise<Output> {
  if (outputDirectory === "-") return Promise.resolve(openStandardOutput());
  return openFileOutput(outputDirectory, {
    stem: target.pod
      ? `${target.pod.name}-${target.pod.container}`
      : target.containerId.slice(0, 12),
    extension: recordOptions?.format === "data" ? ".perf.data" : ".perf.txt",
  });
}
