import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/**
 * Checks a request's container id and takes off the runtime's name that Kubernetes writes before
 * it. Throws an `INVALID_ARGUMENT` `StatusError` for anything but the 64 lowercase hexadecimal
 * digits that containerd, CRI-O and Docker make.
 *
 * The strictness is for safety: ids are compared with names in cgroup paths, where an id such as
 * `kubepods` would stand for every pod of the node.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseContainerId(`containerd://${"0f".repeat(32)}`), "0f".repeat(32));
 * assert.throws(() => parseContainerId("kubepods"), /container_id/);
 * ```
 */
export function parseContainerId(text: string): string {
  const match = /^(?:(?:containerd|cri-o|docker):\/\/)?([0-9a-f]{64})$/.exec(text);
  // Without its flag `m`, `$` still matches nothing but the end: no trailing newline gets through.
  if (match) return match[1];
  throw new StatusError(
    "INVALID_ARGUMENT",
    `container_id ${quote(text)} is not a container id: expected 64 lowercase hexadecimal ` +
      "digits, which containerd://, cri-o:// or docker:// may precede",
  );
}

/** The first digits of a container id, as `crictl ps` and `docker ps` show them. */
export function shortContainerId(id: string): string {
  return id.slice(0, 12);
}
