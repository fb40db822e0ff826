import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { foldedLines } from "../../../cli/script/folded.ts";
import type { StackProfile } from "../../../cli/script/stack_profile.ts";
import { plainFold } from "./plain_fold.ts";
import {
  FOLDED_RECORDINGS,
  foldedRecording,
  inChunks,
  recording,
  RECORDINGS,
} from "./recordings.ts";

function fold(text: string): Promise<StackProfile> {
  return foldPerfScript(inChunks(new TextEncoder().encode(text)));
}

const folded = (profile: StackProfile, options = {}) => [...foldedLines(profile, options)].join("");
const sorted = (text: string) => text.split("\n").sort();

Deno.test("foldPerfScript: stacks are those that perf's own stackcollapse.py finds", async () => {
  for (const name of FOLDED_RECORDINGS) {
    const profile = await foldPerfScript(inChunks(await recording(name)));
    assert.deepEqual(sorted(folded(profile)), sorted(await foldedRecording(name)), name);
  }
});

Deno.test("foldPerfScript: it counts what the samples are, one by one", async () => {
  for (const name of RECORDINGS) {
    const bytes = await recording(name);
    const expected = plainFold(bytes);
    for (const size of [bytes.length, 4096, 7]) {
      const { durationSeconds: _, ...profile } = await foldPerfScript(inChunks(bytes, size));
      assert.deepEqual(profile, expected, `${name} by ${size}`);
    }
  }
});

const TEXT = "a b 1/1 2.0: 5 cycles: \n\t  10 f+0x1 (/x)\n\t  20 m;n (/x)\n\n" +
  "a b 1/1 1.0: 6 cycles: \n\t  11 f+0x2 (/x)\n\t  20 m;n (/x)\n\n" +
  "a b 1/1 3.0: cs: \n\t  11 f+0x2 (/x)\n\t  20 m;n (/x)\n\n" +
  "a b 1/1 3.0: cs: \n\t  11 f+0x2 (/y)\n\t  20 m;n (/x)\n\n";

Deno.test("foldPerfScript: stacks that differ in addresses only are one, of each event", async () => {
  const { events, frames, ...rest } = await fold(TEXT);
  assert.deepEqual(frames.map(({ symbol, dso }) => symbol + dso), ["f/x", "m;n/x", "f/y"]);
  assert.deepEqual(
    events.map(({ event, stacks, samples, weight }) => [
      ...[event, samples, weight],
      ...stacks.map((stack) => [...stack.frames, stack.samples, stack.weight]),
    ]),
    [["cycles", 2, 11, [1, 0, 2, 11]], ["cs", 2, 2, [1, 0, 1, 1], [1, 2, 1, 1]]],
  );
  assert.deepEqual(rest, {
    samples: 4,
    skippedLines: 0,
    truncated: false,
    leftOut: [],
    startSeconds: 1,
    endSeconds: 3,
    durationSeconds: 2,
  });
});

Deno.test("foldPerfScript: the folded form has no separators in names", async () => {
  const profile = await fold(TEXT);
  assert.equal(folded(profile), "a_b;m:n;f 4\n");
  assert.equal(folded(profile, { count: "weight", event: "cycles" }), "a_b;m:n;f 11\n");
  assert.equal(
    folded(profile, {
      event: "cs",
      name: ({ symbol, dso }: { symbol: string; dso: string }) => symbol + dso,
    }),
    "a_b;m:n/x;f/x 1\na_b;m:n/x;f/y 1\n",
  );
});

Deno.test("foldPerfScript: memory does not grow with the samples, nor with addresses", async () => {
  let address = 0;
  async function* input(samples: number) {
    for (let count = 0; count < samples; count += 1000) {
      const sample = () =>
        `web 7/7 1.5: 3 cycles: \n\t${(address++).toString(16).padStart(16)} hot (/web)\n\n`;
      yield new TextEncoder().encode(Array.from({ length: 1000 }, sample).join(""));
    }
  }
  // More lines than the table of lines takes, so that it forgets.
  const { events: [{ stacks }], frames } = await foldPerfScript(input(300_000));
  assert.equal(frames.length, 1);
  assert.deepEqual(stacks.map(({ samples, weight }) => [samples, weight]), [[300_000, 900_000]]);
});

