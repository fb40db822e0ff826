import { NO_CREDENTIALS } from "../client/daemon/daemon_credentials.ts";
import { readDaemonInfo } from "../client/daemon/daemon_info.ts";
import { findTarget, type PodReference } from "../client/targets/target.ts";

/** How long is waited, in milliseconds: nobody waits for candidates. */
const PATIENCE_MS = 400;

/**
 * The events that the daemon of a pod's node lets callers ask for. Rejects when it cannot be asked,
 * or not in time.
 */
export async function readAllowedEvents(reference: PodReference): Promise<string[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const tooLong = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason))
  );
  return await Promise.race([tooLong, read(reference, signal)]);
}

async function read(reference: PodReference, signal: AbortSignal): Promise<string[]> {
  const { endpoint, access = NO_CREDENTIALS } = await findTarget(reference, signal);
  const { address: name } = endpoint;
  const { info: { limits } } = await readDaemonInfo({ endpoint, name, access, signal });
  if (!limits) throw new Error(`${name} does not report its limits`);
  return limits.allowedEvents;
}
