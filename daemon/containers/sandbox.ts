/**
 * Containers that run in a kernel of their own: what there is of them on the node is the sandbox's
 * programs, which are not theirs.
 *
 * @module
 */
import { shortContainerId } from "../../proto/container_id.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/**
 * Programs of sandboxes, by the name that they go by (the first of their arguments).
 *
 * gVisor: runsc/sandbox/sandbox.go and runsc/container/container.go set it, and the sandbox's
 * process is what its runtime gives for each of a pod's containers, whose own cgroups are empty
 * (setupCgroupForSubcontainer). Kata Containers: its runtime gives the shim or the hypervisor.
 */
const PROGRAMS: [RegExp, string][] = [
  [/^runsc-(sandbox|gofer)$/, "gVisor"],
  [
    /^(containerd-shim-kata-v2|qemu-system-\w+|qemu-kvm|cloud-hypervisor|firecracker|stratovirt)$/,
    "Kata Containers",
  ],
];

/** Which sandbox a program is of, by its name; undefined for any other. */
export function sandboxOf(program: string | undefined): string | undefined {
  return PROGRAMS.find(([pattern]) => pattern.test(program ?? ""))?.[1];
}

/** Why a container in a sandbox cannot be recorded. */
export function sandboxedError(containerId: string, sandbox: string): StatusError {
  return new StatusError(
    "FAILED_PRECONDITION",
    `container ${shortContainerId(containerId)} runs in a sandbox with a kernel of its own ` +
      `(${sandbox}): its processes are not processes of the node, so nothing of them can be seen ` +
      "from it, and perf cannot profile them. To profile it, run its pod without that RuntimeClass",
  );
}

/** The error for a container that runs and has no process on the node. */
export function unseenError(containerId: string, runtimeClass: string | undefined): StatusError {
  const under = runtimeClass === undefined ? "" : `, under RuntimeClass ${quote(runtimeClass)}`;
  return new StatusError(
    "FAILED_PRECONDITION",
    `no process of the node belongs to container ${shortContainerId(containerId)}, though ` +
      `Kubernetes has it as running${under}: either it has just ended, or it runs in a sandbox with ` +
      "a kernel of its own (gVisor, Kata Containers), whose processes are not processes of the " +
      "node, so that nothing of them can be seen from it. To profile it, run its pod without such " +
      "a RuntimeClass",
  );
}
