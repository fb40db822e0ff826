import { NECOPERF_NAMESPACE } from "../../../proto/defaults.ts";
import {
  type AccessOptions,
  completeAccess,
  type DaemonCredentials,
  readAccessFiles,
} from "../daemon/daemon_credentials.ts";
import type { DaemonEndpoint, Route, Via } from "../daemon/daemon_endpoint.ts";
import { chooseServiceAccount } from "../daemon/choose_service_account.ts";
import { type DaemonReference, nameDaemon } from "../daemon/reconnecting_client.ts";
import { DAEMON_LABEL, type DaemonPod, pickDaemon } from "../cluster/daemon_pod.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { type Cluster, type ClusterOptions, openCluster } from "../cluster/kubernetes.ts";

/** A namespace of a cluster, and the cluster's daemons. */
export interface NamespaceReference extends ClusterOptions {
  /**
   * Where the pods are that are named, and the service account of the caller. Default: the
   * kubeconfig context's, or that of the pod this runs in.
   */
  namespace?: string;
  /** Where the daemons are. Default: `necoperf`. */
  necoperfNamespace?: string;
  /** How the daemons are called. Default: as `AccessOptions` says. */
  access?: AccessOptions;
  /**
   * How the daemons are reached: at their pods' addresses, or through the API server's
   * port-forward. Default, `auto`: at their addresses if those answer within a second.
   */
  via?: Via;
}

/** A node of a cluster, whose daemon keeps a result. */
export interface NodeReference extends NamespaceReference {
  /** The name of the node. */
  nodeName: string;
}

/** A daemon with a known address, that keeps a result. */
export interface AddressReference {
  /** `host:port` of the daemon. */
  daemonAddress: string;
  /** Part of the name that the daemon's certificate has. Default: `necoperf`. */
  necoperfNamespace?: string;
  /** How the daemon is called. There is no service account to ask a token for. */
  access?: Omit<AccessOptions, "serviceAccount">;
}

/** Where something is looked for. */
interface OpenNamespace {
  cluster: Cluster;
  namespace: string;
  necoperfNamespace: string;
  /** How the daemons are reached. */
  route: Route;
  /**
   * Under way. To be awaited after everything else: what is wrong with the pod, not with the
   * access, is what people want to hear first.
   */
  access: Promise<DaemonCredentials>;
}

/**
 * Opens the cluster that is named, and puts together how its daemons are called.
 *
 * Rejects with a `CliError` as `readAccessFiles` and `openCluster` do, before anything is asked;
 * `access` rejects as `completeAccess` does.
 */
export async function openNamespace(
  reference: NamespaceReference,
  signal?: AbortSignal,
): Promise<OpenNamespace> {
  const { access: options = {}, necoperfNamespace = NECOPERF_NAMESPACE } = reference;
  const files = await readAccessFiles(options);
  const cluster = await openCluster(reference, signal);
  const namespace = reference.namespace ?? cluster.defaultNamespace;
  const access = completeAccess(files, options, necoperfNamespace, {
    cluster,
    targetNamespace: namespace,
  });
  // Those that await it get the failure.
  access.catch(() => {});
  const route: Route = { via: reference.via ?? "auto" };
  return { cluster, namespace, necoperfNamespace, route, access };
}

/**
 * Finds the daemon on a node with one LIST of pods, and how to call it. Rejects with a `CliError`
 * as `findTarget` does.
 */
export async function findDaemon(
  reference: NodeReference,
  signal?: AbortSignal,
): Promise<DaemonReference> {
  const { nodeName } = reference;
  const { cluster, necoperfNamespace, route, access } = await openNamespace(reference, signal);
  const place = { nodeName, namespace: necoperfNamespace };
  const pod = await findDaemonPod(cluster, place);
  const endpoint = toEndpoint(pod, { cluster, route, place, options: reference });
  return {
    endpoint,
    nodeName,
    access: await settleAccess(await access, { endpoint, nodeName, signal }),
  };
}

/** Asks a daemon, where the API server could not be asked, as which service account to call. */
export function settleAccess(
  access: DaemonCredentials,
  { endpoint, nodeName, signal = new AbortController().signal }: {
    endpoint: DaemonEndpoint;
    nodeName: string;
    signal?: AbortSignal;
  },
): Promise<DaemonCredentials> {
  return chooseServiceAccount({ endpoint, name: nameDaemon(endpoint, nodeName), access, signal });
}