Deno.test("foldPerfScript: stacks are told apart by what they are, not by a hash of it", async () => {
  // Of so many stacks, seven or so have a hash of 32 bits that another one has, too.
  const functions = 500;
  async function* input() {
    for (let caller = 0; caller < functions; caller++) {
      const sample = (_: unknown, leaf: number) => {
        const chain = [leaf, caller, (31 * caller + 17 * leaf) % functions];
        const lines = chain.map((number) => `\t  ${number} f${number} (/web)\n`);
        return `web 7/7 1.5: 3 cycles: \n${lines.join("")}\n`;
      };
      yield new TextEncoder().encode(Array.from({ length: functions }, sample).join(""));
    }
  }
  const { events: [{ stacks }] } = await foldPerfScript(input());
  assert.equal(stacks.length, functions * functions);
  assert.ok(stacks.every(({ samples }) => samples === 1));
});

const HEADER = "web 7/7 1.500: 3 cycles:";

/**
 * A sample whose lines are 25 bytes each, so that they are at the same places of several pieces.
 */
function sample(lines: string[], header: string = HEADER, end: string = "\n"): string {
  const text = lines.map((line) => `\t${line.padStart(16)} (/web)`);
  return [header, ...text, "", ""].join(end);
}

Deno.test("foldPerfScript: a stack that was there before is the same one only with all that tells it apart", async () => {
  const lines = ["10 leaf+0x1", "20 middle_a+0x1", "30 middle_b+0x1", "40 root_a+0x1"];
  const others: Record<string, string> = {
    "the same": sample(lines),
    "another event": sample(lines, "web 7/7 1.5: 3 cs:"),
    "another command": sample(lines, "db 7/7 1.5: 3 cycles:"),
    "another time and period": sample(lines, "web 7/7 0.5: 4 cycles:"),
    "other ends of lines": sample(lines, HEADER, "\r\n"),
    "one more caller": sample([...lines, "50 start+0x1"]),
    "one caller less": sample(lines.slice(0, -1)),
    "the last caller only": sample(lines.slice(-1)),
    "one letter in front": sample(lines.with(1, "20 middle_x+0x1")),
    "one letter behind": sample(lines.with(3, "40 root_x+0x1")),
    "a line of no stack": sample([...lines, "perf lost something"]),
    "a comment": sample([...lines, "50 start+0x1\n# a comment\n\t60 _start+0x1"]),
    "a sample that no empty line ends": sample([...lines, `50 start\n${HEADER}\n\t60 end`]),
    "nothing": sample([]),
  };
  for (const [what, other] of Object.entries(others)) {
    const text = `${sample(lines)}${other}`.repeat(3);
    for (const cut of [0, 1, 2, 30]) {
      const bytes = new TextEncoder().encode(text.slice(0, text.length - cut));
      for (const size of [bytes.length, sample(lines).length, 75]) {
        const { durationSeconds: _, ...profile } = await foldPerfScript(inChunks(bytes, size));
        assert.deepEqual(
          profile,
          plainFold(bytes),
          `${what}, without the last ${cut} bytes, by ${size}`,
        );
      }
    }
  }
});

Deno.test("foldPerfScript: more different stacks than are known by their texts are counted all the same", async () => {
  const different = 40_000;
  async function* input() {
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < different; index += 1000) {
        const samples = Array.from(
          { length: 1000 },
          (_, more) => sample(["10 leaf+0x1", `20 caller_${index + more}+0x1`]),
        );
        yield new TextEncoder().encode(samples.join(""));
      }
    }
  }
  const { events: [{ stacks }], frames } = await foldPerfScript(input());
  assert.equal(frames.length, different + 1);
  assert.equal(stacks.length, different);
  assert.ok(stacks.every(({ samples, weight }) => samples === 3 && weight === 9));
});
