/** Inputs of the kinds of `cases_test.ts`, made of what perf's source can print (`grammar.md`). */
import assert from "node:assert/strict";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { parsePerfScript } from "../../../cli/script/parse.ts";
import type { ScriptSummary } from "../../../cli/script/stack_profile.ts";
import { inChunks } from "./recordings.ts";

const STACK = "\t    55d000001010 work+0x10 (/srv/web)\n\t    55d000001108 main+0x8 (/srv/web)\n";
const HEADER = "web       7/7       [001]    12.500000:      10101 cycles:P: ";
const SAMPLE = `${HEADER}\n${STACK}\n`;

/**
 * What a text is read as, a line for each sample: `comm pid/tid cpu time period event leaf<caller`.
 */
async function samplesOf(text: string): Promise<{ samples: string[]; summary: ScriptSummary }> {
  let summary: ScriptSummary | undefined;
  const samples = await Array.fromAsync(
    parsePerfScript(inChunks(new TextEncoder().encode(text), 1000), {
      onEnd: (end) => summary = end,
    }),
    ({ command, pid, tid, cpu, timeSeconds, period, event, frames }) =>
      [
        ...[command, `${pid ?? ""}/${tid ?? ""}`, `[${cpu ?? ""}]`, timeSeconds, period, event],
        frames.map(({ symbol }) => symbol).join("<"),
      ].join(" "),
  );
  return { samples, summary: summary! };
}

const READ = "web 7/7 [1] 12.5 10101 cycles:P work<main";

const START = "web 7 [000] 12.400000: ";
/**
 * Lines that perf prints besides samples; each takes the place of an event, or is of the header.
 */
const RECORDS = [
  `${START}PERF_RECORD_FORK(7:8):(7:7)\n`,
  `${START}    PERF_RECORD_EXIT(7:8):(7:8)\n`,
  `${START}PERF_RECORD_COMM: worker:7/8\n`,
  `${START}PERF_RECORD_COMM exec: sh:7/7\n`,
  `${START}PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1277288) @ 0]: x [kernel.kallsyms]_text\n`,
  `${START}PERF_RECORD_MMAP2 7/7: [0x55d000000000(0x2000) @ 0 fe:00 5 0]: r-xp /srv/a 1.5: b: c\n`,
  `${START}PERF_RECORD_SWITCH OUT preempt\n`,
  `${START}PERF_RECORD_SWITCH IN         \n`,
  `${START}PERF_RECORD_SWITCH_CPU_WIDE OUT          next pid/tid:     7/8    \n`,
  `${START}PERF_RECORD_LOST lost 12\n`,
  `${START}PERF_RECORD_LOST_SAMPLES lost 12\n`,
  `${START}PERF_RECORD_CGROUP cgroup: 25 /kubepods/a b\n`,
  `${START}PERF_RECORD_KSYMBOL addr ffffffffc0123456 len 71 type 1 flags 0x0 name bpf_prog_1_f\n`,
  `${START}PERF_RECORD_BPF_EVENT type 1, flags 0, id 7\n`,
  `${START}PERF_RECORD_THROTTLE\n`,
  `${START}PERF_RECORD_SOMETHING_NEW\n`,
  `${START}PERF_RECORD_NAMESPACES 7/7 - nr_namespaces: 2\n` +
  "\t\t[0/net: 4/0xeffffff9, 1/uts: 4/0xeffffffe, \n\t\t 2/ipc: 4/0xefffffff]\n",
  "PERF_RECORD_FINISHED_ROUND\n",
  "web       7 PERF_RECORD_COMM: worker:7/8\n",
  "             web       7 K     2026-11-28 23:48:44.417319     0.000000: PERF_RECORD_AUX offset: 0\n",
  "VM:    5 VCPU:001 :-1       -1 [-01]     0.000000: PERF_RECORD_ITRACE_START pid: 7 tid: 7\n",
  "nl\nname 13285  1338.032055: PERF_RECORD_SWITCH IN         \n",
  "nl\nname 13285  1338.032055: PERF_RECORD_COMM: nl\nname:7/8\n",
  "1/1 1.5: 5 c 12728 PERF_RECORD_COMM: 1/1 1.5: 5 c:12728/12736\n",
  `${START}\tmetric:     1.25  insn per cycle\n`,
  "#\n",
  "# e_machine : 62\n#   e_flags : 0\n",
  "# hostname : web 7/7 [001] 12.5: 10101 cycles: \n",
  "# event : name = cycles:P, , id = { 1, 2 }, type = 0, size = 136\n",
  "# captured on    : Sat Nov 28 19:00:21 2026\n",
];

