/** An answer, and for how long it stands. */
interface Answer<Value> {
  value: Value;
  validMs: number;
}

/**
 * Keeps answers for a while, no more than `maxEntries` of them: the one that was not asked for the
 * longest goes first. Those who ask for the same thing at the same time share one answer.
 */
export class ExpiringCache<Value> {
  readonly #entries = new Map<string, { value: Value; expiresAt: number }>();
  readonly #loading = new Map<string, Promise<Value>>();

  constructor(
    private readonly maxEntries: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** How many answers are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The answer for a key: one that stands, or what `load` gives. What it rejects with is not kept.
   */
  get(key: string, load: () => Promise<Answer<Value>>): Promise<Value> {
    const entry = this.#entries.get(key);
    if (entry) {
      this.#entries.delete(key);
      if (entry.expiresAt > this.now()) {
        // A Map keeps the order in which keys came: the first is the one not asked for the longest.
        this.#entries.set(key, entry);
        return Promise.resolve(entry.value);
      }
    }
    const loading = this.#loading.get(key) ?? this.#load(key, load);
    this.#loading.set(key, loading);
    return loading;
  }

  async #load(key: string, load: () => Promise<Answer<Value>>): Promise<Value> {
    // Counted from before: an answer is as old as the question.
    const askedAt = this.now();
    try {
      const { value, validMs } = await load();
      this.#entries.set(key, { value, expiresAt: askedAt + validMs });
      if (this.#entries.size > this.maxEntries) {
        this.#entries.delete(this.#entries.keys().next().value!);
      }
      return value;
    } finally {
      this.#loading.delete(key);
    }
  }
}
