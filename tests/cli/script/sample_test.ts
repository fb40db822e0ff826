import assert from "node:assert/strict";
import { parseFrame, parseHeader } from "../../../cli/script/sample.ts";

/** What a line says, without what it does not. */
function said(value: object | undefined): object | undefined {
  return value &&
    Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}

Deno.test("a sample's first line, with the fields that perf prints for other options", () => {
  const rest = { cpu: 2, timeSeconds: 12.345678, period: 250000, event: "cycles:u", frames: [] };
  const lines: [line: string, expected: object | undefined][] = [
    ["web    7/9    [002]    12.345678:     250000 cycles:u: ", {
      command: "web",
      pid: 7,
      tid: 9,
      ...rest,
    }],
    ["web    9 [002]    12.345678:     250000 cycles:u: ", { command: "web", tid: 9, ...rest }],
    ["web 7/9 12.000000001: cpu/event=0x3c,umask=0/u: ", {
      command: "web",
      pid: 7,
      tid: 9,
      timeSeconds: 12.000000001,
      event: "cpu/event=0x3c,umask=0/u",
      frames: [],
    }],
    ["web 9", { command: "web", tid: 9, event: "", frames: [] }],
    ["web 7/9 cycles: ", { command: "web", pid: 7, tid: 9, event: "cycles", frames: [] }],
    ["web [002] 1.5: cycles:", {
      command: "web",
      cpu: 2,
      timeSeconds: 1.5,
      event: "cycles",
      frames: [],
    }],
    ["  7/9 1.5: cycles:", {
      command: "",
      pid: 7,
      tid: 9,
      timeSeconds: 1.5,
      event: "cycles",
      frames: [],
    }],
    [":-1    -1/-1 1.5: cycles:", {
      command: ":-1",
      pid: -1,
      tid: -1,
      timeSeconds: 1.5,
      event: "cycles",
      frames: [],
    }],
    ["no sample at all", undefined],
    ["Processed 12 events and lost 1 chunks!", undefined],
    ["", undefined],
  ];
  for (const [line, expected] of lines) assert.deepEqual(said(parseHeader(line)), expected, line);
});

Deno.test("a thread's name may look like any of what follows it", () => {
  for (
    const command of ["a b", "a:b: c", "kworker/0:1-ev", "x 1/2", "5 [0] 1.5: c", "#1", "1", "é"]
  ) {
    const sample = parseHeader(`${command.padStart(16)}       7/9       1.500000: 10 cycles: `);
    assert.equal(sample?.command, command);
    assert.deepEqual([sample.pid, sample.tid, sample.timeSeconds], [7, 9, 1.5], command);
  }
});

Deno.test("behind the event is the only frame, or a tracepoint's text", () => {
  const alone = parseHeader(
    "    web 7/9 1.5:    1 cycles:P:      55d0c8a0f000 f(int)+0x10 (/bin/web)",
  );
  assert.equal(alone?.event, "cycles:P");
  assert.deepEqual(alone.frames, [
    { address: 0x55d0c8a0f000n, symbol: "f(int)", offset: 16, dso: "/bin/web" },
  ]);
  for (const text of ["prev_comm=web prev_pid=9 ==> next_comm=a (b)", "beef (b)", "a: b: c"]) {
    const traced = parseHeader(`web 7/9 1.5: sched:sched_switch: ${text}`);
    assert.equal(traced?.event, "sched:sched_switch");
    assert.deepEqual(traced.frames, [], text);
  }
});

Deno.test("a line of a stack: function, place in it, file", () => {
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
  for (const line of ["\t", "\tmain (/bin/web)", "\t12345678901234567 f (/web)", "  busy.c:12"]) {
    assert.equal(parseFrame(line), undefined, line);
  }
});
