import { huffmanDecodedLength } from "./huffman_length.ts";

/** How much a header list may hold. */
interface HeaderListLimits {
  /** As RFC 9113 counts it (6.5.2): the bytes of names and values, and 32 for each field. */
  maxSizeBytes: number;
  maxFields: number;
}

/** A header list that is larger than its limits. */
export class HeaderListTooLargeError extends Error {}

/** What a field costs beside its bytes, in a header list and in the table (RFC 7541, 4.1). */
const FIELD_OVERHEAD_BYTES = 32;

/** The size of the dynamic table that a peer may use unless it is told otherwise. */
const DEFAULT_TABLE_SIZE = 4096;

/**
 * An encoder needs two: the smallest size since the last header block, and the last (RFC 7541,
 * 4.2).
 */
const MAX_TABLE_SIZE_UPDATES = 2;

/** More than any length or index may be: integers beyond are refused (RFC 7541, 5.1). */
const MAX_INTEGER = 2 ** 24;

interface Field {
  nameLength: number;
  sizeBytes: number;
}

/** RFC 7541, appendix A: a name, and after a space its value. */
const STATIC_TABLE: Field[] = [
  ...[":authority", ":method GET", ":method POST", ":path /", ":path /index.html"],
  ...[":scheme http", ":scheme https", ":status 200", ":status 204", ":status 206"],
  ...[":status 304", ":status 400", ":status 404", ":status 500", "accept-charset"],
  ...["accept-encoding gzip, deflate", "accept-language", "accept-ranges", "accept"],
  ...["access-control-allow-origin", "age", "allow", "authorization", "cache-control"],
  ...["content-disposition", "content-encoding", "content-language", "content-length"],
  ...["content-location", "content-range", "content-type", "cookie", "date", "etag", "expect"],
  ...["expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"],
  ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards"],
  ...["proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after"],
  ...["server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent"],
  ...["vary", "via", "www-authenticate"],
].map((line) => {
  const [name] = line.split(" ", 1);
  return field(name.length, Math.max(0, line.length - name.length - 1));
});

/**
 * Measures how large the header lists of one connection are, one header block after the other,
 * without decoding them: a byte can stand for all of a field that came before (RFC 7541). It must
 * see every block of the connection.
 */
export class HpackMeter {
  /** The newest last. */
  readonly #table: Field[] = [];
  #tableSize = 0;
  #maxTableSize = DEFAULT_TABLE_SIZE;

  /** `limits` are of each header list. */
  constructor(private readonly limits: HeaderListLimits) {}

  /**
   * The size of the header list that a whole header block stands for, in bytes. Throws a
   * `HeaderListTooLargeError` when that is more than the limits, or a `RangeError` for a block that
   * no encoder makes. The connection is of no use then.
   */
  measure(block: Uint8Array): number {
    const reader = new Reader(block);
    const { maxSizeBytes, maxFields } = this.limits;
    let size = 0;
    for (let fields = 0, updates = 0; !reader.done;) {
      const first = reader.peek();
      if (first >> 5 === 0b001) {
        if (fields > 0) throw new RangeError("a table size update comes after a field");
        // Each takes the decoder time, and there is room for 30,000 of them.
        if (++updates > MAX_TABLE_SIZE_UPDATES) {
          throw new RangeError("a header block has too many table size updates");
        }
        this.#resize(reader.integer(5));
        continue;
      }
      size += this.#readField(reader, first).sizeBytes;
      if (++fields > maxFields || size > maxSizeBytes) {
        throw new HeaderListTooLargeError(
          `a header list is larger than ${maxSizeBytes} bytes or ${maxFields} fields`,
        );
      }
    }
    return size;
  }

  #readField(reader: Reader, first: number): Field {
    if (first >> 7 === 1) return this.#lookUp(reader.integer(7));
    const isIndexed = first >> 6 === 0b01;
    // Without indexing, or never to be indexed: the same here.
    const nameIndex = reader.integer(isIndexed ? 6 : 4);
    const nameLength = nameIndex === 0 ? reader.string() : this.#lookUp(nameIndex).nameLength;
    const read = field(nameLength, reader.string());
    if (isIndexed) this.#insert(read);
    return read;
  }

  #lookUp(index: number): Field {
    const found = index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.#table[this.#table.length - (index - STATIC_TABLE.length)];
    if (!found) throw new RangeError(`there is no field with the index ${index}`);
    return found;
  }

  #insert(added: Field): void {
    this.#evict(this.#maxTableSize - added.sizeBytes);
    // One that is larger than the table only empties it.
    if (added.sizeBytes > this.#maxTableSize) return;
    this.#table.push(added);
    this.#tableSize += added.sizeBytes;
  }

  #resize(maxBytes: number): void {
    if (maxBytes > DEFAULT_TABLE_SIZE) throw new RangeError("the table is made too large");
    this.#maxTableSize = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(maxBytes: number): void {
    while (this.#tableSize > 0 && this.#tableSize > maxBytes) {
      this.#tableSize -= this.#table.shift()!.sizeBytes;
    }
  }
}

function field(nameLength: number, valueLength: number): Field {
  return { nameLength, sizeBytes: nameLength + valueLength + FIELD_OVERHEAD_BYTES };
}

/** Reads the parts of a header block. Throws a `RangeError` at its end. */
class Reader {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  peek(): number {
    if (this.done) throw new RangeError("a header block is cut off");
    return this.bytes[this.#at];
  }

  /** An integer that starts in the last bits of a byte (RFC 7541, 5.1). */
  integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let unit = 1, more = true; more; unit *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * unit;
      // Zeros that add nothing count as well.
      if (value > MAX_INTEGER || unit > MAX_INTEGER) {
        throw new RangeError("an integer is too large");
      }
      more = byte >= 128;
    }
    return value;
  }

  /** Passes over a string; the number of bytes that it stands for. */
  string(): number {
    const isHuffman = this.peek() >= 128;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.bytes.length) throw new RangeError("a header block is cut off");
    const coded = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return isHuffman ? huffmanDecodedLength(coded) : length;
  }

  #byte(): number {
    const byte = this.peek();
    this.#at++;
    return byte;
  }
}
