import assert from "node:assert/strict";
import { parseCopiedFrame, parseFrame, parseOnlyFrame } from "../../../cli/script/frame_line.ts";

Deno.test("parseFrame: reads function, place in it, file", () => {
  const address = 0xffffffff81000010n;
  const vector = "std::vector<int, std::allocator<int> >";
  const lines: [rest: string, symbol: string, offset: number | undefined, dso: string][] = [
    ["do_idle+0x1f0 ([kernel.kallsyms])", "do_idle", 0x1f0, "[kernel.kallsyms]"],
    ["xfs_iget+0x0 ([xfs])", "xfs_iget", 0, "[xfs]"],
    ["[unknown] ([unknown])", "[unknown]", undefined, "[unknown]"],
    ["[unknown] (/tmp/perf-7.map)", "[unknown]", undefined, "/tmp/perf-7.map"],
    [
      "main (/opt/My App (x86)/web (deleted))",
      "main",
      undefined,
      "/opt/My App (x86)/web (deleted)",
    ],
    [`f(int, ${vector}) const+0x1 (/web)`, `f(int, ${vector}) const`, 1, "/web"],
    ["f(g (*)(int)) (/web)", "f(g (*)(int))", undefined, "/web"],
    ["operator()(int) (/web)", "operator()(int)", undefined, "/web"],
    ["<a::B as c::D>::e+0x2 (/web)", "<a::B as c::D>::e", 2, "/web"],
    [
      "Lorg/a/B;::<init>(I)V (/tmp/perf-7.map)",
      "Lorg/a/B;::<init>(I)V",
      undefined,
      "/tmp/perf-7.map",
    ],
    [
      "JS:*f /app/x y.js:3:4 (/tmp/perf-7.map)",
      "JS:*f /app/x y.js:3:4",
      undefined,
      "/tmp/perf-7.map",
    ],
    ["push_back+0x3 (inlined)", "push_back", 3, "inlined"],
    ["main+0x3 (/bin/web+0x1180)", "main", 3, "/bin/web"],
    ["f(int)", "f(int)", undefined, ""],
    ["(/bin/web)", "[unknown]", undefined, "/bin/web"],
    ["f (/bin/a)b)", "f", undefined, "/bin/a)b"],
    ["", "[unknown]", undefined, ""],
  ];
  for (const [rest, symbol, offset, dso] of lines) {
    for (const line of [`\tffffffff81000010 ${rest}`, `        ffffffff81000010 ${rest}`]) {
      assert.deepEqual(parseFrame(line), { address, symbol, offset, dso }, line);
    }
  }
  for (
    const line of [
      "\t",
      "\tmain (/bin/web)",
      "\t12345678901234567 f (/web)",
      "\t00007ffe10203040\tinsn: 0f 05",
      "  busy.c:12",
    ]
  ) {
    assert.equal(parseFrame(line), undefined, line);
  }
});

Deno.test("parseCopiedFrame: takes a line with spaces for the tab, but no line of source code", () => {
  for (
    const line of [
      "            55d000001010 work+0x10 (/srv/web)",
      "  ffffffff81000010 do_idle+0x1f0 ([kernel.kallsyms])",
      "        55d000001010 work+0x10",
      "     10 work (inlined)",
    ]
  ) assert.equal(parseCopiedFrame(line)?.symbol.slice(0, 2), line.includes("do_") ? "do" : "wo");
  for (
    const line of [
      "  ab cd/work.c:12",
      "  ab cd/work.c:12 (discriminator 2)",
      "               0 4K",
      "               0",
      " ABI:2    AX:0x1 ",
    ]
  ) assert.equal(parseCopiedFrame(line), undefined, line);
});

Deno.test("parseOnlyFrame: is the last address with a symbol, or nothing", () => {
  const frame = { address: 0x55d0c8a0f000n, symbol: "f(int)", offset: 16, dso: "/bin/web" };
  const ip = "     55d0c8a0f000 f(int)+0x10 (/bin/web)";
  for (
    const rest of [
      ip,
      `  jmp                  ${ip}`,
      `     7f12e82d0000 shared_table+0x0 (/srv/web)${ip}`,
      `     7f12e82d0000 [unknown] ([unknown])        68100142 |OP LOAD|LVL L1 hit              30${ip}`,
      `                0               1 /kubepods/a b${ip}`,
      `${ip} ABI:2    AX:0xffffffffffffffda    BX:0x7ffcc06e29ba                0 N/A 4K`,
      `${ip} 0x55d0/0x55e0/P/-/-/3/CALL/-  0x55d1/0x55e1/M/-/-/0 `,
      `${ip}0x55d0(/bin/a b)/0x55e0(/bin/a b)/P/-/-/3 `,
      `${ip} main+0x5/f(int)+0x0/P/-/-/1 `,
      `${ip} ilen: 3 insn: 48 89 e5`,
      `${ip}     123456789000 4K 2M`,
    ]
  ) assert.deepEqual(parseOnlyFrame(rest), frame, rest);
  assert.equal(parseOnlyFrame("     55d0c8a0f000 f+0x1")?.symbol, "f");
  for (
    const rest of [
      " prev_comm=web prev_pid=9 ==> next_comm=a (b)",
      " beef (b)",
      " a: b: c",
      " page=0xffffea00269631d0 pfn=647377360 order=0 cold=0",
      "                0               1 /kubepods/a b",
    ]
  ) assert.equal(parseOnlyFrame(rest), undefined, rest);
});
