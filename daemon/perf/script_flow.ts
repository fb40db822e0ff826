/** Observes what goes into a perf script and comes out of it. */
export class ScriptFlow {
  #pieces = 0;
  /** Whether it has been given something that it has not taken, or its whole input. */
  #owes = false;
  /** Whether somebody waits for its text. */
  #awaited = false;

  /**
   * A number that grows with what it has read and written; undefined while it has nothing to do, or
   * cannot write.
   */
  progress(): number | undefined {
    return this.#owes && this.#awaited ? this.#pieces : undefined;
  }

  observeInput(input: WritableStream<Uint8Array>): WritableStream<Uint8Array> {
    const writer = input.getWriter();
    return new WritableStream({
      write: async (chunk) => {
        this.#owes = true;
        await writer.write(chunk);
        this.#owes = false;
        this.#pieces++;
      },
      close: async () => {
        this.#owes = true;
        await writer.close();
      },
      abort: (reason) => writer.abort(reason),
    });
  }

  async *observeOutput(output: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#awaited = true;
    for await (const chunk of output) {
      this.#awaited = false;
      this.#pieces++;
      yield chunk;
      this.#awaited = true;
    }
  }
}
