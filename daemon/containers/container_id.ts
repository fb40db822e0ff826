import { isContainerId, stripRuntime } from "../../proto/container_id.ts";
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
  const id = stripRuntime(text);
  if (isContainerId(id)) return id;
  throw new StatusError(
    "INVALID_ARGUMENT",
    `container_id ${quote(text)} is not a container id: expected 64 lowercase hexadecimal ` +
      "digits, which containerd://, cri-o:// or docker:// may precede",
  );
}
