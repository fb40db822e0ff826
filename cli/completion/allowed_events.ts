import { NO_CREDENTIALS } from "../client/daemon/daemon_credentials.ts";
import { readDaemonInfo } from "../client/daemon/daemon_info.ts";
import { findTarget, type PodReference } from "../client/targets/target.ts";

/** How long is waited, in milliseconds: nobody waits for candidates. */
const PATIENCE_MS = 400;

/**
 * The events that the daemon of a pod's node lets callers ask for. Rejects when it cannot be asked, or
 * not in time.
 */
export async function readAllowedEvents(reference: PodReference): Promise<string[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const tooLong = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason))
  );
  return await Promise.race([tooLong, read(reference, signal)]);
}

async function read(reference: PodReference, signal: AbortSignal): Promise<string[]> {
  const { endpoint: { address }, access = NO_CREDENTIALS } = await findTarget(reference, signal);
  const { limits } = await readDaemonInfo({ address, name: address, access, signal });
  if (!limits) throw new Error(`${address} does not tell its limits`);
  return limits.allowedEvents;
}
