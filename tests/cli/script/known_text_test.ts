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

Deno.test("a function without a file is the kernel's or not by its address", () => {
  const known = createKnownText(0);
  learnLine(known, "\tffffffff81000010 [unknown] ([unknown])\n", 7);
  learnLine(known, "\t    7f0000000010 [unknown] ([unknown])\n", 8);
  for (
    const [line, ids] of [
      ["\tffffffff81000010 [unknown] ([unknown])\n", [7]],
      ["\tffff800000000000 [unknown] ([unknown])\n", [7]],
      ["\tfffffffffeffffff [unknown] ([unknown])\n", [7]],
      ["\tffff7fffffffffff [unknown] ([unknown])\n", [8]],
      ["\tffffffffff600010 [unknown] ([unknown])\n", [8]],
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

/** The text of a sample whose functions are known by `learn`. */
const sample = (time: number, frames: string[], header = "web 4711/4711 [001]") =>
  `${header} ${time.toFixed(6)}:    250 cycles: \n${
    frames.map((frame) => `\t              10 ${frame}+0x1 (/x)\n`).join("")
  }\n`;

function learn(known: KnownText): void {
  learnHeader(known, sample(1, []));
  for (const [index, name] of ["f", "g", "h"].entries()) {
    learnLine(known, `\t              10 ${name}+0x1 (/x)\n`, index + 1);
  }
}

Deno.test("samples whose stacks are known are counted, and handed over once", () => {
  const known = createKnownText(0);
  learn(known);
  const one = sample(5, ["f", "g"]);
  const other = sample(3.5, ["f", "h"]);
  const read = known.readSamples(0, put(known, one));
  assert.equal(read.count, 1);
  assert.ok(known.addStack(0, 0, 17));
  // What was counted is not among what is returned, and the next begins where it was.
  const text = one + other + one;
  const { next, count, frames, frameCount } = known.readSamples(0, put(known, text));
  assert.deepEqual([next, count, [...frames.subarray(0, frameCount)]], [text.length, 1, [1, 3]]);
  const counts: [number, number, number][] = [];
  const take = (...counted: [number, number, number]) => counts.push(counted);
  assert.deepEqual(known.takeCounts(take), { startSeconds: 5, endSeconds: 5 });
  assert.deepEqual(counts, [[17, 2, 500]]);
  // It is forgotten with its count.
  assert.equal(known.readSamples(0, put(known, one)).count, 1);
  known.takeCounts(() => assert.fail("nothing was counted"));
});

Deno.test("stacks are counted until there is no room, and others after that", () => {
  const known = createKnownText(0);
  learn(known);
  const read = known.readSamples(0, put(known, sample(5, ["f"])));
  // Each differs in its command only.
  let added = 0;
  for (let hasRoom = true; hasRoom;) {
    read.fields[1] = added;
    read.fields[2] = Math.imul(added, 0x9e3779b1);
    hasRoom = known.addStack(0, 0, added);
    if (hasRoom) added++;
  }
  assert.ok(added > 1000, `${added} stacks`);
  assert.ok(!known.addStack(0, 0, added));
  known.takeCounts(() => {});
  assert.ok(known.addStack(0, 0, added));
});

Deno.test("what a header shares with one before is read as if it did not", () => {
  const known = createKnownText(0);
  learn(known);
  const headers = [
    ["web 4711/4711", 3],
    ["web 4711/4711 [001]", 3],
    ["  web 4711/4711 [001]", 3],
    ["web 4711/4712 [001]", 3],
    ["web 4711/47 [001]", 3],
    ["web 4711/4711 [01]", 3],
  ] as const;
  for (const [header, command] of [...headers, ...headers]) {
    const text = sample(1.25, ["f"], header);
    const { next, count, fields, measures } = known.readSamples(0, put(known, text));
    assert.deepEqual([next, count], [text.length, 1], header);
    assert.deepEqual([...fields.subarray(0, 2), measures[2]], [4, command, 1.25], header);
  }
  for (const end of ["cycles: ", "cycles:", "cycles:u: ", "cycles"]) {
    for (const period of ["250 ", "2500 ", "25 ", ""]) {
      const text = `web 4711/4711 1.5: ${period}${end}\n`;
      const colon = text.lastIndexOf(":");
      put(known, text);
      assert.equal(known.readHeader(0), end === "cycles" ? 0 : colon, text);
      if (end !== "cycles") assert.equal(known.weight(), Number(period) || 1, text);
    }
  }
});

Deno.test("a command is the same when so many others came that it was forgotten", () => {
  const known = createKnownText(0);
  const readCommand = (command: string, number: number) => {
    put(known, sample(1, [], `${command} 4711/4711`));
    assert.notEqual(known.readHeader(0), 0);
    known.eventId(() => 4);
    return known.commandId(() => number);
  };
  for (let time = 0; time < 3; time++) assert.equal(readCommand("web", 3), 3);
  for (let other = 10; other < 3000; other++) {
    assert.equal(readCommand(`db${other}`, other), other);
  }
  assert.equal(readCommand("web", 3), 3);
});

Deno.test("lines of the same function have it at any address, and those of others have not", () => {
  const known = createKnownText(0);
  learn(known);
  const line = (address: string, rest: string) => `\t${address.padStart(16)} ${rest}\n`;
  const long = `f(${"x".repeat(100)})`;
  learnLine(known, line("10", `${long}+0x1 (/x)`), 8);
  for (
    const [text, expected] of [
      [line("10", "f+0x1 (/x)"), [1]],
      [line("ffffffff81000010", "f+0xffff (/x)"), [1]],
      [line("11", "f (/x)"), [1]],
      [line("11", "ff+0x1 (/x)"), []],
      [line("11", "f+0x1 (/xx)"), []],
      [line("11", "f+0x1 (/y)"), []],
      [line("123456", `${long}+0x12 (/x)`), [8]],
      [line("123456", `${long}y+0x12 (/x)`), []],
      [line("123456", `${long}+0x12 (/${"y".repeat(80)})`), []],
    ] as const
  ) {
    // Twice: the second time it may be known as a line.
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(readLines(known, text), [expected.length ? text : "", [...expected]], text);
    }
  }
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
