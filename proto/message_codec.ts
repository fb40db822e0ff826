/**
 * Messages to and from the wire format of protocol buffers, by definitions as JSON, in the form that
 * `conversion_options.ts` says: what protobufjs would do, for what the protocol has. A client that
 * runs for one recording would spend more on loading protobufjs, and on the code that this makes for
 * each message, than on everything that it sends and reads.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A namespace, message or enum of protobufjs's JSON. */
export interface Definition {
  nested?: Record<string, Definition>;
  fields?: Record<string, { type: string; id: number; rule?: string }>;
  oneofs?: Record<string, { oneof: string[] }>;
  values?: Record<string, number>;
  methods?: Record<string, MethodNames>;
}

/** A method of a service, by the names of its types. */
export interface MethodNames {
  requestType: string;
  responseType: string;
  requestStream?: boolean;
  responseStream?: boolean;
}

/** A message in memory: its fields by their names in camel case. */
export type Message = Record<string, unknown>;

/** Turns messages of one type into bytes and back. */
export interface MessageCodec {
  /** Throws a `TypeError` for a value that is not of its field's type. */
  encode(message: object): Buffer;
  /** Throws a `RangeError` for bytes that are no such message. */
  decode(bytes: Uint8Array): Message;
}

interface Field {
  name: string;
  id: number;
  repeated: boolean;
  oneof?: string;
  kind: Kind;
}

/** How values of a type look on the wire. */
interface Kind {
  wireType: number;
  /** What a field that is not there is. */
  initial(): unknown;
  /** The bytes without those of the field's number; with their length if they have one. */
  write(value: unknown): Uint8Array;
  read(reader: Reader): unknown;
}

/** The wire types that the protocol uses, and those that it only has to pass over. */
const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 };

/**
 * Makes a codec of the message type `name`, as it is called in the namespace `scope`. Throws when
 * there is no such type, or one of its fields is of a kind that the protocol has not had yet.
 */
export function messageCodec(root: Definition, scope: string, name: string): MessageCodec {
  const { path, definition } = find(root, scope, name);
  if (!definition.fields) throw new Error(`${path} is no message`);
  // Looked up when they are needed: most messages of the protocol never are.
  let found: Field[] | undefined;
  const fields = () => found ??= fieldsOf(root, path, definition);
  const read = (reader: Reader) => readMessage(reader, fields());
  return {
    encode: (message) => Buffer.concat(writeMessage(message as Message, fields())),
    decode: (bytes) => read(new Reader(bytes)),
  };
}

/** Finds a type as a `.proto` file names it: the innermost that is meant by it. */
function find(root: Definition, scope: string, name: string) {
  for (let outer = scope;; outer = outer.slice(0, Math.max(0, outer.lastIndexOf(".")))) {
    const path = outer === "" ? name : `${outer}.${name}`;
    let definition: Definition | undefined = root;
    for (const part of path.split(".")) definition = definition?.nested?.[part];
    if (definition) return { path, definition };
    if (outer === "") throw new Error(`there is no type ${name} in ${scope}`);
  }
}

function fieldsOf(root: Definition, path: string, { fields, oneofs }: Definition): Field[] {
  return Object.entries(fields!).map(([name, { type, id, rule }]) => {
    const kind = SCALARS[type] ?? composed(root, path, type);
    const repeated = rule === "repeated";
    if (rule !== undefined && (!repeated || kind.wireType !== WireType.BYTES)) {
      throw new Error(`${path}.${name}: ${rule} ${type} is not supported`);
    }
    const oneof = Object.entries(oneofs ?? {}).find(([, { oneof }]) => oneof.includes(name))?.[0];
    return { name, id, repeated, oneof, kind };
  }).sort((a, b) => a.id - b.id);
}

/** A message or an enum. */
function composed(root: Definition, scope: string, type: string): Kind {
  const { values } = find(root, scope, type).definition;
  if (values) return enumKind(values);
  const codec = messageCodec(root, scope, type);
  return {
    wireType: WireType.BYTES,
    initial: () => null,
    write: (value) => withLength(codec.encode(value as object)),
    read: (reader) => codec.decode(reader.bytes()),
  };
}

