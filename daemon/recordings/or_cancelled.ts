import { StatusError } from "../status_error.ts";

/**
 * Resolves as `work` does, but rejects with `CANCELLED` as soon as `signal` aborts, for a caller
 * that may give up. The work itself goes on: others may wait for it as well.
 */
export async function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const cancel = () => reject(new StatusError("CANCELLED", "the caller gave up"));
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