Deno.test("foldPerfScript: no record between samples is a sample, with a stack or without", async () => {
  for (const record of RECORDS) {
    for (const text of [record + SAMPLE, SAMPLE + record, SAMPLE + record + SAMPLE]) {
      const expected = text.split("work+").slice(1).map(() => READ);
      const { samples, summary } = await samplesOf(text);
      assert.deepEqual(samples, expected, text);
      assert.deepEqual(summary.leftOut, [], text);
    }
    const flat = `${HEADER}    55d000001010 work+0x10 (/srv/web)\n`;
    const { samples } = await samplesOf(flat + record + flat);
    assert.deepEqual(samples, [READ, READ].map((line) => line.replace("<main", "")), record);
  }
});

Deno.test("foldPerfScript: a stack after a line with # belongs to no sample, and is reported", async () => {
  const { samples, summary } = await samplesOf(`# cmdline : perf\n${STACK}\n${SAMPLE}`);
  assert.deepEqual(samples, [READ]);
  assert.deepEqual(summary.leftOut, [{ kind: "stack without a sample", lines: 2, firstLine: 2 }]);
});

Deno.test("parsePerfScript: fields between processor and time are no event", async () => {
  const event = "12.500000:      10101 cycles:P: \n";
  for (
    const [start, expected] of [
      ["web       7/7       [001] U     ", "web 7/7 [1]"],
      ["web       7/7       [001] KE    ", "web 7/7 [1]"],
      ["web       7/7       [001]       ", "web 7/7 [1]"],
      ["web       7 U         ", "web /7 []"],
      ["web       7/7       [001] 2026-11-28 19:14:34.181667 ", "web 7/7 [1]"],
      ["web       7/7       2026-11-28 19:14:34.181667 ", "web 7/7 []"],
      ["web       7/7       [001] G     2026-11-28 19:14:34.181667 ", "web 7/7 [1]"],
      ["web       7/7       [-01] ", "web 7/7 [-1]"],
      ["web       7/7       [-001] ", "web 7/7 [-1]"],
      ["VM:    5 VCPU:003 web       7/7       [001] ", "web 7/7 [1]"],
      ["VM:    5 web       7/7       [001] ", "web 7/7 [1]"],
      ["web       7/7         1 ", "web 7/7 [1]"],
      [":-1      -1/-1      [002] ", ":-1 -1/-1 [2]"],
      ["[001] ", " / [1]"],
      ["web [001] ", "web / [1]"],
      ["web ", "web / []"],
      ["", " / []"],
    ]
  ) {
    const { samples, summary } = await samplesOf(`${start}   ${event}${STACK}\n`.repeat(2));
    const line = `${expected} 12.5 10101 cycles:P work<main`;
    assert.deepEqual(samples, [line, line], start);
    assert.deepEqual(summary.leftOut, [], start);
  }
});

Deno.test("parsePerfScript: any field may be missing after the thread", async () => {
  for (
    const [header, expected] of [
      ["web       7/7      12.500000:      10101 cycles:P: ", "web 7/7 [] 12.5 10101 cycles:P"],
      ["web       7/7      12.500000: cycles:P: ", "web 7/7 [] 12.5  cycles:P"],
      ["web       7/7      12.500000:      10101 ", "web 7/7 [] 12.5 10101 "],
      ["web       7/7      12.500000: ", "web 7/7 [] 12.5  "],
      ["web       7/7       [001]      10101 cycles:P: ", "web 7/7 [1]  10101 cycles:P"],
      ["web       7/7           10101 cycles:P: ", "web 7/7 []  10101 cycles:P"],
      ["web       7      10101 cycles:P: ", "web /7 []  10101 cycles:P"],
      ["web       7 cycles:P: ", "web /7 []   cycles:P"],
      ["web       7 U              10101 cycles:P: ", "web /7 []  10101 cycles:P"],
      ["web       7 ", "web /7 []   "],
      ["web       7/7       ", "web 7/7 []   "],
      ["web       7/7       [001] ", "web 7/7 [1]   "],
      ["web 7", "web /7 []   "],
    ]
  ) {
    const { samples, summary } = await samplesOf(`${header}\n${STACK}\n`.repeat(2));
    assert.deepEqual(samples, [`${expected} work<main`, `${expected} work<main`], header);
    assert.deepEqual(summary.leftOut, [], header);
  }
});

