/** The share of a budget that one connection takes. */
export interface RequestAccount {
  /** Adds what a call takes, in bytes, or with a negative number gives it back. */
  add(bytes: number): void;
}

/** A connection, as far as a budget needs one. */
interface BudgetOwner {
  /** Whether a call of a known caller is under way. */
  isHeld(): boolean;
  /** Ends the connection. */
  evict(): void;
}

/** By how much those weigh less whose caller is known. */
const HELD_DISCOUNT = 4;

/**
 * Bounds what the calls under way on all connections take in memory, authenticated or not: their
 * header lists and what has come of their messages. When it is more than the bound the connection
 * that takes most has to end, so that a caller that takes little is served beside any number that
 * take much.
 */
export class RequestBudget {
  readonly #accounts = new Map<BudgetOwner, number>();
  #sizeBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** What is taken now. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Opens the account of a connection; it ends with `close`. */
  open(owner: BudgetOwner): RequestAccount & { close(): void } {
    this.#accounts.set(owner, 0);
    return {
      add: (bytes) => {
        if (!this.#accounts.has(owner)) return;
        this.#accounts.set(owner, this.#accounts.get(owner)! + bytes);
        this.#sizeBytes += bytes;
        if (this.#sizeBytes > this.maxBytes) this.#evictLargest();
      },
      close: () => this.#close(owner),
    };
  }

  #evictLargest(): void {
    let largest: BudgetOwner | undefined;
    let weightOfLargest = -1;
    for (const [owner, bytes] of this.#accounts) {
      const weight = owner.isHeld() ? bytes / HELD_DISCOUNT : bytes;
      if (weight <= weightOfLargest) continue;
      [largest, weightOfLargest] = [owner, weight];
    }
    if (!largest) return;
    this.#close(largest);
    largest.evict();
  }

  #close(owner: BudgetOwner): void {
    this.#sizeBytes -= this.#accounts.get(owner) ?? 0;
    this.#accounts.delete(owner);
  }
}
