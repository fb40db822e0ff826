import assert from "node:assert/strict";
import { JsonItems } from "../../../daemon/access/json_items.ts";

function read(chunks: Uint8Array[], maxItemBytes = 1000): unknown[] {
  const items: unknown[] = [];
  const list = new JsonItems((item) => items.push(item), maxItemBytes);
  for (const chunk of chunks) list.add(chunk);
  list.end();
  return items;
}

const encode = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value, null, 1));

const ITEMS = [
  { metadata: { name: "ä", annotations: { "a]}": '"}{[\\\\"', items: "[" } }, items: [{ b: [] }] },
  {},
  { status: { list: [[1], [{ c: null }], "\u{1f600}"] } },
];
const LIST = {
  ...{
    kind: "PodList",
    metadata: { resourceVersion: "1", items: [{ no: 1 }] },
    others: [{ no: 2 }],
  },
  ...{ items: ITEMS, end: "items", after: [{ no: 3 }] },
};

Deno.test("JsonItems: reads what JSON.parse does, wherever the text is divided", () => {
  const bytes = encode(LIST);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), ITEMS);
  }
  assert.deepEqual(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), ITEMS);
  assert.deepEqual(read([encode({ items: [] })]), []);
});

Deno.test("JsonItems: a list that was cut off is none", () => {
  const bytes = encode(LIST);
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => read([bytes.subarray(0, end)]), SyntaxError, `${end}`);
  }
});

Deno.test("JsonItems: refuses what is not a list", () => {
  for (
    const text of [
      ...["", "null", "[]", '"items"', "{}", '{"items":null}', '{"items":{}}', '{"items":"[]"}'],
      ...['{"items":[1]}', '{"items":["a"]}', '{"items":[[]]}', '{"items":[{"a":}]}', "}"],
      ...['{"items":[]}{"items":[{}]}', "<html>", '[{"items":[]}]'],
    ]
  ) {
    assert.throws(() => read([encode(text)]), SyntaxError, text);
  }
});

Deno.test("JsonItems: refuses an item that is too large before it is whole", () => {
  const list = new JsonItems(() => {}, 1000);
  list.add(encode('{"items":[{"a":"'));
  assert.throws(() => list.add(new Uint8Array(1000).fill(0x61)), /an item is too large/);
});
