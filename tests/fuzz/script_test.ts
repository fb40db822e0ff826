/** Whatever text is said to be a perf script, it is read by perf's grammar. */
import assert from "node:assert/strict";
import { foldPerfScript } from "../../cli/script/fold.ts";
import { foldedLines } from "../../cli/script/folded.ts";
import { parsePerfScript } from "../../cli/script/parse.ts";
import type { ScriptSummary } from "../../cli/script/stack_profile.ts";
import { plainFold } from "../cli/script/plain_fold.ts";
import {
  type Layout,
  pickLayout,
  type PrintedSample,
  printScript,
} from "../cli/script/print_script.ts";
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

/** Names of threads that look like what follows them, where a time tells where that begins. */
const TRICKY_COMMANDS = [
  // A line that begins with it is never a sample's.
  ...COMMANDS.filter((command) => !command.startsWith("#")),
  ...["PERF_RECORD_x", "nl\nname", "VM Thread", "web:1 2/3 U"],
];
const SYMBOLS = ["work", "[unknown]", "f(int, (g)) const", "std::vector<a, b>::at", "a: b", "(x)"];
const FILES = [
  "/srv/web",
  "[unknown]",
  "[kernel.kallsyms]",
  "/srv/a b (deleted)",
  "/tmp/perf-7.map",
];

function sampleOf(random: Random, layout: Layout, timeSeconds: number): PrintedSample {
  const hasNoId = !layout.tid && !layout.pid;
  const commands = layout.time === "no" || hasNoId ? ["web", "worker-1"] : TRICKY_COMMANDS;
  const ids = random.pick([[7, 9], [4711, 4711], [-1, -1], [4194304, 4194304]]);
  const frame = () => {
    const symbol = random.pick(SYMBOLS);
    return {
      address: BigInt(random.pick([0x55d000001010, 0x10, 0x7f1200000000])),
      symbol,
      offset: symbol === "[unknown]" ? 0 : random.integer(4096),
      dso: random.pick(FILES),
    };
  };
  return {
    command: random.pick(commands),
    ...{ pid: ids[0], tid: ids[1], cpu: random.pick([0, 12, -1]) },
    timeSeconds,
    period: random.pick([0, 1, 250_000, 10_101_010, 123_456_789_012]),
    event: random.pick(["cycles:P", "cpu-clock", "cpu_core/cycles/Pu", "sched:sched_switch"]),
    frames: Array.from({ length: 1 + random.integer(4) }, frame),
  };
}

Deno.test("fuzz: what perf prints of samples is read as these samples, whatever its fields", async () => {
  const random = createRandom(SEED);
  for (let count = 0; count < CASES / 4; count++) {
    const layout = pickLayout(random);
    const printed = Array.from(
      { length: 1 + random.integer(5) },
      (_, index) => sampleOf(random, layout, 12.5 + index / 8),
    );
    const text = printScript(printed, layout, random);
    try {
      const bytes = inChunks(new TextEncoder().encode(text), 1 + random.integer(200));
      let summary: ScriptSummary | undefined;
      const samples = await Array.fromAsync(
        parsePerfScript(bytes, { onEnd: (end) => summary = end }),
      );
      const expected = printed.map((sample) => ({
        command: layout.comm ? sample.command.replace(/^\s+|\s+$/g, "") : "",
        pid: layout.pid && layout.tid ? sample.pid : undefined,
        tid: layout.tid ? sample.tid : layout.pid ? sample.pid : undefined,
        cpu: layout.cpu ? sample.cpu : undefined,
        timeSeconds: layout.time === "no" ? undefined : sample.timeSeconds,
        period: layout.period ? sample.period : undefined,
        event: layout.event ? sample.event : "",
        frames: sample.frames.slice(0, layout.hasCallGraph ? undefined : 1).map((frame) => ({
          ...frame,
          offset: frame.symbol === "[unknown]" ? undefined : frame.offset,
        })),
      }));
      assert.deepEqual(
        samples.map(({ pid, tid, cpu, ...sample }) => ({ pid, tid, cpu, ...sample })),
        expected.map(({ command, ...sample }) => ({ ...sample, command })),
      );
      assert.deepEqual([summary?.leftOut, summary?.truncated], [[], false]);
    } catch (error) {
      const layoutText = JSON.stringify(layout);
      throw new Error(`seed ${SEED}, case ${count}: ${layoutText}\n${text}`, { cause: error });
    }
  }
});
