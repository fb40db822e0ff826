import { CliError, ExitStatus, mostCommonStatus } from "../../errors.ts";
import {
  findDaemonPods,
  type NamespaceReference,
  openNamespace,
  settleAccess,
  toEndpoint,
} from "./find_daemon.ts";
import type { DaemonCredentials } from "../daemon/daemon_credentials.ts";
import type { Cluster, PodSelectors } from "../cluster/kubernetes.ts";
import { forEachConcurrent } from "../for_each_concurrent.ts";
import type { Pod } from "../cluster/pod.ts";
import type { Target } from "./target.ts";
import { pickContainer, type RunningContainer } from "./pick_container.ts";
import { groupAlike, likewise } from "./alike.ts";
import { formatTargetName, type TargetName } from "./target_name.ts";

/** Containers of pods that a user names, by their own names or others. */
export interface TargetsReference extends NamespaceReference {
  /** Pods, and workloads for all of their pods. */
  names?: TargetName[];
  /** All pods of the namespace that these fit; an empty one fits all. */
  selectors?: PodSelectors;
  /** One of each pod. Default: as kubectl picks it. */
  container?: string;
}

/** What names stand for. */
export interface FoundTargets {
  /** One container of each pod; pods of one node are as far from each other as they can be. */
  targets: Target[];
  /** What was named and cannot be profiled, and why. */
  failures: { name: string; error: CliError; nodeName?: string }[];
  /** Pods of workloads or selectors that do not run. */
  skipped: SkippedPod[];
}

/** A pod that nobody has named, and that cannot be profiled. */
export interface SkippedPod {
  /** `namespace/name`. */
  name: string;
  /** Why not, in words for the user. */
  reason: string;
}

/** A container that runs, and its pod. */
interface FoundContainer extends RunningContainer {
  pod: Pod;
}

/** Requests for names that are under way at once. */
const MOST_REQUESTS = 8;

/**
 * Finds the containers of names and selectors, and the daemons on their nodes: with one GET for
 * each name, one LIST of pods for each workload and page of them, and what `findDaemonPods` and
 * `findTarget` ask. All targets share one access.
 *
 * Rejects with a `CliError` as `findTarget` does when there is nothing to profile, or for what
 * concerns all alike. A problem of one of them is among the `failures`.
 */
export async function findTargets(
  reference: TargetsReference,
  signal?: AbortSignal,
): Promise<FoundTargets> {
  const { cluster, namespace, necoperfNamespace, route, access } = await openNamespace(
    reference,
    signal,
  );
  const { containers, failures, skipped } = await findContainers(cluster, namespace, reference);
  const nodeNames = [...new Set(containers.map(({ nodeName }) => nodeName))];
  const daemons = await findDaemonPods(cluster, nodeNames, necoperfNamespace);
  const targets: Target[] = [];
  let settled: DaemonCredentials | undefined;
  for (const { id, name: container, nodeName, cpu, pod } of spread(containers)) {
    const daemon = daemons.get(nodeName)!;
    if (daemon instanceof CliError) {
      failures.push({ name: `${pod.namespace}/${pod.name}`, error: daemon, nodeName });
      continue;
    }
    const place = { nodeName, namespace: necoperfNamespace };
    const endpoint = toEndpoint(daemon, { cluster, route, place, options: reference });
    settled ??= await settleAccess(await access, { endpoint, nodeName, signal });
    targets.push({
      containerId: id,
      endpoint,
      access: settled,
      pod: { namespace: pod.namespace, name: pod.name, container, nodeName, cpu },
    });
  }
  if (targets.length === 0) throw nothingFound(namespace, failures, skipped);
  return { targets, failures, skipped };
}

async function findContainers(
  cluster: Cluster,
  namespace: string,
  { names = [], selectors, container }: TargetsReference,
) {
  const named = new Map<string, FoundContainer>();
  const behind = new Map<string, Pod>();
  /** By their places among the names. */
  const failed: FoundTargets["failures"] = [];
  const list = async (selectors: PodSelectors) => {
    const pods = await cluster.selectPods(namespace, selectors);
    for (const pod of pods) behind.set(pod.name, pod);
    return pods.length;
  };
  await forEachConcurrent(names.entries(), MOST_REQUESTS, async ([at, target]) => {
    const { workload, name } = target;
    try {
      if (!workload) {
        const pod = await cluster.readPod(namespace, name);
        named.set(name, { ...pickContainer(pod, container), pod });
        return;
      }
      const label = await cluster.readSelector(namespace, workload, name);
      if (await list({ label }) > 0) return;
      throw new CliError(
        ExitStatus.NOT_FOUND,
        `${formatTargetName(target)} has no pods in namespace ${namespace} (${label})`,
      );
    } catch (error) {
      if (!(error instanceof CliError) || error.exitStatus === ExitStatus.INTERRUPTED) throw error;
      failed[at] = { name: formatTargetName(target), error };
    }
  });
  if (selectors) await list(selectors);
  const skipped: SkippedPod[] = [];
  const containers = [...named.values()];
  for (const pod of behind.values()) {
    if (named.has(pod.name)) continue;
    try {
      containers.push({ ...pickContainer(pod, container), pod });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      skipped.push({ name: `${pod.namespace}/${pod.name}`, reason: error.message });
    }
  }
  return { containers, failures: failed.flat(), skipped };
}

/** Takes one of each node in turn: a node's daemon records few at a time. */
function spread(containers: FoundContainer[]): FoundContainer[] {
  const nodes = [...Map.groupBy(containers, ({ nodeName }) => nodeName).values()];
  const longest = Math.max(0, ...nodes.map(({ length }) => length));
  return Array.from({ length: longest }, (_, turn) => nodes.flatMap((node) => node[turn] ?? []))
    .flat();
}

function nothingFound(
  namespace: string,
  failures: FoundTargets["failures"],
  skipped: SkippedPod[],
): CliError {
  const said = [
    ...failures.map(({ name, error, nodeName }) => ({
      name,
      message: error.message,
      details: [nodeName],
    })),
    ...skipped.map(({ name, reason }) => ({ name, message: reason })),
  ];
  const words = groupAlike(said).map(([first, ...others]) => first.message + likewise(others));
  return new CliError(
    failures.length > 0
      ? mostCommonStatus(failures.map(({ error }) => error))
      : ExitStatus.NOT_FOUND,
    words.join("\n") || `no pods were found in namespace ${namespace}`,
  );
}
