import type { Duplex } from "node:stream";

/** How to reach daemons: at their pods' addresses, through the API server, or as it turns out. */
export type Via = "auto" | "direct" | "port-forward";

/** The values of `Via`. */
export const VIAS: readonly Via[] = ["auto", "direct", "port-forward"];

/** Where a daemon is, and how it is found again. */
export interface DaemonEndpoint {
  /** `host:port` of the daemon. */
  readonly address: string;
  /** Another way than to the address. Not there: there is none. */
  readonly tunnel?: DaemonTunnel;
  /**
   * Looks the daemon up again when the connection was lost: it may be another pod by then. Rejects
   * with a `CliError` when the node has none. Not there: the address stays.
   */
  findAgain?(signal: AbortSignal): Promise<DaemonEndpoint>;
}

/** A way to a daemon that is not its address. */
export interface DaemonTunnel {
  /** When it is taken. */
  readonly route: Route;
  /**
   * Connects to the daemon's port. Rejects with a `CliError`; what ends the connection later is the
   * stream's error.
   */
  open(signal: AbortSignal): Promise<Duplex>;
}

/**
 * How the daemons of one run are reached. Their endpoints share it: what one finds out is for all.
 */
export interface Route {
  /** Which way is taken. */
  readonly via: Via;
  /** Set when a daemon did not answer at its address, and was reached through the API server. */
  isTunnelled?: boolean;
}
