import assert from "node:assert/strict";
import protobuf from "protobufjs";
import { CONVERSION_OPTIONS } from "../../proto/conversion_options.ts";
import definitions from "../../proto/gen/necoperf.json" with { type: "json" };
import { type Definition, type Message, messageCodec } from "../../proto/message_codec.ts";
import { createRandom, type Random, SEED } from "../fuzz/random.ts";

/** protobufjs knows how it is done. */
const root = protobuf.Root.fromJSON(definitions as protobuf.INamespace).resolveAll();

/** All messages of the protocol, those inside of others, too. */
const NAMES = messagesOf(root.lookup("necoperf") as protobuf.Namespace);

function messagesOf(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((nested) =>
    nested instanceof protobuf.Type
      ? [nested.fullName.replace(".necoperf.", ""), ...messagesOf(nested)]
      : []
  );
}

const codecOf = (name: string) => messageCodec(definitions, "necoperf", name);
const decodeWith = (type: protobuf.Type, bytes: Uint8Array) =>
  type.toObject(type.decode(bytes), CONVERSION_OPTIONS);

for (const name of NAMES) {
  Deno.test(`${name}: any message is written and read as protobufjs does it`, () => {
    const type = root.lookupType(`necoperf.${name}`);
    const random = createRandom(SEED);
    for (let count = 0; count < 200; count++) {
      const message = randomMessage(type, random);
      const bytes = codecOf(name).encode(message);
      assert.deepEqual(bytes, type.encode(type.fromObject(message)).finish());
      assert.deepEqual(codecOf(name).decode(bytes), decodeWith(type, bytes));
    }
  });
}

function randomMessage(type: protobuf.Type, random: Random): Message {
  const { pick } = random;
  const valueOf = (field: protobuf.Field): unknown => {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Enum) return pick(Object.keys(resolvedType.values));
    if (resolvedType) return randomMessage(resolvedType, random);
    switch (field.type) {
      case "string":
        return pick(["", "r-1", "größer", "\ufeff\u{1f525}", "x".repeat(200)]);
      case "bytes":
        return Buffer.alloc(pick([0, 1, 127, 128, 20_000]), 0xfe);
      case "bool":
        return pick([false, true]);
      case "uint32":
        return pick([0, 127, 128, 2 ** 31, 2 ** 32 - 1]);
      case "int32":
        return pick([0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]);
      case "uint64":
        return pick([0, 2 ** 32, 2 ** 53 - 1]);
      case "int64":
        return pick([0, 1, -1, 2 ** 53 - 1, -(2 ** 53) + 1]);
    }
    throw new Error(`there are no values of ${field.type} yet`);
  };
  const message: Message = {};
  const inOneofs = type.oneofsArray.map(({ fieldsArray }) => pick(fieldsArray));
  for (const field of type.fieldsArray) {
    if (field.partOf ? !inOneofs.includes(field) : random.integer(10) < 3) continue;
    message[field.name] = field.repeated
      ? Array.from({ length: pick([0, 1, 3]) }, () => valueOf(field))
      : valueOf(field);
  }
  return message;
}

const REQUEST = codecOf("FetchResultRequest");

Deno.test("fields that a later release adds are passed over, whatever their kind", () => {
  const later = protobuf.parse(`
    syntax = "proto3";
    message Later {
      uint64 offset = 2;
      string text = 10; fixed64 eight = 11; fixed32 four = 2000; uint64 number = 13;
    }
  `).root.lookupType("Later");
  const bytes = later.encode({ offset: 7, text: "new", eight: 8, four: 4, number: 2 ** 40 })
    .finish();
  assert.deepEqual(REQUEST.decode(bytes), { recordingId: "", offset: 7 });
});

Deno.test("enum values that a later release adds stay numbers", () => {
  const bytes = Uint8Array.from([0x10, 99]);
  const started = codecOf("RecordingEvent.Started").decode(bytes);
  assert.deepEqual(started, { processes: 0, side: 99 });
});

Deno.test("of several fields of a oneof the last counts", () => {
  const { encode, decode } = codecOf("RecordingEvent");
  const both = Buffer.concat([encode({ converting: {} }), encode({ started: { processes: 2 } })]);
  assert.deepEqual(decode(both), {
    event: "started",
    started: { processes: 2, side: "SIDE_UNSPECIFIED" },
  });
});

Deno.test("bytes that are no message are a RangeError", () => {
  const whole = REQUEST.encode({ recordingId: "r-1", offset: 300 });
  for (let length = 1; length < whole.length; length++) {
    // Between its two fields it is a message, too.
    if (length === 5) continue;
    assert.throws(() => REQUEST.decode(whole.subarray(0, length)), RangeError, `${length} bytes`);
  }
  const noNumber = Uint8Array.from([0x10, ...Array(10).fill(0xff), 1]);
  assert.throws(() => REQUEST.decode(noNumber), RangeError);
  // Groups, and kinds that there are none of.
  for (const kind of [3, 4, 6, 7]) {
    assert.throws(() => REQUEST.decode(Uint8Array.from([0x78 | kind, 0])), RangeError);
  }
});

Deno.test("values that a field cannot have are refused", () => {
  assert.throws(() => REQUEST.encode({ offset: 0.5 }), RangeError);
  const options = codecOf("RecordOptions");
  assert.throws(() => options.encode({ side: "SIDE_OF_BACON" }), TypeError);
});

Deno.test("what the protocol has not had yet is refused, not sent in a wrong form", () => {
  const withField = (field: { type: string; rule?: string }): Definition => ({
    nested: { M: { fields: { f: { id: 1, ...field } } } },
  });
  const encode = (definition: Definition) => messageCodec(definition, "", "M").encode({ f: [1] });
  assert.throws(() => encode(withField({ type: "uint32", rule: "repeated" })), /M\.f: repeated/);
  assert.throws(() => encode(withField({ type: "double" })), /no type double/);
  assert.throws(() => messageCodec(definitions, "necoperf", "NoSuch"), /no type NoSuch/);
  assert.throws(() => messageCodec(definitions, "necoperf", "Side"), /Side is no message/);
});
