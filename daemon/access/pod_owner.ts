import type { Container } from "../containers/container.ts";
import type { KubernetesApi, NodePod } from "./kubernetes_api.ts";

/** The pod that a container belongs to. */
export type PodOwner = Required<Pick<Container, "podNamespace" | "podName" | "containerName">>;

/** Tells which pods containers belong to. Never from what a caller says. */
export interface PodOwners {
  /** The pod that a running container really belongs to; undefined when that cannot be shown. */
  ownerOf(container: Container): Promise<PodOwner | undefined>;

  /** The pod in whose status an id is, of a container that may run no more. */
  named(containerId: string): Promise<PodOwner | undefined>;
}

/** Takes the runtime's word, which a lookup has put into the container. */
export function createRuntimeOwners(): PodOwners {
  return {
    ownerOf({ podNamespace, podName, containerName }) {
      const owner = podNamespace && podName && containerName
        ? { podNamespace, podName, containerName }
        : undefined;
      return Promise.resolve(owner);
    },
    named: () => Promise.resolve(undefined),
  };
}

/** How long a list of pods stands for containers that are in it. */
const LIST_VALID_MS = 3000;
/** How old a list must be to be asked for again because a container is not in it. */
const MIN_LIST_AGE_MS = 1000;

/**
 * Asks the API server for the pods of this node. A container is a pod's own when its id is in that
 * pod's status, which only the kubelet writes, and its cgroup path names that pod: neither alone is
 * enough.
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

  /** The pods, by a list that is no older than asked for. */
  function pods(maxAgeMs: number): Promise<NodePod[]> {
    if (list && now() - list.askedAt <= maxAgeMs) return Promise.resolve(list.pods);
    loading ??= load().finally(() => loading = undefined);
    return loading;
  }

  return {
    async ownerOf({ id, podUid }) {
      if (podUid === undefined) return undefined;
      const startedAt = now();
      const find = (candidates: NodePod[]) => ownerAmong(candidates, id, podUid);
      const known = find(await pods(LIST_VALID_MS));
      if (known || list!.askedAt >= startedAt) return known;
      // A container may be newer than the list. Asked at most once a second, whoever guesses ids.
      await wait(Math.max(0, list!.askedAt + MIN_LIST_AGE_MS - now()));
      return find(await pods(now() - startedAt));
    },

    async named(containerId) {
      return ownerAmong(await pods(LIST_VALID_MS), containerId);
    },
  };
}

function ownerAmong(pods: NodePod[], id: string, podUid?: string): PodOwner | undefined {
  for (const { namespace, name, uids, containers } of pods) {
    const containerName = containers.get(id);
    if (containerName === undefined || (podUid !== undefined && !uids.includes(podUid))) continue;
    return { podNamespace: namespace, podName: name, containerName };
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
