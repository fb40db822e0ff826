/**
 * Whose share of the node a request counts to. It has to be something of which nobody can have many
 * at will: users are not, as a tenant can make any number of service accounts.
 *
 * @module
 */
import type { PodOwner } from "../access/pod_owner.ts";
import { ANYONE, type Caller } from "../caller.ts";

/**
 * Whose turn in the queue a recording takes: the namespace's of the container's pod, which an
 * administrator makes. Where nobody is asked who they are, it is the address of the call.
 */
export function queueShare(caller: Caller, owner: PodOwner | undefined, peer: string): string {
  return caller === ANYONE ? addressShare(peer) : `namespace ${owner?.podNamespace}`;
}

/** The key by which callers share download slots: a service account's namespace. */
export function downloadShare(caller: Caller, peer: string): string {
  if (caller === ANYONE) return addressShare(peer);
  const [, namespace] = /^system:serviceaccount:([^:]+):/.exec(caller.user) ?? [];
  return namespace === undefined ? `user ${caller.user}` : `namespace ${namespace}`;
}

function addressShare(peer: string): string {
  return `address ${peer.slice(0, peer.lastIndexOf(":"))}`;
}
