import type { GetDaemonInfoResponse__Output as DaemonInfo } from "../../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import { connect, type ConnectOptions } from "./connection.ts";
import { missingTokenHint } from "./daemon_credentials.ts";
import { describeRpcFailure, isRpcFailure } from "./rpc_failure.ts";

export type { DaemonInfo };

/** A daemon's answer, and how it came. */
export interface ReadDaemonInfo {
  info: DaemonInfo;
  /** Whether the daemon was reached through the API server. */
  isTunnelled: boolean;
  /** From the first attempt until the daemon could be called. */
  connectMs: number;
  /** From the call to its answer. */
  answerMs: number;
}

/** How long the answer is waited for, in milliseconds. */
const PATIENCE_MS = 5_000;

/**
 * The same for an answer on which a profile depends: the daemon has to ask the API server first.
 */
const RIGHTS_PATIENCE_MS = 20_000;

/**
 * Asks a daemon what it is and what may be asked of it, and what the caller may profile of a
 * namespace.
 *
 * Rejects with a `CliError`: it cannot be reached (exit status 5), does not know the caller (4), or
 * is of a release that does not report it (1).
 */
export async function readDaemonInfo(
  options: ConnectOptions & { podNamespace?: string },
): Promise<ReadDaemonInfo> {
  const { name, access, podNamespace, signal } = options;
  const startedAt = performance.now();
  using connection = await connect(options);
  const connectMs = performance.now() - startedAt;
  const { isTunnelled } = connection;
  const metadata = await connection.authorize(signal);
  const deadline = Date.now() + (podNamespace === undefined ? PATIENCE_MS : RIGHTS_PATIENCE_MS);
  const calledAt = performance.now();
  try {
    const info = await new Promise<DaemonInfo>((resolve, reject) =>
      connection.client.getDaemonInfo(
        { podNamespace },
        metadata,
        { deadline },
        (error, info) => error ? reject(error) : resolve(info!),
      )
    );
    return { info, isTunnelled, connectMs, answerMs: performance.now() - calledAt };
  } catch (error) {
    if (!isRpcFailure(error)) throw error;
    const details = connection.withoutToken(error.details);
    throw describeRpcFailure({ code: error.code, details }, name, {
      tokenHint: missingTokenHint(access),
    });
  }
}
