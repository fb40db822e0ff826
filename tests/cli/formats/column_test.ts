import assert from "node:assert/strict";
import { Column } from "../../../cli/formats/column.ts";

Deno.test("Column: a column gives back what was put into it, however long it is", () => {
  const column = new Column((length) => new Int32Array(length));
  assert.deepEqual([...column], []);
  for (let value = 0; value < 200_000; value++) column.push(value * 3);
  assert.equal(column.length, 200_000);
  assert.equal(column.at(65_536), 3 * 65_536);
  assert.ok([...column].every((value, index) => value === 3 * index));
});
