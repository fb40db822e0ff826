/** Whatever text is said to be a perf script, both readers make the same of it. */
import assert from "node:assert/strict";
import { foldPerfScript } from "../../cli/script/fold.ts";
import { foldedLines } from "../../cli/script/folded.ts";
import { plainFold } from "../cli/script/plain_fold.ts";
import { inChunks } from "../cli/script/recordings.ts";
import { CASES, createRandom, type Random, SEED } from "./random.ts";

const COMMANDS = [
  "web",
  "V8 Worker",
  "a 1/2 3.4: b",
  "kworker/0:1-ev",
  "1",
  "-1",
  "é",
  "a  b",
  "#",
];
const THREADS = ["7/9", "9", "-1/-1", " 7/9  ", "7/9 [001]", "[001]", ""];
const TIMES = [" 1.500000: ", " 14091.821693:", " 99999999.123456789: ", " 0.1: ", "   ", " 1.5 "];
const PERIODS = ["", " 250000 ", " 0 ", "   1 ", " 12345678901234567890 ", " 5"];
const EVENTS = [
  "cycles:u: ",
  "cs:",
  "sched:sched_switch: a=b ",
  "cpu/event=1,umask=2/: ",
  ": ",
  "x ",
];
const LINES = [
  "",
  "              10 f+0x1 (/x)",
  "    ffffffff8100 g(int) const+0x2 ([kernel.kallsyms])",
  "\t              10 f+0x1 (/x)",
  "\t              11 f+0x2 (/x)",
  "\t              10 f+0x1 (/x)",
  "\t    ffffffff8100 g(int) const+0x2 ([kernel.kallsyms])",
  "\t              30 h (inlined)",
  "\t              40 [unknown] ([unknown])",
  "\tffffffff81000010 [unknown] ([unknown])",
  "\tffffffff8100001f [unknown] ([unknown])",
  "\tffffffffff600010 [unknown] ([unknown])",
  "\t              12 f+0x3 (/x)",
  "\t    ffffffff8104 g(int) const+0x6 ([kernel.kallsyms])",
  "\t              13 f(+0x4 (/x)",
  "\t              14 f)+0x4 (/x (deleted))",
  "\t              15 f+0x11112222333344445 (/x+0x1)",
  "\t              16  (/x)",
  "\t              17 (/x)",
  `\t              18 f(${"(x) ".repeat(30)})+0x4 (/x)`,
  `\t              19 f+0x4 (/${"x".repeat(70)} (deleted))`,
  "\t              10 ff+0x1 (/x)",
  "\t              10 f+0x1 (/xx)",
  "# a comment",
  "  web.c:12",
];
const ENDS = ["\n", "\n", "\n", "\n\n", "\r\n", ""];

function script(random: Random): Uint8Array {
  const parts: string[] = [];
  let stack: string[] = [];
  for (let samples = random.integer(6); samples > 0; samples--) {
    const pad = random.pick(["", "", "   "]);
    const header = [COMMANDS, [" ", "   "], THREADS, TIMES, PERIODS, EVENTS]
      .map((choices: readonly string[]) => random.pick(choices)).join("");
    parts.push(pad + header, random.pick(["", random.pick(LINES)]), random.pick(ENDS));
    // A stack that was there before is counted in another way.
    if (random.integer(2)) {
      stack = [];
      for (let lines = random.integer(5); lines > 0; lines--) {
        stack.push(random.pick(LINES), random.pick(ENDS));
      }
      stack.push(random.pick(["", "\n", "\n"]));
    }
    parts.push(...stack);
  }
  const text = parts.join("");
  const bytes = new TextEncoder().encode(random.integer(2) ? random.mutate(text) : text);
  if (bytes.length > 0 && random.integer(4) === 0) {
    bytes[random.integer(bytes.length)] = random.integer(256);
  }
  return bytes;
}

Deno.test("fuzz: folding is the same as counting samples, whatever the text and its chunks", async () => {
  const random = createRandom(SEED);
  for (let count = 0; count < CASES / 4; count++) {
    const bytes = script(random);
    try {
      const { durationSeconds: _, ...profile } = await foldPerfScript(
        inChunks(bytes, 1 + random.integer(64)),
      );
      assert.deepEqual(profile, plainFold(bytes));
      for (const line of foldedLines(profile)) assert.match(line, /^[^\n]* [0-9]+\n$/);
    } catch (error) {
      const input = JSON.stringify(new TextDecoder().decode(bytes));
      throw new Error(`seed ${SEED}, case ${count}: ${input}`, { cause: error });
    }
  }
});
