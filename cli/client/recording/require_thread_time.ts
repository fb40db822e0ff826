import type { Metadata, ServiceError } from "@grpc/grpc-js";
import type { GetDaemonInfoResponse__Output as DaemonInfo } from "../../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import type { Connection } from "../daemon/connection.ts";
import type { ReconnectingClient } from "../daemon/reconnecting_client.ts";
import { foreignAnswer, isRpcFailure, isStatus } from "../daemon/rpc_failure.ts";
import { RecordingLostError } from "./recording_lost_error.ts";

/** How long the answer is waited for, in milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Makes sure that a daemon records threads' time: one that does not know of it would record what
 * runs, and not say so.
 *
 * Rejects with a `CliError` (exit status 2) when it does not, with a `RecordingLostError` when the
 * connection is lost, and with the failed call.
 */
export async function requireThreadTime(
  link: ReconnectingClient,
  connection: Connection,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<void> {
  const info = await readInfo(connection, metadata, signal).catch((error) => {
    if (!isRpcFailure(error)) throw error;
    // Releases before the first that records threads' time may not know this call either.
    if (isStatus(error, "UNIMPLEMENTED") && !foreignAnswer(error)) return undefined;
    throw !signal.aborted && link.isLost(connection, error) ? new RecordingLostError() : error;
  });
  if (info?.limits?.threadTimeBytesPerSecond) return;
  const release = info?.version ? ` (${escapeControls(info.version)})` : "";
  throw new CliError(
    ExitStatus.USAGE,
    `${link.name}${release} does not record threads' time: its release is older than that, or its ` +
      "administrator has turned it off (--thread-time-budget); leave out --wall and --off-cpu to " +
      "record what runs",
  );
}

async function readInfo(
  { client }: Connection,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<DaemonInfo | undefined> {
  let cancel = () => {};
  try {
    return await new Promise<DaemonInfo | undefined>((resolve, reject) => {
      const deadline = Date.now() + PATIENCE_MS;
      const done = (error: ServiceError | null, info?: DaemonInfo) =>
        error ? reject(error) : resolve(info);
      const call = client.getDaemonInfo({}, metadata, { deadline }, done);
      cancel = () => call.cancel();
      signal.addEventListener("abort", cancel);
      if (signal.aborted) cancel();
    });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
