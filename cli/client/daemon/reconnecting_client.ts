import { RETRY_TIMEOUT_SECONDS } from "../../../proto/defaults.ts";
import { wait } from "../../../wait.ts";
import { connect, type Connection, type ConnectOptions } from "./connection.ts";
import type { DaemonEndpoint } from "./daemon_endpoint.ts";
import { type DaemonCredentials, missingTokenHint, NO_CREDENTIALS } from "./daemon_credentials.ts";
import { CliError, ExitStatus, interrupted } from "../../errors.ts";
import { describeRpcFailure, isConnectionLoss, isRpcFailure } from "./rpc_failure.ts";

/** What happens to the connection. */
export type ConnectionEvent =
  /** It was lost, and for so long it is tried to go on over another. `reason` has the details. */
  { kind: "lost"; reason: string; retryTimeoutSeconds: number };

/** A daemon, and how it is called. */
export interface DaemonReference {
  /** Where the daemon is. */
  endpoint: DaemonEndpoint;
  /** Where the daemon is, for messages: a node's name. */
  nodeName?: string;
  /** Default: no token, plain text. */
  access?: DaemonCredentials;
  /** How long a lost connection is tried again, from the last that arrived. Default: 60. */
  retryTimeoutSeconds?: number;
}

/** A connection to a daemon that is made again when it is lost. */
export interface ReconnectingClient extends Disposable {
  /** Which daemon it is to, for messages. */
  readonly name: string;
  /** The connection that is in use, if it was not lost. */
  readonly current?: Connection;
  /** How often a connection was lost. */
  readonly losses: number;
  /**
   * Gives the connection, or makes one. The first is tried as `connect` does; one in the place of a
   * lost one for as long as patience lasts. Of several who ask at a time, the first one's signal
   * counts.
   *
   * Rejects with a `CliError` as `connect` does, with words for what is in the way.
   */
  connect(signal: AbortSignal): Promise<Connection>;
  /**
   * Returns whether a failed call is worth another try with the next connection; its own connection
   * counts as lost then. Errors that are not failures of a call return false.
   */
  isLost(connection: Connection, error: unknown): boolean;
  /** Something has arrived: patience begins anew. */
  progressed(): void;
  /** Puts what went wrong into words, if it is a call. */
  describe(error: unknown): unknown;
}

/** The pause before an attempt is at most as long as this, or twice the one before. */
const PAUSE_MS = { first: 250, longest: 8_000 };

/** Makes a link; nothing is contacted yet. */
export function openReconnectingClient(
  reference: DaemonReference & Pick<ConnectOptions, "keepaliveSeconds">,
  onEvent: (event: ConnectionEvent) => void = () => {},
): ReconnectingClient {
  const { access = NO_CREDENTIALS, retryTimeoutSeconds = RETRY_TIMEOUT_SECONDS } = reference;
  let { endpoint } = reference;
  let current: Connection | undefined;
  /** The last that was made: it knows which tokens were sent. */
  let latest: Connection | undefined;
  /** The next one, while it is being made: all callers wait for the same one. */
  let opening: Promise<Connection> | undefined;
  let losses = 0;
  /** Since something arrived last. */
  let attempts = 0;
  let patienceEndsAtMs: number | undefined;
  let lastError: unknown;
  const name = () => nameDaemon(endpoint, reference.nodeName);
  const open = (signal: AbortSignal) =>
    connect({
      endpoint,
      name: name(),
      access,
      keepaliveSeconds: reference.keepaliveSeconds,
      signal,
    });

  const reopen = async (signal: AbortSignal, endsAtMs: number) => {
    const ended = AbortSignal.timeout(Math.max(0, endsAtMs - performance.now()));
    const ends = AbortSignal.any([signal, ended]);
    for (;; attempts++) {
      await wait(pauseMs(attempts), ends);
      if (signal.aborted) throw interrupted();
      if (ended.aborted) throw stayedLost(lastError);
      try {
        endpoint = await findAgain(endpoint, ends);
        return await open(ends);
      } catch (error) {
        if (signal.aborted) throw interrupted();
        if (ended.aborted) throw stayedLost(lastError);
        if (!isUnreachable(error) && !isMissing(error)) throw error;
        lastError = error;
      }
    }
  };
  const describe = (error: unknown) => {
    if (!isRpcFailure(error)) return error;
    const { code, details, metadata } = error;
    const failure = { code, details: latest?.withoutToken(details) ?? details, metadata };
    return describeRpcFailure(failure, name(), { tokenHint: missingTokenHint(access) });
  };
  const drop = () => {
    current?.[Symbol.dispose]();
    current = undefined;
  };
  return {
    get name() {
      return name();
    },
    get current() {
      return current;
    },
    get losses() {
      return losses;
    },
    async connect(signal) {
      if (signal.aborted) throw interrupted();
      if (current) return current;
      opening ??= patienceEndsAtMs === undefined ? open(signal) : reopen(signal, patienceEndsAtMs);
      try {
        return latest = current = await opening;
      } finally {
        opening = undefined;
      }
    },
    isLost(connection, error) {
      const lost = isRpcFailure(error) ? isConnectionLoss(error) : isUnreachable(error);
      // Several calls fail with one connection; grpc-js throws for one that comes after its end.
      if (connection !== current) return lost || !isRpcFailure(error) && !isCliError(error);
      if (!lost) return false;
      drop();
      lastError = describe(error);
      losses++;
      if (attempts === 0) {
        patienceEndsAtMs = performance.now() + retryTimeoutSeconds * 1000;
        onEvent({ kind: "lost", reason: (lastError as CliError).message, retryTimeoutSeconds });
      }
      attempts++;
      return true;
    },
    progressed() {
      attempts = 0;
    },
    describe,
    [Symbol.dispose]() {
      drop();
      // An error keeps the functions of its stack, and with `describe` all that is held here.
      latest = undefined;
    },
  };
}

/** Half of the pause is by chance: clients that lost the same daemon shall not all come at once. */
function pauseMs(attempts: number): number {
  const longest = Math.min(PAUSE_MS.first * 2 ** attempts, PAUSE_MS.longest);
  return longest * (0.5 + Math.random() / 2);
}

/** When the API server does not answer, try the daemon's last address. */
async function findAgain(
  known: DaemonEndpoint,
  signal: AbortSignal,
): Promise<DaemonEndpoint> {
  try {
    return await known.findAgain?.(signal) ?? known;
  } catch (error) {
    if (isMissing(error)) throw error;
    return known;
  }
}

function stayedLost(error: unknown): unknown {
  return isMissing(error)
    ? new CliError(ExitStatus.UNREACHABLE, (error as CliError).message, { cause: error })
    : error;
}

/** Says whether the daemon could not be reached, or stayed lost. */
export function isUnreachable(error: unknown): boolean {
  return isCliError(error) && error.exitStatus === ExitStatus.UNREACHABLE;
}

/** The node has no daemon: not yet again, it may be. */
function isMissing(error: unknown): boolean {
  return isCliError(error) && error.exitStatus === ExitStatus.NOT_FOUND;
}

function isCliError(error: unknown): error is CliError {
  return error instanceof CliError;
}

/** What messages call a daemon. */
export function nameDaemon({ address }: DaemonEndpoint, nodeName?: string): string {
  return nodeName
    ? `the necoperf-daemon on ${nodeName} (${address})`
    : `the necoperf-daemon at ${address}`;
}
