/** Where a daemon is, and how it is found again. */
export interface DaemonEndpoint {
  /** `host:port` of the daemon. */
  readonly address: string;
  /**
   * Looks the daemon up again when the connection was lost: it may be another pod by then. Rejects
   * with a `CliError` when the node has none. Not there: the address stays.
   */
  findAgain?(signal: AbortSignal): Promise<DaemonEndpoint>;
}
