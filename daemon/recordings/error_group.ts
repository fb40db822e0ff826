/**
 * The parts of a recording that go on at the same time: when one fails, all others are given up,
 * and the first failure is what is reported.
 */
export class ErrorGroup {
  readonly #failed = new AbortController();

  /** Aborts with the error of the first part that fails. */
  get signal(): AbortSignal {
    return this.#failed.signal;
  }

  /** Gives all parts up; does nothing when one has failed before. */
  fail(error: unknown): void {
    this.#failed.abort(error);
  }

  /** Settles as `part` does. When that fails, all others are given up. */
  async run<T>(part: Promise<T>): Promise<T> {
    try {
      return await part;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /**
   * Reads a perf's output to its end and hands each chunk on. When that fails, or another part
   * does, the rest is read and dropped: a perf that cannot write would not end in order.
   *
   * Rejects with the group's first error.
   */
  async readThrough(
    source: AsyncIterable<Uint8Array>,
    handOn: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    for await (const chunk of source) {
      if (this.signal.aborted) continue;
      await this.run(handOn(chunk)).catch(() => {});
    }
    this.signal.throwIfAborted();
  }
}
