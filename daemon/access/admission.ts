import { isDnsLabel } from "./dns_label.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Authorizer } from "./authorizer.ts";
import { ANYONE, type Caller, type Credentials, type Grant } from "../caller.ts";
import { parseContainerId } from "../containers/container_id.ts";
import type { Container, ContainerLookup } from "../containers/container.ts";
import { unseenError } from "../containers/sandbox.ts";
import { type AccessQuestion, API_GROUP } from "./kubernetes_api.ts";
import type { PodOwner, PodOwners, PodStatus } from "./pod_owner.ts";
import { quote } from "../quote.ts";
import type { RequestedSide, Side } from "../recording.ts";
import { StatusError } from "../status_error.ts";

/** A caller's wish to record a container. */
interface AdmissionRequest {
  caller: Caller;
  containerId: string;
  side: RequestedSide;
  signal: AbortSignal;
}

/** What is decided of a request, with what is known by then of what it is about. */
export type AdmissionAnswer =
  | {
    decision: "allowed";
    container: Container;
    /** Missing where nobody is asked whose the container is. */
    owner?: PodOwner;
    /** The sides of the container that may be sampled. */
    side: Side;
  }
  | {
    /** `error`: the caller may know of the container that it cannot be recorded. */
    decision: "denied" | "error";
    container?: Container;
    owner?: PodOwner;
    /** For the caller; its `cause` is for the log. */
    error: Error;
  };

/** The sides of containers that a caller may record. */
export interface ProfilingRights {
  /** The user's side. */
  user: boolean;
  /** The kernel's side as well. */
  kernel: boolean;
}

/** Decides who may record what. */
export interface Admission {
  /** Who calls. Rejects with `UNAUTHENTICATED` or `UNAVAILABLE`. */
  identify(credentials: Credentials): Promise<Caller>;

  /**
   * What a caller may record of the pods of a namespace, whichever those are. It says nothing of
   * what is there. Rejects with `INVALID_ARGUMENT` for a text that is not a namespace's name, and
   * with `UNAVAILABLE`.
   */
  rightsIn(caller: Caller, podNamespace: string): Promise<ProfilingRights>;

  /**
   * Whether a container may be recorded, and what of it. Rejects when nobody can tell: with
   * `INVALID_ARGUMENT` for a text that is not an id, with `UNAVAILABLE`, and with what the lookup
   * rejects with for any container.
   */
  admit(request: AdmissionRequest): Promise<AdmissionAnswer>;

  /**
   * Makes sure that a caller may still see what they were allowed to see. Rejects with
   * `PERMISSION_DENIED` or `UNAUTHENTICATED` when that right was taken away, and with `UNAVAILABLE`
   * when nobody can tell.
   */
  confirm(caller: Caller, credentials: Credentials, grant: Grant): Promise<void>;
}

