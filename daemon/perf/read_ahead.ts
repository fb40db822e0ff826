/** As much as Linux holds in a pipe. */
const BLOCK_BYTES = 64 << 10;
/** Blocks that are kept for further bytes: what a full backlog took is given back. */
const MAX_FREE_BLOCKS = 4;

interface Block {
  bytes: Uint8Array<ArrayBuffer>;
  /** How many of them are there. */
  length: number;
}

/**
 * Reads a stream of bytes ahead of its consumer, into about `maxBytes` of memory; the
 * writer has to wait then.
 *
 * Memory is used again and again: a chunk is good until the next one is asked for.
 */
export class ReadAhead implements AsyncIterable<Uint8Array> {
  readonly #maxBlocks: number;
  readonly #waiting: Block[] = [];
  readonly #free: Block[] = [];
  readonly #begun = Promise.withResolvers<void>();
  readonly #full = Promise.withResolvers<void>();
  #ended = false;
  #failure: { error: unknown } | undefined;
  #onRoom = () => {};
  #onChange = () => {};
  readonly #reader: ReadableStreamBYOBReader;

  constructor(
    source: ReadableStream<Uint8Array>,
    maxBytes: number,
    /** Is called with the bytes that come, when they do. */
    private readonly onBytes: (bytes: Uint8Array) => void = () => {},
  ) {
    this.#maxBlocks = Math.floor(maxBytes / BLOCK_BYTES);
    this.#reader = source.getReader({ mode: "byob" });
    this.#fill();
  }

  /** Whether the writer has to wait. */
  get isFull(): boolean {
    return this.#waiting.length > this.#maxBlocks;
  }

  /** Resolves with the first byte; never for a stream without one. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Resolves when the writer has to wait for the first time; never when it does not have to. */
  get full(): Promise<void> {
    return this.#full.promise;
  }

  /** Drops what waits, and what comes. */
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const block = this.#waiting.shift();
      if (block) {
        this.#onRoom();
        yield block.bytes.subarray(0, block.length);
        block.length = 0;
        if (this.#free.length < MAX_FREE_BLOCKS) this.#free.push(block);
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
    let buffer = new ArrayBuffer(BLOCK_BYTES);
    try {
      for (;;) {
        while (this.isFull) await new Promise<void>((resolve) => this.#onRoom = resolve);
        const { value } = await this.#reader.read(new Uint8Array(buffer));
        if (!value?.length) break;
        this.#append(value);
        this.onBytes(value);
        buffer = value.buffer;
        this.#begun.resolve();
        if (this.isFull) this.#full.resolve();
        this.#onChange();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#ended = true;
    this.#onChange();
  }

  /** Puts bytes together: perf writes many of its records one by one. */
  #append(bytes: Uint8Array): void {
    let last = this.#waiting.at(-1);
    if (!last || last.length + bytes.length > BLOCK_BYTES) {
      last = this.#free.pop() ?? { bytes: new Uint8Array(BLOCK_BYTES), length: 0 };
      this.#waiting.push(last);
    }
    last.bytes.set(bytes, last.length);
    last.length += bytes.length;
  }
}
