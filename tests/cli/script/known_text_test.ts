import assert from "node:assert/strict";
import { createKnownText, type KnownText } from "../../../cli/script/known_text.ts";

/** Puts a text there and returns where it ends. */
function put({ buffer }: KnownText, text: string): number {
  return new TextEncoder().encodeInto(text, buffer).written;
}

/** How much of a text is read as lines of a stack, and as which functions. */
function readLines(known: KnownText, text: string): [string, number[]] {
  const { next, frames, frameCount } = known.readLines(0, put(known, text));
  return [text.slice(0, next), [...frames.subarray(0, frameCount)]];
}

function learnLine(known: KnownText, line: string, frameId: number): void {
  known.addLine(0, put(known, line), frameId);
}

Deno.test("the lines of a function are known by one of them", () => {
  const known = createKnownText(0);
  learnLine(known, "\t  10 f(int) const+0x1 (/x (deleted))\n", 7);
  learnLine(known, "\t  20 g ([vdso])\n", 8);
  const text = "\t  1f f(int) const+0x10 (/x (deleted))\n\t 24 g+0x4 ([vdso])\n";
  assert.deepEqual(readLines(known, text), [text, [7, 8]]);
  for (
    const other of [
      "\t  10 f(int) const+0x1 (/y (deleted))\n",
      "\t  10 f(int)+0x1 (/x (deleted))\n",
      "\t  10 f(int) const +0x1 (/x (deleted))\n",
      "\t  10 f(int) const+0x1 (/x (deleted)\n",
      "\t  10 f(int) const+0xg (/x (deleted))\n",
      "\t  1g f(int) const+0x1 (/x (deleted))\n",
      "\t  1111122222333334444 f(int) const+0x1 (/x (deleted))\n",
      "f(int) const+0x1 (/x (deleted))\n",
    ]
  ) assert.deepEqual(readLines(known, other), ["", []], other);
});

Deno.test("a function without a file is the kernel's or not by its address: each is asked for", () => {
  const known = createKnownText(0);
  learnLine(known, "\tffffffff81000010 [unknown] ([unknown])\n", 7);
  learnLine(known, "\t    7f0000000010 [unknown] ([unknown])\n", 8);
  for (
    const [line, ids] of [
      ["\tffffffff81000010 [unknown] ([unknown])\n", [7]],
      ["\tffffffffff600010 [unknown] ([unknown])\n", []],
      ["\t    7f0000000020 [unknown] ([unknown])\n", [8]],
    ] as const
  ) assert.deepEqual(readLines(known, line)[1], ids, line);
});

Deno.test("lines are read as far as they are there", () => {
  const known = createKnownText(0);
  const line = "\t              10 f+0x1 (/x)\n";
  learnLine(known, line, 7);
  for (let length = 0; length <= 2 * line.length; length++) {
    // What is behind the end looks like more of it.
    put(known, line.repeat(3));
    const { next, frameCount } = known.readLines(0, length);
    assert.equal(frameCount, Math.floor(length / line.length));
    assert.equal(next, frameCount * line.length);
  }
});

const id = () => 3;

/** Makes the command and the event of a header known. */
function learnHeader(known: KnownText, header: string): void {
  put(known, header);
  assert.notEqual(known.readHeader(0), 0);
  known.commandId(id);
  known.eventId(() => 4);
}

Deno.test("samples are read that are known as a whole", () => {
  const known = createKnownText(0);
  const first = "web 4711/4711 [001] 1.5: 250 cycles: \n\t  10 f+0x1 (/x)\n\t  20 g+0x1 (/x)\n\n";
  const second = "web 4711/4712 2.25: cycles: \n\t  20 g+0x1 (/x)\n\n";
  const readAll = (text: string) => {
    const read = known.readSamples(0, put(known, text));
    return [text.slice(0, read.next), read.count, [...read.frames.subarray(0, read.frameCount)]];
  };
  assert.deepEqual(readAll(first), ["", 0, []]);
  learnHeader(known, first);
  learnLine(known, "\t  10 f+0x1 (/x)\n", 1);
  assert.deepEqual(readAll(first), ["", 0, []]);
  learnLine(known, "\t  20 g+0x1 (/x)\n", 2);
  assert.deepEqual(readAll(first + second + first.slice(0, -1)), [first + second, 2, [1, 2, 2]]);
  for (
    const unknown of [
      "db",
      "web 4711/4711 1.5: 2 cs:\n\n",
      "web 4711/4711 1.5: 2 cycles: a=b\n\n",
      "\n",
    ]
  ) {
    assert.deepEqual(readAll(first + unknown), [first, 1, [1, 2]], unknown);
  }
  const { fields, measures, sawEmptyLine } = known.readSamples(0, put(known, first + second));
  assert.deepEqual([...fields.subarray(0, 2), fields[3]], [4, 3, 2]);
  assert.deepEqual([...fields.subarray(8, 10), fields[11]], [4, 3, 1]);
  assert.deepEqual([...measures.subarray(2, 4), ...measures.subarray(6, 8)], [1.5, 250, 2.25, 1]);
  assert.equal(sawEmptyLine, true);
});

Deno.test("a sample of one line has no empty line behind it", () => {
  const known = createKnownText(0);
  const header = "web 4711/4711 1.5: 250 cycles: ";
  const rest = "             10 f+0x1 (/x)";
  const text = `${header}${rest}\n`;
  learnHeader(known, text);
  put(known, text);
  assert.equal(known.onlyFrameId(header.length - 1, text.length - 1, () => 9), 9);
  const read = known.readSamples(0, put(known, text + text));
  assert.equal(read.next, 2 * text.length);
  assert.deepEqual([...read.frames.subarray(0, read.frameCount)], [9, 9]);
  assert.equal(read.sawEmptyLine, false);
});

Deno.test("numbers are read that are exact, and no others", () => {
  const known = createKnownText(0);
  const header = (time: string, period = "5") => {
    put(known, `web 4711/4711 ${time}: ${period} cycles: \n`);
    return known.readHeader(0) > 0 && [known.timeSeconds(), known.weight()];
  };
  assert.deepEqual(header("14091.821693"), [14091.821693, 5]);
  assert.deepEqual(header("123456.123456789", "123456789012345"), [
    123456.123456789,
    123456789012345,
  ]);
  assert.equal(header("1234567.123456789"), false);
  assert.equal(header("1.5", "1234567890123456"), false);
  assert.equal(header("1."), false);
  assert.equal(header(".5"), false);
  assert.equal(header("1.0123456789"), false);
});
