/** A field of a message, in the words of protobuf's descriptors. */
export interface FieldDescriptor {
  number: number;
  /** `TYPE_STRING` and the like. */
  type: string;
  /** Of a message's type. */
  typeName: string;
}

/**
 * The fields of a message's type, by its name as a field names it; nothing when there is no such
 * type.
 */
type FindFields = (typeName: string) => readonly FieldDescriptor[] | undefined;

const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

/** Of scalar types; all others are varints. */
const WIRE_TYPES: Record<string, number> = {
  TYPE_STRING: WireType.BYTES,
  TYPE_BYTES: WireType.BYTES,
  TYPE_MESSAGE: WireType.BYTES,
  TYPE_DOUBLE: WireType.FIXED64,
  TYPE_FIXED64: WireType.FIXED64,
  TYPE_SFIXED64: WireType.FIXED64,
  TYPE_FLOAT: WireType.FIXED32,
  TYPE_FIXED32: WireType.FIXED32,
  TYPE_SFIXED32: WireType.FIXED32,
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Checks that bytes are a message of these fields. Throws a `RangeError`, or for text that is not
 * UTF-8 a `TypeError`. protobufjs (7.6.6) does not: it takes a string that is cut off for a shorter
 * one, lets it reach over the end of the message that it is in, and replaces what is not UTF-8.
 *
 * Fields that are not known are passed over: a client of a later release may know more.
 */
export function checkMessage(
  bytes: Uint8Array,
  fields: readonly FieldDescriptor[],
  findFields: FindFields,
): void {
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    const [number, wireType] = [Math.floor(tag / 8), tag % 8];
    if (number === 0) throw new RangeError("a field has the number 0");
    const field = fields.find((each) => each.number === number);
    const value = reader.value(wireType);
    if (!field) continue;
    if (wireType !== (WIRE_TYPES[field.type] ?? WireType.VARINT)) {
      throw new RangeError(`the field ${number} has the wire type ${wireType}`);
    }
    if (field.type === "TYPE_STRING") utf8.decode(value);
    if (field.type === "TYPE_MESSAGE") {
      checkMessage(value, findFields(field.typeName) ?? [], findFields);
    }
  }
}

/** Reads from the front of bytes. Throws a `RangeError` at their end. */
class Reader {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.bytes.length;
  }

  /** A value of a wire type; the bytes of one that has a length. */
  value(wireType: number): Uint8Array {
    switch (wireType) {
      case WireType.VARINT:
        this.varint();
        return this.#take(0);
      case WireType.FIXED64:
        return this.#take(8);
      case WireType.BYTES:
        return this.#take(this.varint());
      case WireType.FIXED32:
        return this.#take(4);
      default:
        // Groups, which proto3 does not have, among them.
        throw new RangeError(`there is no wire type ${wireType}`);
    }
  }

  /** An integer of at most ten bytes. What is beyond 53 bits is not exact. */
  varint(): number {
    let value = 0;
    for (let count = 0; count < 10; count++) {
      const [byte] = this.#take(1);
      value += (byte & 127) * 2 ** (7 * count);
      if (byte < 128) return value;
    }
    throw new RangeError("an integer has more than ten bytes");
  }

  #take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.bytes.length) throw new RangeError("a message is cut off");
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
