import { wait } from "../../wait.ts";

/** For how many seconds a budget that is not used is saved. */
const SAVED_SECONDS = 2;

/**
 * Bounds the bytes that come a second, on average: there is so much, it fills up with time, and
 * what was taken too much has to fill up first.
 */
export class ByteBudget {
  readonly #capacity: number;
  #left: number;
  #refilledAt: number;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly now = () => performance.now(),
  ) {
    this.#left = this.#capacity = bytesPerSecond * SAVED_SECONDS;
    this.#refilledAt = now();
  }

  /** Whether more was taken than there was. */
  get isOverdrawn(): boolean {
    this.#refill();
    return this.#left < 0;
  }

  take(bytes: number): void {
    this.#refill();
    this.#left -= bytes;
  }

  /** Resolves when it is full again, or as soon as `signal` aborts. */
  async full(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#refill();
      const missing = this.#capacity - this.#left;
      if (missing <= 0) return;
      // Bytes taken before may be reported in the meantime.
      await wait(Math.ceil(missing / this.bytesPerSecond * 1000), signal);
    }
  }

  #refill(): void {
    const now = this.now();
    const more = (now - this.#refilledAt) / 1000 * this.bytesPerSecond;
    this.#left = Math.min(this.#capacity, this.#left + more);
    this.#refilledAt = now;
  }
}
