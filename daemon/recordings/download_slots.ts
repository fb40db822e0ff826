import { StatusError } from "../status_error.ts";

/**
 * Bounds how many results are read at a time: what a reader does not take waits in the daemon's
 * memory, up to some hundred KB for each, until its call is over.
 *
 * An owner may have as many as are left for others. So one has half of the places at most, and
 * there is always one for who has none, until all are taken.
 */
export class DownloadSlots {
  readonly #readers = new Map<string, number>();
  #total = 0;

  constructor(private readonly maxReaders: number) {}

  /** Takes a place until `call` aborts. Throws `RESOURCE_EXHAUSTED` when there is none. */
  take(owner: string, call: AbortSignal): void {
    if (call.aborted) return;
    const own = this.#readers.get(owner) ?? 0;
    if (own >= this.maxReaders - this.#total) {
      throw new StatusError(
        "RESOURCE_EXHAUSTED",
        `${this.#total} results of this node are being read, ${own} of them by you: try again ` +
          "when one of these downloads has ended",
      );
    }
    this.#readers.set(owner, own + 1);
    this.#total++;
    call.addEventListener("abort", () => this.#giveBack(owner), { once: true });
  }

  #giveBack(owner: string): void {
    this.#total--;
    const left = this.#readers.get(owner)! - 1;
    if (left > 0) this.#readers.set(owner, left);
    else this.#readers.delete(owner);
  }
}
