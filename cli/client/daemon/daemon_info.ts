import type { GetDaemonInfoResponse__Output as DaemonInfo } from "../../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import { connect } from "./connection.ts";
import type { DaemonCredentials } from "./daemon_credentials.ts";
import { describeRpcFailure, isRpcFailure } from "./rpc_failure.ts";

export type { DaemonInfo };

/** How long the answer is waited for, in milliseconds. */
const PATIENCE_MS = 5_000;

/**
 * Asks a daemon what it is and what may be asked of it. `name` is what messages call it.
 *
 * Rejects with a `CliError`: it cannot be reached (exit status 5), does not know the caller (4), or
 * is of a release that does not tell (1).
 */
export async function readDaemonInfo(
  { address, name, access, signal }: {
    address: string;
    name: string;
    access: DaemonCredentials;
    signal: AbortSignal;
  },
): Promise<DaemonInfo> {
  using connection = await connect({ address, name, access, signal });
  const metadata = await connection.authorize(signal);
  const deadline = Date.now() + PATIENCE_MS;
  try {
    return await new Promise((resolve, reject) =>
      connection.client.getDaemonInfo(
        {},
        metadata,
        { deadline },
        (error, info) => error ? reject(error) : resolve(info!),
      )
    );
  } catch (error) {
    if (!isRpcFailure(error)) throw error;
    const details = connection.withoutToken(error.details);
    throw describeRpcFailure({ code: error.code, details }, name, {
      withToken: access.token !== undefined,
    });
  }
}
