import { formatAddress } from "./address.ts";
import { DAEMON_PORT } from "../../../proto/defaults.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import type { Pod } from "./pod.ts";

/** The label of every daemon pod. */
export const DAEMON_LABEL = "app.kubernetes.io/name=necoperf-daemon";

const PORT_NAME = "necoperf-grpc";

/** A pod with a daemon that can be called. */
export interface DaemonPod {
  namespace: string;
  name: string;
  /** The port of its gRPC service. */
  port: number;
  /** `host:port` of its gRPC service. */
  address: string;
}

/**
 * Picks the daemon that serves a node out of that node's daemon pods. One that is ready goes before
 * one that is not; one that is being deleted takes no work.
 *
 * Throws a `CliError` (exit status 3) when no daemon of the node can be called.
 */
export function pickDaemon(
  pods: Pod[],
  where: { nodeName: string; namespace: string },
): DaemonPod {
  const usable = pods.filter((pod) => pod.ip && !pod.beingDeleted && pod.phase === "Running");
  const pod = usable.find(({ ready }) => ready) ?? usable[0];
  if (pod?.ip) {
    const { namespace, name } = pod;
    const port = portOf(pod);
    return { namespace, name, port, address: formatAddress(pod.ip, port) };
  }

  const searched = `namespace ${where.namespace}, label ${DAEMON_LABEL}`;
  if (pods.length === 0) {
    throw new CliError(
      ExitStatus.NOT_FOUND,
      `no necoperf-daemon runs on node ${where.nodeName} (${searched}); ` +
        "ask the cluster's administrators, or name its namespace with --necoperf-namespace",
    );
  }
  const states = pods.map((pod) =>
    `${pod.name} is ${pod.beingDeleted ? "being deleted" : pod.ip ? pod.phase : "without address"}`
  );
  throw new CliError(
    ExitStatus.NOT_FOUND,
    `the necoperf-daemon of node ${where.nodeName} does not run (${searched}): ${
      states.join(", ")
    }; try again, or ask the cluster's administrators`,
  );
}

function portOf(pod: Pod): number {
  const container = pod.containers.find(({ ports }) => PORT_NAME in ports);
  return container?.ports[PORT_NAME] ?? DAEMON_PORT;
}
