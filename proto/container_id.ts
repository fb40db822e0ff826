/** The runtimes' names that Kubernetes writes before the ids that NecoPerf can look up. */
const RUNTIME_PREFIX = /^(?:containerd|cri-o|docker):\/\//;

/**
 * Takes off the runtime's name that Kubernetes writes before a container id. A text without the
 * name of containerd, CRI-O or Docker stays as it is.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(stripRuntime("containerd://0f"), "0f");
 * ```
 */
export function stripRuntime(containerId: string): string {
  return containerId.replace(RUNTIME_PREFIX, "");
}

/**
 * Whether a text is an id as containerd, CRI-O and Docker make them, without the runtime's name.
 */
export function isContainerId(text: string): boolean {
  // Without its flag `m`, `$` matches nothing but the end: no trailing newline gets through.
  return /^[0-9a-f]{64}$/.test(text);
}

/** The first digits of a container id, as `crictl ps` and `docker ps` show them. */
export function shortContainerId(id: string): string {
  return id.slice(0, 12);
}
