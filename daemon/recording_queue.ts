import { StatusError } from "./status_error.ts";

interface Waiter {
  admit(): void;
  onAhead(ahead: number): void;
}

/** Lets a limited number of recordings run at a time; others wait in turn, up to a bound. */
export class RecordingQueue {
  #running = 0;
  readonly #waiting: Waiter[] = [];

  constructor(private readonly limits: { maxConcurrent: number; maxWaiting: number }) {}

  /** How many run. */
  get running(): number {
    return this.#running;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Waits for a place and resolves with what gives it back. `onAhead` hears how many go first, at
   * once and whenever that changes; not at all when there is a place.
   *
   * Rejects with `RESOURCE_EXHAUSTED` when too many wait, with `CANCELLED` when `signal` aborts.
   */
  async enter(signal: AbortSignal, onAhead: (ahead: number) => void): Promise<() => void> {
    if (signal.aborted) throw cancelled();
    if (this.#running < this.limits.maxConcurrent) {
      this.#running++;
    } else {
      await this.#wait(signal, onAhead);
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave();
    };
  }

  async #wait(signal: AbortSignal, onAhead: (ahead: number) => void): Promise<void> {
    if (this.#waiting.length >= this.limits.maxWaiting) {
      throw new StatusError(
        "RESOURCE_EXHAUSTED",
        `${this.#running} recordings run on this node and ${this.#waiting.length} wait already: ` +
          "try again in a minute",
      );
    }
    const admitted = Promise.withResolvers<void>();
    const waiter: Waiter = { admit: admitted.resolve, onAhead };
    this.#waiting.push(waiter);
    onAhead(this.#waiting.length - 1);
    const abort = () => {
      const place = this.#waiting.indexOf(waiter);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      this.#announce(place);
      admitted.reject(cancelled());
    };
    signal.addEventListener("abort", abort, { once: true });
    await admitted.promise.finally(() => signal.removeEventListener("abort", abort));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    // The place goes over to the next without ever being free, so nobody can slip in between.
    if (next) next.admit();
    else this.#running--;
    this.#announce(0);
  }

  #announce(from: number): void {
    this.#waiting.slice(from).forEach((waiter, index) => waiter.onAhead(from + index));
  }
}

function cancelled(): StatusError {
  return new StatusError("CANCELLED", "the caller gave up before the recording started");
}
