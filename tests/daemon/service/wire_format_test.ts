import assert from "node:assert/strict";
import { checkMessage } from "../../../daemon/service/wire_format.ts";
import { loadNecoPerf } from "../../../proto/grpc.ts";

const FIELDS = [
  { number: 1, type: "TYPE_STRING", typeName: "" },
  { number: 2, type: "TYPE_INT64", typeName: "" },
  { number: 3, type: "TYPE_MESSAGE", typeName: "Inner" },
  { number: 4, type: "TYPE_DOUBLE", typeName: "" },
  { number: 5, type: "TYPE_FIXED32", typeName: "" },
];
const INNER = [{ number: 1, type: "TYPE_BYTES", typeName: "" }];

const check = (...bytes: number[]) =>
  checkMessage(Uint8Array.from(bytes), FIELDS, (name) => name === "Inner" ? INNER : undefined);

Deno.test("checkMessage: takes messages, whatever fields they have", () => {
  check();
  check(0x0a, 0, 0x10, 1, 0x1a, 2, 0x0a, 0);
  check(0x0a, 2, 0xc3, 0xa4);
  check(0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2d, 0, 0, 0, 0);
  check(0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
  // Of the numbers 100 and 101, which are not known.
  check(0xa2, 0x06, 1, 0, 0xa8, 0x06, 1);
  const { requestSerialize } = loadNecoPerf().NecoPerf.service.Record;
  check(...requestSerialize({ containerId: "a", interval: 1 }));
});

const MALFORMED: Record<string, number[]> = {
  "a tag that is cut off": [0x80],
  "a string that is cut off": [0x0a, 3, 0x61],
  "a string without a length": [0x0a],
  "an integer that is cut off": [0x10, 0x80],
  "an integer of eleven bytes": [0x10, ...Array(10).fill(0x80), 0],
  "eight bytes that are cut off": [0x21, 0],
  "four bytes that are cut off": [0x2d, 0],
  "the number 0": [0x02, 0],
  "a group": [0x0b, 0x0c],
  "a wire type that there is not": [0x0f],
  "an integer where a string should be": [0x08, 1],
  "a string where an integer should be": [0x12, 0],
  "a field in a message that reaches over its end": [0x1a, 2, 0x0a, 1, 0x61],
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  Deno.test(`checkMessage: refuses ${what}`, () =>
    assert.throws(() => check(...bytes), RangeError));
}

Deno.test("checkMessage: refuses text that is not UTF-8", () => {
  assert.throws(() => check(0x0a, 2, 0xc3, 0x28), TypeError);
});
