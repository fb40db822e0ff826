/** How many numbers are allocated at a time. */
const CHUNK_LENGTH = 1 << 16;

/** A list of numbers that only grows, in the room that they take and never copied. */
export class Column<Chunk extends Float64Array | Int32Array> {
  readonly #allocate: (length: number) => Chunk;
  readonly #chunks: Chunk[] = [];
  #length = 0;

  /** `allocate` makes the typed arrays that hold the numbers. */
  constructor(allocate: (length: number) => Chunk) {
    this.#allocate = allocate;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    const index = this.#length++ % CHUNK_LENGTH;
    if (index === 0) this.#chunks.push(this.#allocate(CHUNK_LENGTH));
    this.#chunks.at(-1)![index] = value;
  }

  /** The number at an index below `length`. */
  at(index: number): number {
    return this.#chunks[Math.floor(index / CHUNK_LENGTH)][index % CHUNK_LENGTH];
  }

  *[Symbol.iterator](): Generator<number> {
    for (let index = 0; index < this.#length; index++) yield this.at(index);
  }
}
