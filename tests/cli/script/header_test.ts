import assert from "node:assert/strict";
import { parseHeader } from "../../../cli/script/header.ts";

/** The fields that a line has, in one object. */
function fieldsOf(line: string): object | string | undefined {
  const header = parseHeader(line);
  if (typeof header !== "object") return header;
  const { thread, rest: _, ...fields } = header;
  const entries = Object.entries({ ...thread, ...fields });
  return Object.fromEntries(entries.filter(([, field]) => field !== undefined));
}

Deno.test("parseHeader: reads the fields that perf prints for any options", () => {
  const rest = { cpu: 2, timeSeconds: 12.345678, period: "250000", event: "cycles:u" };
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
    }],
    ["web 9", { command: "web", tid: 9, event: "", needsFrame: true }],
    ["web 7/9 cycles: ", { command: "web", pid: 7, tid: 9, event: "cycles" }],
    ["web [002] 1.5: cycles:", {
      command: "web",
      cpu: 2,
      timeSeconds: 1.5,
      event: "cycles",
    }],
    ["  7/9 1.5: cycles:", {
      command: "",
      pid: 7,
      tid: 9,
      timeSeconds: 1.5,
      event: "cycles",
    }],
    [":-1    -1/-1 1.5: cycles:", {
      command: ":-1",
      pid: -1,
      tid: -1,
      timeSeconds: 1.5,
      event: "cycles",
    }],
    ["no sample at all", undefined],
    ["Processed 12 events and lost 1 chunks!", undefined],
    ["", undefined],
  ];
  for (const [line, expected] of lines) assert.deepEqual(fieldsOf(line), expected, line);
});

Deno.test("parseHeader: a thread's name may look like any of what follows it", () => {
  for (
    const command of ["a b", "a:b: c", "kworker/0:1-ev", "x 1/2", "5 [0] 1.5: c", "#1", "1", "é"]
  ) {
    assert.deepEqual(
      fieldsOf(`${command.padStart(16)}       7/9       1.500000: 10 cycles: `),
      { command, pid: 7, tid: 9, timeSeconds: 1.5, period: "10", event: "cycles" },
    );
  }
});

Deno.test("parseHeader: what follows the event is left as it is", () => {
  for (const rest of ["     55d0c8a0f000 f(int)+0x10 (/bin/web)", " a=b c: d", ""]) {
    const header = parseHeader(`web 7/9 1.5:    1 sched:sched_switch:${rest}`);
    assert.ok(typeof header === "object");
    assert.deepEqual([header.event, header.rest], ["sched:sched_switch", rest]);
  }
});
