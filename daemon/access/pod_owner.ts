import type { Container } from "../containers/container.ts";
import type { KubernetesApi } from "./kubernetes_api.ts";
import type { NodePod } from "./node_pod.ts";

/** The pod that a container belongs to. */
export type PodOwner = Required<Pick<Container, "podNamespace" | "podName" | "containerName">>;

/** The pod of a container, or for the log why none can be shown to be it. */
export type Ownership =
  | { owner: PodOwner; status?: PodStatus; reason?: undefined }
  | { owner?: undefined; status?: undefined; reason: string };

/** What Kubernetes says of a container, some seconds ago. */
export interface PodStatus {
  running: boolean;
  runtimeClass?: string;
}

/** Finds the pods that containers belong to, never from what a caller says. */
export interface PodOwners {
  /** The pod that a running container really belongs to. */
  ownerOf(container: Container): Promise<Ownership>;

  /** The pod in whose status an id is, of a container that may run no more. */
  named(containerId: string): Promise<Ownership>;
}

const NO_POD: Ownership = { reason: "no pod's container" };

/** Takes the runtime's word, which a lookup has put into the container. */
export function createRuntimeOwners(): PodOwners {
  return {
    ownerOf({ podNamespace, podName, containerName }) {
      const known = podNamespace && podName && containerName;
      return Promise.resolve(known ? { owner: { podNamespace, podName, containerName } } : NO_POD);
    },
    named: () => Promise.resolve(NO_POD),
  };
}

/** How long a list of pods stands for containers that are in it. */
const LIST_VALID_MS = 3000;
/** How old a list must be to be asked for again because a container is not in it. */
const MIN_LIST_AGE_MS = 1000;

/**
 * Asks the API server for the pods of this node.
 *
 * A container is the pod's whose UID is in its cgroup path, which the kubelet made: the API server
 * gives each pod a UID that no other has and that nobody can change. The pod's status says which of
 * its containers it is. A status and the annotations of a mirror pod can be written by others than
 * the kubelet, so where two pods claim one UID, or a container is claimed twice, it is nobody's.
 */
export function createApiOwners(
  api: Pick<KubernetesApi, "podsOfNode">,
  { nodeName, now = () => performance.now(), wait = delay }: {
    nodeName: string;
    now?: () => number;
    wait?: (milliseconds: number) => Promise<void>;
  },
): PodOwners {
  let list: { pods: NodePod[]; askedAt: number } | undefined;
  let loading: Promise<NodePod[]> | undefined;

  async function load(): Promise<NodePod[]> {
    const askedAt = now();
    const pods = await api.podsOfNode(nodeName);
    list = { pods, askedAt };
    return pods;
  }

  /** The pods, by a list that is at most `maxAgeMs` old. */
  function pods(maxAgeMs: number): Promise<NodePod[]> {
    if (list && now() - list.askedAt <= maxAgeMs) return Promise.resolve(list.pods);
    loading ??= load().finally(() => loading = undefined);
    return loading;
  }

  return {
    async ownerOf({ id, podUid }) {
      if (podUid === undefined) return NO_POD;
      const startedAt = now();
      const find = (candidates: NodePod[]) => ownerAmong(candidates, id, podUid);
      const known = find(await pods(LIST_VALID_MS));
      if (known.owner || list!.askedAt >= startedAt) return known;
      // A container may be newer than the list. Asked at most once a second, however many ids a
      // caller guesses.
      await wait(Math.max(0, list!.askedAt + MIN_LIST_AGE_MS - now()));
      return find(await pods(now() - startedAt));
    },

    async named(containerId) {
      return ownerAmong(await pods(LIST_VALID_MS), containerId);
    },
  };
}

function ownerAmong(pods: NodePod[], id: string, podUid?: string): Ownership {
  const claims = pods.flatMap((pod) =>
    pod.containers.filter((container) => container.id === id)
      .map(({ name, running }) => ({ pod, name, running }))
  );
  if (claims.length > 1) return contested("the container", claims.map(describeClaim));
  if (podUid !== undefined) {
    const holders = pods.filter(({ uid, staticUid }) => uid === podUid || staticUid === podUid);
    if (holders.length > 1) return contested(`pod UID ${podUid}`, holders.map(describePod));
    // The one in whose status the container is may be another.
    if (claims[0]?.pod !== holders[0]) return NO_POD;
  }
  const [claim] = claims;
  if (!claim) return NO_POD;
  const { pod: { namespace, name, runtimeClass }, name: containerName, running } = claim;
  const owner = { podNamespace: namespace, podName: name, containerName };
  return { owner, status: { running, runtimeClass } };
}

/** Names some of those who claim the same; an attacker may make many. */
function contested(what: string, claims: string[]): Ownership {
  const others = claims.length - MAX_CLAIMS_NAMED;
  const named = claims.slice(0, MAX_CLAIMS_NAMED).join(", ") +
    (others > 0 ? ` and ${others} more` : "");
  return { reason: `${what} is claimed ${claims.length} times: by ${named}` };
}

const MAX_CLAIMS_NAMED = 5;

function describeClaim({ pod, name }: { pod: NodePod; name: string }): string {
  return `container ${name} of ${describePod(pod)}`;
}

function describePod({ namespace, name, uid }: NodePod): string {
  return `pod ${namespace}/${name} (UID ${uid})`;
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
