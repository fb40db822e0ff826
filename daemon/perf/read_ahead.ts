/** As much as Linux holds in a pipe. */
const CHUNK_BYTES = 64 << 10;
/** Buffers that are kept for further chunks: what a full backlog took is given back. */
const MAX_FREE_BUFFERS = 4;

/**
 * Reads a stream of bytes ahead of whoever iterates over it, at most about `maxBytes`; the writer
 * has to wait then. Until `bound` is called it holds whatever comes.
 *
 * Buffers are used again and again: a chunk is good until the next one is asked for.
 */
export class ReadAhead implements AsyncIterable<Uint8Array> {
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  readonly #free: ArrayBufferLike[] = [];
  #bounded = false;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #onRoom = () => {};
  #onChange = () => {};
  readonly #reader: ReadableStreamBYOBReader;

  constructor(source: ReadableStream<Uint8Array>, private readonly maxBytes: number) {
    this.#reader = source.getReader({ mode: "byob" });
    this.#fill();
  }

  /** Whether the writer has to wait. */
  get isFull(): boolean {
    return this.#bounded && this.#waitingBytes >= this.maxBytes;
  }

  /** Keeps to `maxBytes` from now on. */
  bound(): void {
    this.#bounded = true;
  }

  /** Drops what waits, and what comes. */
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk) {
        yield chunk;
        this.#waitingBytes -= chunk.length;
        if (this.#free.length < MAX_FREE_BUFFERS) this.#free.push(chunk.buffer);
        this.#onRoom();
      } else if (this.#failure) {
        throw this.#failure.error;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#onChange = resolve);
      }
    }
  }

  async #fill(): Promise<void> {
    try {
      for (;;) {
        while (this.isFull) await new Promise<void>((resolve) => this.#onRoom = resolve);
        const buffer = this.#free.pop() ?? new ArrayBuffer(CHUNK_BYTES);
        const { value } = await this.#reader.read(new Uint8Array(buffer));
        if (!value?.length) break;
        this.#waiting.push(value);
        this.#waitingBytes += value.length;
        this.#onChange();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#ended = true;
    this.#onChange();
  }
}