/** Lets everybody record everything. */
export function createOpenAdmission(lookup: ContainerLookup): Admission {
  return {
    identify: () => Promise.resolve(ANYONE),
    rightsIn: () => Promise.resolve({ user: true, kernel: true }),
    async admit({ containerId, side, signal }) {
      const container = await lookup.find(containerId, signal);
      const { problem } = container;
      if (problem) return { decision: "error", container, error: problem };
      return { decision: "allowed", container, side: side === "allowed" ? "both" : side };
    },
    confirm: () => Promise.resolve(),
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
 * Callers without the right cannot probe for containers: the refusal is the same for a container of
 * others, for none, and for one that belongs to no pod, and an access review is made for each.
 * Callers with the right get the lookup's own message.
 */
export function createKubernetesAdmission(parts: KubernetesAdmissionParts): Admission {
  const { lookup, owners, authenticator, authorizer } = parts;
  return {
    identify: (credentials) => authenticator.authenticate(credentials),

    async rightsIn(caller, namespace) {
      // Of another form it would ask about all namespaces, or about none.
      if (!isDnsLabel(namespace)) {
        throw new StatusError("INVALID_ARGUMENT", `${quote(namespace)} is not a namespace`);
      }
      const mayCreate = (resource: AccessQuestion["resource"]) =>
        authorizer.allows(caller, { resource, namespace, name: "" });
      const [user, kernel] = await Promise.all([
        mayCreate("profiles"),
        mayCreate("profiles/kernel"),
      ]);
      return { user, kernel: user && kernel };
    },

    async admit({ caller, containerId, side, signal }) {
      // An id of another form is refused before any lookup, so that the refusal reveals nothing.
      const id = parseContainerId(containerId);
      const { container, failure } = await find(lookup, id, signal);
      const { owner, reason, status } = container
        ? await owners.ownerOf(container)
        : await owners.named(id);
      const refuse = (decision: "denied" | "error", error: Error): AdmissionAnswer => ({
        ...{ decision, container, owner, error },
      });
      const mayCreate = (resource: AccessQuestion["resource"]) =>
        authorizer.allows(caller, {
          resource,
          // No namespace stands for all of them: a caller who may record everything is told what is
          // there.
          namespace: owner?.podNamespace ?? "",
          name: owner?.podName ?? "",
        });
      if (!await mayCreate("profiles")) {
        const reasons = owner ? ["no right to the pod"] : [reason, failure?.message];
        return refuse("denied", refusal(caller, ...reasons));
      }
      if (!container) return refuse("error", explain(failure!, id, status));
      if (!owner) return refuse("denied", refusal(caller, reason));
      if (container.problem) return refuse("error", container.problem);
      const allow = (side: Side): AdmissionAnswer => ({
        ...{ decision: "allowed", container, owner, side },
      });
      if (side === "user") return allow(side);
      if (await mayCreate("profiles/kernel")) return allow(side === "allowed" ? "both" : side);
      if (side === "allowed") return allow("user");
      return refuse("denied", kernelRefusal(caller, owner.podNamespace));
    },

    async confirm(caller, credentials, { podNamespace: namespace, podName: name, side }) {
      if (await authenticator.isRevoked(credentials)) {
        throw new StatusError("UNAUTHENTICATED", "the token is not accepted any more", {
          cause: new Error("the token was revoked"),
        });
      }
      const mayCreate = (resource: AccessQuestion["resource"]) =>
        authorizer.allows(caller, { resource, namespace, name });
      if (!await mayCreate("profiles")) throw refusal(caller, "the right was taken away");
      if (side !== "user" && !await mayCreate("profiles/kernel")) {
        throw kernelRefusal(caller, namespace);
      }
    },
  };
}

/** The lookup's failure, or more where the pod's status has the container as running. */
function explain(failure: Error, id: string, status: PodStatus | undefined): Error {
  const isAbsent = failure instanceof StatusError && failure.status === "NOT_FOUND";
  return isAbsent && status?.running ? unseenError(id, status.runtimeClass) : failure;
}

/** Finds a container, or why not. Rejects with what would be said of any container. */
async function find(
  lookup: ContainerLookup,
  id: string,
  signal: AbortSignal,
): Promise<
  { container: Container; failure?: undefined } | { container?: undefined; failure: Error }
> {
  try {
    return { container: await lookup.find(id, signal) };
  } catch (error) {
    if (!revealsContainer(error)) throw error;
    return { failure: error as Error };
  }
}

/** Failures that reveal whether a container exists. */
function revealsContainer(error: unknown): boolean {
  const general = ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"];
  return !(error instanceof StatusError && general.includes(error.status));
}

function rule(resource: AccessQuestion["resource"]): string {
  return `{apiGroups: ["${API_GROUP}"], resources: ["${resource}"], verbs: ["create"]}`;
}

/** `reasons` are for the log. */
function refusal({ user }: Caller, ...reasons: (string | undefined)[]): StatusError {
  return new StatusError(
    "PERMISSION_DENIED",
    `user ${quote(user, 300)} may not profile this container, or no such container runs on this ` +
      `node. Ask an administrator to bind a Role with the rule ${rule("profiles")} to the ` +
      "user in the namespace of the container's pod",
    { cause: new Error(reasons.filter((reason) => reason !== undefined).join("; ")) },
  );
}

function kernelRefusal({ user }: Caller, namespace: string): StatusError {
  return new StatusError(
    "PERMISSION_DENIED",
    `user ${quote(user, 300)} may profile this container, but not the kernel's side of it: ` +
      `request only the user's side, or ask an administrator for the rule ${
        rule("profiles/kernel")
      } in namespace ${namespace}`,
    { cause: new Error("no right to the kernel's side") },
  );
}
