import type { Admission } from "../access/admission.ts";
import type { Caller } from "../caller.ts";
import type { Result } from "../results/result.ts";
import { StatusError } from "../status_error.ts";
import { DownloadSlots } from "./download_slots.ts";
import { orCancelled } from "./or_cancelled.ts";
import type { Call } from "./recording_call.ts";
import { downloadShare } from "./shares.ts";

/** How many results may be read at a time. Those that wait for their readers take 100 MB then. */
const MAX_READERS = 256;

/** How often a caller who reads a result is asked about again. */
export const CONFIRM_INTERVAL_MS = 2_000;

/** Hands results out to callers, as long as they may have them. */
export class Downloads {
  readonly #slots = new DownloadSlots(MAX_READERS);

  /** `now` gives the time in milliseconds. */
  constructor(
    private readonly admission: Pick<Admission, "confirm">,
    private readonly now = () => performance.now(),
  ) {}

  /**
   * Reads a result from an offset on, following it while it is made. `allowed` is called when that
   * is sure, and waited for. Throws `RESOURCE_EXHAUSTED` when too many are read, and what
   * `Admission.confirm` rejects with, also later when the right is taken away meanwhile.
   */
  async *read(
    result: Result,
    offset: number,
    caller: Caller,
    call: Call,
    allowed: () => Promise<void> = () => Promise.resolve(),
  ): AsyncGenerator<Uint8Array> {
    await this.#confirm(result, caller, call);
    this.#slots.take(downloadShare(caller, call.peer), call.signal);
    await allowed();
    let confirmedAt = this.now();
    for await (const data of result.read(offset, call.signal)) {
      if (this.now() - confirmedAt >= CONFIRM_INTERVAL_MS) {
        confirmedAt = this.now();
        await this.#confirm(result, caller, call).catch(orUnavailable);
      }
      yield data;
    }
    if (call.signal.aborted) throw new StatusError("CANCELLED", "the caller gave up");
  }

  async #confirm(
    { grant }: Result,
    caller: Caller,
    { credentials, signal }: Call,
  ): Promise<void> {
    if (grant) await orCancelled(this.admission.confirm(caller, credentials, grant), signal);
  }
}

/** A download that was allowed does not end because nobody can be asked for a while. */
function orUnavailable(error: unknown): void {
  if (!(error instanceof StatusError && error.status === "UNAVAILABLE")) throw error;
}