/**
 * Puts together how to call a daemon whose address is known. Nothing is contacted.
 *
 * Rejects with a `CliError` (exit status 2 or 4) that names the file with a token or a certificate
 * that is of no use.
 */
export async function openDaemon(reference: AddressReference): Promise<DaemonReference> {
  const { daemonAddress, access: options = {} } = reference;
  const namespace = reference.necoperfNamespace ?? NECOPERF_NAMESPACE;
  const files = await readAccessFiles(options);
  const endpoint = { address: daemonAddress };
  return { endpoint, access: await completeAccess(files, options, namespace) };
}

/** Which daemon is meant. */
interface DaemonPlace {
  /** The name of the node. */
  nodeName: string;
  /** The daemons' namespace. */
  namespace: string;
}

/**
 * Asks the API server, with one LIST of pods, where the daemon of a node is. When that has none to
 * be called, with another that is not from its cache. Rejects with a `CliError` as `listPods` and
 * `pickDaemon` do.
 */
export async function findDaemonPod(
  cluster: Pick<Cluster, "listPods">,
  place: DaemonPlace,
): Promise<DaemonPod> {
  const { nodeName, namespace } = place;
  const selectors = { label: DAEMON_LABEL, nodeName };
  const cached = await cluster.listPods(namespace, selectors);
  try {
    return pickDaemon(cached, place);
  } catch {
    return pickDaemon(
      await cluster.listPods(namespace, { ...selectors, fresh: true }),
      place,
    );
  }
}

/** As many nodes are asked about one by one, each out of the API server's cache. */
const MOST_LISTS = 8;

/**
 * Asks the API server where the daemons of several nodes are: with one LIST of pods for each node,
 * or for all of the daemons when the nodes are many. A node without a daemon to be called has the
 * `CliError` that says so in its place. Rejects with a `CliError` as the lists do.
 */
export async function findDaemonPods(
  cluster: Pick<Cluster, "listPods" | "selectPods">,
  nodeNames: string[],
  namespace: string,
): Promise<Map<string, DaemonPod | CliError>> {
  const orMissing = async (find: () => Promise<DaemonPod> | DaemonPod) => {
    try {
      return await find();
    } catch (error) {
      if (error instanceof CliError && error.exitStatus === ExitStatus.NOT_FOUND) return error;
      throw error;
    }
  };
  if (nodeNames.length <= MOST_LISTS) {
    return new Map(
      await Promise.all(nodeNames.map(async (nodeName) => {
        const place = { nodeName, namespace };
        return [nodeName, await orMissing(() => findDaemonPod(cluster, place))] as const;
      })),
    );
  }
  const daemons = Map.groupBy(
    await cluster.selectPods(namespace, { label: DAEMON_LABEL }),
    ({ nodeName }) => nodeName,
  );
  const found = new Map<string, DaemonPod | CliError>();
  for (const nodeName of nodeNames) {
    const pods = daemons.get(nodeName) ?? [];
    found.set(nodeName, await orMissing(() => pickDaemon(pods, { nodeName, namespace })));
  }
  return found;
}

/** The other parts of an endpoint, besides the pod. */
export interface EndpointContext {
  /** With which the tunnel is opened. */
  cluster: Pick<Cluster, "forwardPort">;
  route: Route;
  /** For which daemon is looked again. */
  place: DaemonPlace;
  /** How the cluster is opened to look again, with what the kubeconfig file says by then. */
  options: ClusterOptions;
}

/** The endpoint of a daemon's pod, that is found again by asking the cluster. */
export function toEndpoint(pod: DaemonPod, context: EndpointContext): DaemonEndpoint {
  const { cluster, route, place, options } = context;
  const { address, namespace, name, port } = pod;
  return {
    address,
    tunnel: {
      route,
      open: (signal) => cluster.forwardPort({ namespace, pod: name, port }, signal),
    },
    findAgain: async (signal) => {
      const cluster = await openCluster(options, signal);
      return toEndpoint(await findDaemonPod(cluster, place), { ...context, cluster });
    },
  };
}
