import assert from "node:assert/strict";
import { recordArguments, scriptArguments } from "../../../daemon/perf/perf_arguments.ts";
import type { PerfOptions } from "../../../daemon/recording.ts";

const OPTIONS: PerfOptions = {
  frequencyHz: 99,
  events: [],
  callGraph: "fp",
  stackSizeBytes: 8192,
  side: "both",
  inline: false,
  format: "script",
};
const TARGET = { pids: [12, 345], durationSeconds: 1.25, mmapPages: 32 };

Deno.test("recordArguments: perf record samples the processes and ends by itself", () => {
  const args = recordArguments(OPTIONS, TARGET);
  assert.equal(args[0], "record");
  assert.ok(args.includes("--pid=12,345"));
  assert.ok(args.includes("--mmap-pages=32"));
  assert.ok(args.includes("--freq=99"));
  assert.ok(args.includes("--output=-"));
  assert.ok(args.includes("--no-bpf-event"));
  assert.deepEqual(args.slice(-3), ["--", "sleep", "1.250"]);
});

Deno.test("recordArguments: perf record samples threads alone, and what those start", () => {
  const args = recordArguments(OPTIONS, { ...TARGET, tids: [13, 346] });
  assert.ok(args.includes("--tid=13,346"));
  assert.ok(args.includes("--inherit"));
  assert.ok(!args.some((arg) => arg.startsWith("--pid")));
});

Deno.test("recordArguments: a very short duration is still one that sleep takes", () => {
  const args = recordArguments(OPTIONS, { ...TARGET, durationSeconds: 1e-9 });
  assert.equal(args.at(-1), "0.000");
});

Deno.test("recordArguments: perf record is given what was asked for", () => {
  const cases: [Partial<PerfOptions>, string[], string[]][] = [
    [{}, ["--call-graph=fp", "--no-buildid"], ["--all-user", "--all-kernel", "--buildid-mmap"]],
    [{ callGraph: "dwarf", stackSizeBytes: 1024 }, ["--call-graph=dwarf,1024"], []],
    [{ callGraph: "lbr" }, ["--call-graph=lbr"], []],
    [{ side: "user" }, ["--all-user"], ["--all-kernel"]],
    [{ side: "kernel" }, ["--all-kernel"], ["--all-user"]],
    [{ format: "data" }, ["--buildid-mmap"], ["--no-buildid"]],
    [
      { threadTime: "all", side: "user" },
      ["--event=cpu-clock", "--event=context-switches/period=1,name=context-switches/"].concat(
        ["--switch-events", "--clockid=CLOCK_BOOTTIME", "--user-callchains"],
      ),
      ["--all-user"],
    ],
    [
      { threadTime: "off-cpu" },
      ["--event=context-switches/period=1,name=context-switches/", "--switch-events"],
      ["--event=cpu-clock", "--user-callchains"],
    ],
    [{ events: ["cycles", "page-faults"] }, ["--event=cycles", "--event=page-faults"], []],
  ];
  for (const [options, present, absent] of cases) {
    const args = recordArguments({ ...OPTIONS, ...options }, TARGET);
    for (const arg of present) assert.ok(args.includes(arg), `${arg} in ${args}`);
    for (const arg of absent) assert.ok(!args.includes(arg), `${arg} not in ${args}`);
  }
  const none = recordArguments({ ...OPTIONS, callGraph: "none" }, TARGET);
  assert.ok(!none.some((arg) => arg.startsWith("--call-graph")));
});

Deno.test("scriptArguments: perf script resolves inlined functions only when asked", () => {
  assert.ok(scriptArguments(OPTIONS).includes("--no-inline"));
  assert.ok(scriptArguments({ ...OPTIONS, inline: true }).includes("--inline"));
});
