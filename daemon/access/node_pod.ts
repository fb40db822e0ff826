import { isContainerId, stripRuntime } from "../../proto/container_id.ts";
import { isDnsLabel } from "./dns_label.ts";

/**
 * The parts of a pod that identify its containers.
 *
 * A user who may patch `pods/status` and `pods` in a namespace decides about all of it but the UID,
 * and about more with `create` on `pods`: a claim here proves nothing by itself.
 */
export interface NodePod {
  namespace: string;
  name: string;
  /** The API server's own, which no other pod has. */
  uid: string;
  /** For the mirror of a static pod, the UID by which its kubelet's cgroups name that. */
  staticUid?: string;
  /** The RuntimeClass that it asks for by name. */
  runtimeClass?: string;
  /** The containers in its status that have been made, in no order; an id may be there twice. */
  containers: NodeContainer[];
}

/** A container in the status of a pod. */
interface NodeContainer {
  id: string;
  name: string;
  /** Whether the status says that it runs. It is seconds old. */
  running: boolean;
}

/** A pod as the API server has it, as far as it is read here. */
export interface ApiPod {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    annotations?: Record<string, string>;
    ownerReferences?: { apiVersion?: string; kind?: string; name?: string; controller?: boolean }[];
    deletionTimestamp?: string;
  };
  spec?: { serviceAccountName?: string; runtimeClassName?: string };
  status?: {
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
    ephemeralContainerStatuses?: ContainerStatus[];
  };
}

interface ContainerStatus {
  name: string;
  /** `containerd://<id>`; missing while the container is not made. */
  containerID?: string;
  state?: { running?: unknown; waiting?: unknown; terminated?: unknown };
}

/** Takes from a pod of a node what identifies its containers. */
export function toNodePod(pod: ApiPod, nodeName: string): NodePod {
  const { metadata: { namespace, name, uid }, spec, status = {} } = pod;
  const containers = [
    ...status.containerStatuses ?? [],
    ...status.initContainerStatuses ?? [],
    ...status.ephemeralContainerStatuses ?? [],
  ].map(({ name, containerID = "", state }) => ({
    ...{ id: stripRuntime(containerID), name, running: state?.running !== undefined },
  }))
    .filter(({ id, name }) => isContainerId(id) && isDnsLabel(name));
  const staticUid = staticUidOf(pod, nodeName);
  const runtimeClass = spec?.runtimeClassName;
  return {
    ...{ namespace, name, uid },
    ...(staticUid && { staticUid }),
    ...(runtimeClass && { runtimeClass }),
    containers,
  };
}

/**
 * The UID of the static pod that a pod mirrors; undefined for one that is not as the kubelet makes
 * mirrors (pkg/kubelet/config/common.go, applyDefaults and generatePodName;
 * pkg/kubelet/pod/mirror_client.go, CreateMirrorPod; Kubernetes 1.17 and later).
 *
 * The UID is a hash, unless the static pod's manifest sets another. Only a hash counts: it is not
 * of the form of the API server's UIDs, so that no mirror stands for a pod that is not static.
 */
function staticUidOf({ metadata, spec }: ApiPod, nodeName: string): string | undefined {
  const { name, annotations = {}, ownerReferences = [], deletionTimestamp } = metadata;
  const hash = annotations["kubernetes.io/config.hash"];
  const [owner] = ownerReferences;
  const isMirror = /^[0-9a-f]{32}$/.test(hash) &&
    annotations["kubernetes.io/config.mirror"] === hash &&
    ["file", "http"].includes(annotations["kubernetes.io/config.source"]) &&
    ownerReferences.length === 1 && owner.apiVersion === "v1" && owner.kind === "Node" &&
    owner.name === nodeName && owner.controller === true &&
    name.endsWith(`-${nodeName.toLowerCase()}`) &&
    // The API server lets no mirror have one; the kubelet deletes mirrors that are not its own.
    !spec?.serviceAccountName && deletionTimestamp === undefined;
  return isMirror ? hash : undefined;
}
