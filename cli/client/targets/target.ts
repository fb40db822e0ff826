import type { DaemonCredentials } from "../daemon/daemon_credentials.ts";
import type { DaemonEndpoint } from "../daemon/daemon_endpoint.ts";
import { loadGrpc } from "../daemon/connection.ts";
import {
  type AddressReference,
  findDaemonPod,
  type NamespaceReference,
  openDaemon,
  openNamespace,
  settleAccess,
  toEndpoint,
} from "./find_daemon.ts";
import { type CpuResources, pickContainer } from "./pick_container.ts";

/** A container of a pod that a user names. */
export interface PodReference extends NamespaceReference {
  /** The name of the pod. */
  pod: string;
  /** Default: as kubectl picks it. */
  container?: string;
}

/** A container that is known to a daemon by its id; no cluster is asked. */
export interface ContainerReference extends AddressReference {
  /** As the runtime names it, without `containerd://` before it. */
  containerId: string;
}

/** A container that runs, and the daemon that can profile it. */
export interface Target {
  /** As the runtime names it, without `containerd://` before it. */
  containerId: string;
  /** Where the daemon on the container's node is. */
  endpoint: DaemonEndpoint;
  /** How the daemon is called. Default: without a token, over plain text. */
  access?: DaemonCredentials;
  /** Known when it was found by its pod. */
  pod?: {
    namespace: string;
    name: string;
    container: string;
    nodeName: string;
    /** What Kubernetes lets the container have of the node's processors. */
    cpu?: CpuResources;
  };
}

/**
 * Finds a pod's container and the daemon on its node, with one GET and one LIST of pods, and how to
 * call it: from files or, at the same time, with one GET of a ConfigMap.
 *
 * Rejects with a `CliError` that says what is in the way: a kubeconfig or a file with a token or a
 * certificate, before anything is asked (exit status 2), no such pod, container or daemon or one
 * that does not run (3), missing rights (4), an API server that does not answer (5), `signal`
 * (130).
 */
export async function findTarget(reference: PodReference, signal?: AbortSignal): Promise<Target> {
  const { cluster, namespace, necoperfNamespace, route, access } = await openNamespace(
    reference,
    signal,
  );
  const reading = cluster.readPod(namespace, reference.pod);
  // While the API server answers; connecting reports a failure.
  loadGrpc().catch(() => {});
  const pod = await reading;
  const { id, name: container, nodeName, cpu } = pickContainer(pod, reference.container);
  const place = { nodeName, namespace: necoperfNamespace };
  const daemon = await findDaemonPod(cluster, place);
  const endpoint = toEndpoint(daemon, { cluster, route, place, options: reference });
  return {
    containerId: id,
    endpoint,
    access: await settleAccess(await access, { endpoint, nodeName, signal }),
    pod: { namespace: pod.namespace, name: pod.name, container, nodeName, cpu },
  };
}

/** Names a container to a daemon whose address is known. Rejects as `openDaemon` does. */
export async function openTarget(reference: ContainerReference): Promise<Target> {
  return { containerId: reference.containerId, ...await openDaemon(reference) };
}
