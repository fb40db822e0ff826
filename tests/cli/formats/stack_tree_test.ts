import assert from "node:assert/strict";
import { NO_STACK, StackTree } from "../../../cli/formats/stack_tree.ts";

Deno.test("StackTree: a function on top of a stack is one stack, whenever it comes", () => {
  const tree = new StackTree();
  const main = tree.stackOf(NO_STACK, 7);
  const work = tree.stackOf(main, 8);
  assert.deepEqual([main, work], [0, 1]);
  assert.equal(tree.stackOf(NO_STACK, 7), main);
  assert.equal(tree.stackOf(main, 8), work);
  assert.notEqual(tree.stackOf(NO_STACK, 8), work);
  assert.deepEqual([...tree.prefixes], [NO_STACK, main, NO_STACK]);
  assert.deepEqual([...tree.frames], [7, 8, 8]);
});

Deno.test("StackTree: stacks keep their numbers when there are many", () => {
  const tree = new StackTree();
  const path = (index: number): [prefix: number, frame: number] =>
    index < 100 ? [NO_STACK, index] : [index % 100, index];
  for (let index = 0; index < 100_000; index++) {
    assert.equal(tree.stackOf(...path(index)), index);
  }
  for (let index = 0; index < 100_000; index += 7) {
    assert.equal(tree.stackOf(...path(index)), index);
  }
  assert.equal(tree.frames.length, 100_000);
});
