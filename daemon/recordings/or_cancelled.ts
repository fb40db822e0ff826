import { StatusError } from "../status_error.ts";

/**
 * What `work` gives, for a caller who may give up before that: rejects with `CANCELLED` as soon as
 * `signal` aborts. The work itself goes on, as others may wait for it, too.
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
