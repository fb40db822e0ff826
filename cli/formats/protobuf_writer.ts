/** Writes protocol buffers: what pprof's format needs of them, and nothing else. */
export class ProtobufWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  #length = 0;

  /** Writes a field that is a whole number from 0 to 2^53; 0 is what is not written. */
  number(field: number, value: number): this {
    if (value === 0) return this;
    return this.#varint(field << 3).#varint(value);
  }

  /** Writes a repeated field of whole numbers, from 0 to 2^53 or as they are. */
  numbers(field: number, values: Iterable<number | bigint>): this {
    const packed = new ProtobufWriter();
    for (const value of values) packed.#varint(value);
    return this.bytes(field, packed.finish());
  }

  string(field: number, text: string): this {
    return this.bytes(field, new TextEncoder().encode(text));
  }

  message(field: number, write: (writer: ProtobufWriter) => void): this {
    const writer = new ProtobufWriter();
    write(writer);
    return this.bytes(field, writer.finish());
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#varint(field << 3 | 2).#varint(bytes.length).#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** What was written. The writer is of no use afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #varint(value: number | bigint): this {
    this.#reserve(10);
    if (typeof value === "bigint") {
      for (; value >= 0x80n; value >>= 7n) {
        this.#bytes[this.#length++] = Number(value & 0x7fn) | 0x80;
      }
      value = Number(value);
    }
    // Not by shifts: these know 32 bits only.
    for (; value >= 0x80; value = Math.floor(value / 0x80)) {
      this.#bytes[this.#length++] = value % 0x80 | 0x80;
    }
    this.#bytes[this.#length++] = value;
    return this;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