/** What a header may have behind its event. */
const RESTS = [
  "",
  "  jmp                  ",
  "     7f12e82d0000 shared_table+0x0 (/srv/web)",
  "     7f12e82d0000 [unknown] (//anon)               0",
  "                0",
  "     7f12e82d0000 [unknown] ([stack])        68100142 |OP LOAD|LVL L1 hit|SNP None         30",
  "               0              12               3 /kubepods/a (b)",
  " prev_comm=web prev_pid=7 ==> next_comm=a: next_pid=9 (x)",
];

/** What perf prints behind a stack, or behind the only frame. */
const FURTHER = [
  "",
  " ABI:2    AX:0xffffffffffffffda    BX:0x7ffcc06e29ba ",
  " ABI:2    AX:0x0    BX:0x0                0 N/A 2M",
  " 0x55d0/0x55e0/P/-/-/3/CALL/-  0x55d1(/srv/web)/0x55e1(/srv/web)/M/-/-/0 ",
  " main+0x5/f(int)+0x0/P/-/-/1 ",
  " ilen: 3 insn: 48 89 e5",
  " insn: 48 89 12",
  "               0",
  "    123456789000 4K 2M",
  " 4K",
];

Deno.test("foldPerfScript: a stack after the header counts, and not what is in its line", async () => {
  for (const rest of RESTS) {
    for (const further of FURTHER) {
      // What follows a stack takes the place of the empty line.
      const text = `${HEADER}${rest}\n${STACK}${further}\n`.repeat(2);
      const { samples, summary } = await samplesOf(text);
      assert.deepEqual(samples, [READ, READ], text);
      assert.deepEqual(summary.leftOut, [], text);
    }
  }
});

Deno.test("foldPerfScript: without a stack the last address with a symbol is the frame", async () => {
  const ip = "     55d000001010 work+0x10 (/srv/web)";
  for (const rest of RESTS) {
    for (const further of FURTHER) {
      const text = `             ${HEADER}${rest}${ip}${further}\n`.repeat(3);
      const { events, frames, leftOut } = await foldPerfScript(
        inChunks(new TextEncoder().encode(text)),
      );
      assert.deepEqual(frames, [{ symbol: "work", dso: "/srv/web" }], text);
      assert.deepEqual(events.map(({ event, samples }) => [event, samples]), [["cycles:P", 3]]);
      assert.deepEqual(leftOut, [], text);
    }
    const { samples } = await samplesOf(`${HEADER}${rest}\n`.repeat(2));
    assert.equal(samples.length, 2, rest);
  }
});

Deno.test("foldPerfScript: lines besides the frames do not end a stack, and are no frames", async () => {
  const [work, main] = STACK.split(/(?<=\n)/);
  for (
    const between of [
      "  work.c:12\n",
      "  work.c:12 (discriminator 2)\n",
      "  ab cd/work.c:12\n",
      "  /src/a b/dead beef.c:12\n",
      "  web[1108]\n",
      "  [kernel.kallsyms][ffffffff81775dda]\n",
    ]
  ) {
    const text = `${HEADER}\n${work}${between}${main}${between}\n`.repeat(2);
    const { samples, summary } = await samplesOf(text);
    assert.deepEqual(samples, [READ, READ], text);
    assert.deepEqual(summary.leftOut, [], text);
  }
  for (
    const noise of [
      "addr2line: /lib/modules/6.1.0/ext4.ko.xz: file format not recognized",
      "BFD: warning: /usr/lib/debug/foo: unsupported",
      "addr2line: DWARF error: could not find variable specification at offset 0x5",
    ]
  ) {
    const { samples, summary } = await samplesOf(`${HEADER}\n${work}${noise}\n${main}\n${SAMPLE}`);
    assert.deepEqual(samples, [READ, READ], noise);
    assert.deepEqual(summary.leftOut, [{ kind: "unknown line", lines: 1, firstLine: 3 }]);
  }
});

