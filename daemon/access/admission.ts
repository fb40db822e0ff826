import type { Authenticator } from "./authenticator.ts";
import type { Authorizer } from "./authorizer.ts";
import { ANYONE, type Caller, type Credentials } from "../caller.ts";
import { parseContainerId } from "../containers/container_id.ts";
import type { Container, ContainerLookup } from "../containers/container.ts";
import { type AccessQuestion, API_GROUP } from "./kubernetes_api.ts";
import type { PodOwners } from "./pod_owner.ts";
import { quote } from "../quote.ts";
import type { RequestedSide, Side } from "../recording.ts";
import { StatusError } from "../status_error.ts";

/** A caller's wish to record a container. */
export interface AdmissionRequest {
  caller: Caller;
  containerId: string;
  side: RequestedSide;
  signal: AbortSignal;
  /** Called with what is known of the container, for the log, whether or not it may be recorded. */
  found(container: Container): void;
}

/** Decides who may record what. */
export interface Admission {
  /** Who calls. Rejects with `UNAUTHENTICATED` or `UNAVAILABLE`. */
  identify(credentials: Credentials): Promise<Caller>;

  /**
   * The container, and what of it may be sampled. Rejects with `PERMISSION_DENIED`, with
   * `UNAVAILABLE`, and with what the lookup rejects with.
   */
  admit(request: AdmissionRequest): Promise<{ container: Container; side: Side }>;
}

/** Lets everybody record everything. */
export function createOpenAdmission(lookup: ContainerLookup): Admission {
  return {
    identify: () => Promise.resolve(ANYONE),
    async admit({ containerId, side, signal, found }) {
      const container = await lookup.find(containerId, signal);
      found(container);
      return { container, side: side === "allowed" ? "both" : side };
    },
  };
}

/** What decides where Kubernetes says who may do what. */
export interface KubernetesAdmissionParts {
  lookup: ContainerLookup;
  owners: PodOwners;
  authenticator: Authenticator;
  authorizer: Authorizer;
}

/**
 * Lets those record a container who may create `profiles` in the namespace of its pod, and the
 * kernel's side of it who may create `profiles/kernel`.
 *
 * Who may not learns nothing: the refusal is the same for a container of others, for none, and for
 * one that is no pod's, and an access review is made for each. Who may gets the lookup's own words.
 */
export function createKubernetesAdmission(parts: KubernetesAdmissionParts): Admission {
  const { lookup, owners, authenticator, authorizer } = parts;
  return {
    identify: (credentials) => authenticator.authenticate(credentials),

    async admit({ caller, containerId, side, signal, found }) {
      // Of another form it is refused before anything is looked at, which tells nothing either.
      const id = parseContainerId(containerId);
      let container: Container | undefined;
      let failure: unknown;
      try {
        container = await lookup.find(id, signal);
      } catch (error) {
        if (!tellsOfContainer(error)) throw error;
        failure = error;
      }
      const owner = container ? await owners.ownerOf(container) : await owners.named(id);
      found(Object.assign(container ?? { id, mainPid: 0 }, owner));
      const question = (resource: AccessQuestion["resource"]) => ({
        resource,
        // No namespace stands for all of them: who may record everything is told what is there.
        namespace: owner?.podNamespace ?? "",
        name: owner?.podName ?? "",
      });
      if (!await authorizer.allows(caller, question("profiles"))) {
        const reason = owner ? "no right to the pod" : container ? "no pod's container" : failure;
        throw refusal(caller, reason);
      }
      if (!container) throw failure;
      if (!owner) throw refusal(caller, "no pod's container");
      if (side === "user") return { container, side };
      if (await authorizer.allows(caller, question("profiles/kernel"))) {
        return { container, side: side === "allowed" ? "both" : side };
      }
      if (side === "allowed") return { container, side: "user" };
      throw kernelRefusal(caller, owner.podNamespace);
    },
  };
}

/** Failures whose being there tells that a container is there or not. */
function tellsOfContainer(error: unknown): boolean {
  const general = ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"];
  return !(error instanceof StatusError && general.includes(error.status));
}

function rule(resource: AccessQuestion["resource"]): string {
  return `{apiGroups: ["${API_GROUP}"], resources: ["${resource}"], verbs: ["create"]}`;
}

function refusal({ user }: Caller, reason: unknown): StatusError {
  return new StatusError(
    "PERMISSION_DENIED",
    `user ${quote(user, 300)} may not profile this container, or no such container runs on this ` +
      `node. It takes the rule ${rule("profiles")} in a Role, or a ClusterRole, that is bound to ` +
      "the user in the namespace of the container's pod",
    { cause: reason instanceof Error ? reason : new Error(String(reason)) },
  );
}

function kernelRefusal({ user }: Caller, namespace: string): StatusError {
  return new StatusError(
    "PERMISSION_DENIED",
    `user ${quote(user, 300)} may profile this container, but not the kernel's side of it: ask ` +
      `for the user's side only, or get the rule ${
        rule("profiles/kernel")
      } in namespace ${namespace}`,
    { cause: new Error("no right to the kernel's side") },
  );
}