/** An enum, whose values are strings; numbers that have no name stay numbers. */
function enumKind(values: Record<string, number>): Kind {
  const names = new Map(Object.entries(values).map(([name, number]) => [number, name]));
  return {
    wireType: WireType.VARINT,
    initial: () => names.get(0),
    write: (value) => {
      const number = typeof value === "string" ? values[value] : value;
      if (typeof number !== "number") throw new TypeError(`no such enum value: ${value}`);
      return varint(number);
    },
    read: (reader) => {
      const number = Number(BigInt.asIntN(32, reader.varint()));
      return names.get(number) ?? number;
    },
  };
}

function integer(toNumber: (value: bigint) => bigint): Kind {
  return {
    wireType: WireType.VARINT,
    initial: () => 0,
    write: varint,
    read: (reader) => Number(toNumber(reader.varint())),
  };
}

const SCALARS: Record<string, Kind> = {
  int32: integer((value) => BigInt.asIntN(32, value)),
  uint32: integer((value) => BigInt.asUintN(32, value)),
  int64: integer((value) => BigInt.asIntN(64, value)),
  uint64: integer((value) => value),
  bool: {
    wireType: WireType.VARINT,
    initial: () => false,
    write: (value) => varint(value ? 1 : 0),
    read: (reader) => reader.varint() !== 0n,
  },
  string: {
    wireType: WireType.BYTES,
    initial: () => "",
    write: (value) => withLength(Buffer.from(String(value))),
    read: (reader) => reader.bytes().toString(),
  },
  bytes: {
    wireType: WireType.BYTES,
    initial: () => Buffer.alloc(0),
    write: (value) => withLength(value as Uint8Array),
    read: (reader) => reader.bytes(),
  },
};

function writeMessage(message: Message, fields: Field[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const { name, id, repeated, kind } of fields) {
    const value = message[name];
    if (value === undefined || value === null) continue;
    for (const one of repeated ? value as unknown[] : [value]) {
      parts.push(varint(id * 8 + kind.wireType), kind.write(one));
    }
  }
  return parts;
}

function readMessage(reader: Reader, fields: Field[]): Message {
  const message: Message = {};
  for (const { name, repeated, oneof, kind } of fields) {
    if (oneof === undefined) message[name] = repeated ? [] : kind.initial();
  }
  while (!reader.done) {
    const tag = Number(reader.varint());
    const [id, wireType] = [Math.floor(tag / 8), tag % 8];
    const field = fields.find((field) => field.id === id);
    // A daemon of a later release may know more.
    if (field?.kind.wireType !== wireType) reader.skip(wireType);
    else if (field.repeated) (message[field.name] as unknown[]).push(field.kind.read(reader));
    else {
      if (field.oneof !== undefined) {
        // Of several the last counts.
        const before = message[field.oneof] as string | undefined;
        if (before !== undefined) delete message[before];
        message[field.oneof] = field.name;
      }
      message[field.name] = field.kind.read(reader);
    }
  }
  return message;
}

/** An integer in groups of seven bits, the lowest first; a negative one as 64 bits. */
function varint(value: unknown): Uint8Array {
  // A number that is none, or no whole one, is a `RangeError`.
  let rest = BigInt.asUintN(64, BigInt(value as number));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function withLength(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(bytes.length), bytes]);
}

/** Reads from the front of bytes. What is not there is a `RangeError`. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#take(1)[0];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a message has a number of more than 64 bits");
  }

  /** What a length goes before. */
  bytes(): Buffer {
    return this.#take(Number(this.varint()));
  }

  skip(wireType: number): void {
    if (wireType === WireType.VARINT) this.varint();
    else if (wireType === WireType.FIXED64) this.#take(8);
    else if (wireType === WireType.BYTES) this.bytes();
    else if (wireType === WireType.FIXED32) this.#take(4);
    else throw new RangeError(`a message has a field of the unknown kind ${wireType}`);
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new RangeError("a message is cut off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