Deno.test("foldPerfScript: what follows a sample after an empty line is not a sample", async () => {
  for (
    const more of [
      "\tmain+12:\n\t000055d000001108\tinsn: 48 89 e5 \t# PRED 3 cycles 0.33 IPC\n" +
      "\t000055d00000110b\tinsn: c3\n",
      "\tmain:\tmain.c:3\n\t00007f8c6d2b1e2a\tmov %rax,%rbx\n\t... not reaching sample ...\n",
      "\tcannot resolve 55d000001000-55d000001010\n",
      "\tblock 55d000001000-55d000001010 transfers between kernel and user\n",
      "      BPF output: 0000: 01 02 03 04 05 06 07 08  ........\n" +
      "                  0008: 00 00                    ..\n",
      "|12      for (;;) work();\n|13      return;\n",
    ]
  ) {
    const { samples, summary } = await samplesOf(`${SAMPLE}${more}\n`.repeat(2));
    assert.deepEqual(samples, [READ, READ], more);
    assert.deepEqual(summary.leftOut, [], more);
  }
});

Deno.test("foldPerfScript: a thread's name is not taken for another line, whatever is in it", async () => {
  for (
    const name of [
      ...["PERF_RECORD_x", "a:b: c", "5 [0] 1.5: c", "x 1/2", "[kworker/0:1]", "1", "VM Thread"],
      ...[
        "nl\nname",
        "a\nb\nc",
        "\n",
        "1/1 1.5: 5 c",
        "\t1 f (x)",
        "a\t1 f (x)",
        "é ü",
        "U",
        "K 7",
      ],
    ]
  ) {
    const { samples } = await samplesOf(SAMPLE.replace("web ", `${name} `).repeat(2));
    assert.equal(samples.length, 2, JSON.stringify(name));
    for (const sample of samples) assert.ok(sample.endsWith("10101 cycles:P work<main"), sample);
  }
  // Such a line looks like one of a stack, with a sample open before it.
  const { samples } = await samplesOf(SAMPLE + SAMPLE.replace("web ", "a\n\t1 f (x) "));
  assert.deepEqual(samples[0], READ);
});

Deno.test("foldPerfScript: periods of 64 bits are added up as they are", async () => {
  const sample = (period: string) => SAMPLE.replace("10101", period);
  const periods = ["9007199254740993", "18446744073709551615", "1", "9007199254740993", "0"];
  const text = periods.map(sample).join("");
  const { events: [event] } = await foldPerfScript(inChunks(new TextEncoder().encode(text)));
  const sum = periods.reduce((sum, period) => sum + BigInt(period), 0n);
  for (const counts of [event, event.stacks[0]]) {
    assert.equal(counts.exactWeight, sum);
    assert.equal(counts.weight, Number(sum));
  }
  const { events: [small] } = await foldPerfScript(
    inChunks(new TextEncoder().encode(sample("9007199254740991"))),
  );
  assert.deepEqual([small.weight, small.exactWeight], [9007199254740991, undefined]);
});

Deno.test("foldPerfScript: texts of machines that were put together have clocks of their own", async () => {
  const textAt = (...seconds: number[]) =>
    seconds.map((time) => SAMPLE.replace("12.500000", `${time}.500000`)).join("");
  const duration = async (text: string) =>
    (await foldPerfScript(inChunks(new TextEncoder().encode(text)))).durationSeconds;
  const minute = Array.from({ length: 31 }, (_, index) => 100 + 2 * index);
  assert.equal(await duration(textAt(...minute)), 60);
  // A clock that is days apart, before or after, and with headers between them any.
  const header = "# ========\n# hostname : node2\n# ========\n#\n";
  for (const offset of [2_592_000, -90, 1, 300, 4000]) {
    const other = textAt(...minute.map((time) => time + offset));
    assert.equal(
      await duration(`${header}${textAt(...minute)}${header}${other}`),
      120,
      `${offset}`,
    );
  }
  assert.equal(await duration(textAt(...minute, ...minute.map((time) => time + 2_592_000))), 120);
  const later = minute.map((time) => time + 2_592_000);
  assert.equal(await duration(textAt(...later, ...minute)), 120);
  // Several recordings of one machine, one behind the other in the text.
  assert.equal(await duration(textAt(...minute, 110, 120, 150)), 60);
  // A pause, or another clock: nobody knows.
  assert.equal(await duration(textAt(...minute, ...minute.map((time) => time + 500))), undefined);
  assert.equal(await duration(SAMPLE.replace(" 12.500000:", "")), undefined);
});
