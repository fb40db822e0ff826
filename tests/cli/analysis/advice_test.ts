import assert from "node:assert/strict";
import { advise, type Recorded } from "../../../cli/analysis/advice.ts";
import type { CpuLimit } from "../../../cli/analysis/cpu_limit.ts";
import type { Frame, StackProfile } from "../../../cli/script/stack_profile.ts";
import { SUMMARY } from "../summary.ts";

const HEALTHY: Frame[] = [
  { symbol: "main", dso: "/bin/web" },
  { symbol: "serve", dso: "/bin/web" },
];

/** A profile with so many samples of each stack; frames are `symbol dso`, the root first. */
function profileOf(...stacks: [samples: number, ...frames: string[]][]): StackProfile {
  return profileOfCommand("web", ...stacks);
}

/** The same, of threads with that name. */
function profileOfCommand(
  command: string,
  ...stacks: [samples: number, ...frames: string[]][]
): StackProfile {
  const names = [...new Set(stacks.flatMap(([, ...frames]) => frames))];
  const samples = stacks.reduce((sum, [samples]) => sum + samples, 0);
  return {
    frames: names.map((name) => {
      const [symbol, dso] = name.split(" ");
      return { symbol, dso };
    }),
    events: [{
      event: "cpu-clock",
      samples,
      weight: samples,
      stacks: stacks.map(([samples, ...frames]) => ({
        command,
        frames: Uint32Array.from(frames, (frame) => names.indexOf(frame)),
        samples,
        weight: samples,
      })),
    }],
    ...{ samples, skippedLines: 0, truncated: false, leftOut: [] },
  };
}

const OK = HEALTHY.map(({ symbol, dso }) => `${symbol} ${dso}`);
const kinds = (recorded: Partial<Recorded>) =>
  advise({ summary: SUMMARY, ...recorded }).map(({ kind }) => kind);
const textOf = (recorded: Partial<Recorded>) =>
  advise({ summary: SUMMARY, ...recorded }).map(({ text }) => text).join("\n");
const stacksOf = (...stacks: [number, ...string[]][]) => ({ stacks: profileOf(...stacks) });

Deno.test("advise: has nothing to say of a recording that is as it should be", () => {
  assert.deepEqual(kinds({ ...stacksOf([100, ...OK]), cpuUse: { cpus: 1 } }), []);
  assert.deepEqual(kinds({}), []);
});

Deno.test("advise: lost samples, from one of a hundred on", () => {
  assert.deepEqual(kinds({ summary: { ...SUMMARY, lostSamples: 9 } }), []);
  const lost = { summary: { ...SUMMARY, lostSamples: 250 } };
  assert.match(textOf(lost), /^20% of the samples were lost.*: take fewer with --frequency$/);
  assert.match(textOf({ ...lost, callGraph: { method: "dwarf" } }), /--call-graph dwarf,4096/);
});

Deno.test("advise: a kernel that held sampling up, from once a second on", () => {
  assert.deepEqual(kinds({ summary: { ...SUMMARY, throttled: 9 } }), []);
  assert.match(textOf({ summary: { ...SUMMARY, throttled: 10 } }), /10 times.* --frequency$/);
});

Deno.test("advise: processes that entered and are missing from the result", () => {
  const text = (missedProcesses: number) => textOf({ summary: { ...SUMMARY, missedProcesses } });
  assert.match(text(1), /^1 process that entered the container .* is missing/);
  assert.match(text(17), /^17 processes that entered the container .* are missing/);
});

Deno.test("advise: a target that was mostly idle", () => {
  assert.deepEqual(kinds({ cpuUse: { cpus: 0.05 } }), []);
  assert.match(textOf({ cpuUse: { cpus: 0.02, side: "user" } }), /about 0.02 CPUs in user space\./);
});

const LIMITED: CpuLimit = {
  heldBackBy: "limit",
  limitCpus: 0.2,
  usedCpus: 0.2,
  elapsedSeconds: 30,
  periods: 300,
  throttledPeriods: 290,
  throttledSeconds: 23.14,
  enoughCpus: 1,
};

Deno.test("advise: a CPU limit that is used up, with how often, how long and what would have been enough", () => {
  assert.deepEqual(kinds({ cpuLimit: LIMITED }), ["CPU limit"]);
  assert.equal(
    textOf({ cpuLimit: LIMITED }),
    "its CPU limit of 200m stopped the container in 290 of 300 periods (97%), for 23.1s in 30s; " +
      "it used 0.20 CPUs. A limit of about 1 would have been enough",
  );
  const wide = { ...LIMITED, limitCpus: 2, usedCpus: 2, throttledSeconds: 174, enoughCpus: 8 };
  assert.match(
    textOf({ cpuLimit: wide }),
    /for 2m54s, summed over processors, in 30s; it used 2\.00/,
  );
  const ofPod: CpuLimit = { ...LIMITED, heldBackBy: "pod limit", isOfPod: true };
  assert.match(
    textOf({ cpuLimit: ofPod }),
    /^its pod's CPU limit of 200m stopped .* in 30s\. A limit/,
  );
});

Deno.test("advise: a busy node, which is not the limit's fault", () => {
  const node: CpuLimit = { heldBackBy: "node", waitedSeconds: 12, elapsedSeconds: 30 };
  assert.deepEqual(kinds({ cpuLimit: node }), ["busy node"]);
  assert.match(
    textOf({ cpuLimit: node }),
    /processors were busy: for 12s of 30s .*, and it has no CPU limit\. With a CPU request/,
  );
  const inAll: CpuLimit = { heldBackBy: "node", delaySeconds: 40, elapsedSeconds: 30 };
  assert.match(
    textOf({ cpuLimit: inAll }),
    /busy: for 40s in 30s, summed over threads, some thread/,
  );
  const limited = { ...node, limitCpus: 0.2, requestCpus: 0.01 };
  assert.match(
    textOf({ cpuLimit: limited }),
    /its CPU limit of 200m is not the cause\. With a larger CPU request than 10m it/,
  );
  assert.match(
    textOf({ cpuLimit: { ...limited, throttledSeconds: 0.4 } }),
    /its CPU limit of 200m stopped it for only 400ms\. With/,
  );
  assert.match(
    textOf({ cpuLimit: { ...limited, throttledSeconds: 0.02 } }),
    /its CPU limit of 200m is not the cause\. With/,
  );
});

Deno.test("advise: a limit of which nobody knows whether it was used up, when much of it was used", () => {
  const unknown: CpuLimit = { heldBackBy: "unknown", limitCpus: 0.2, unknown: "it is not mounted" };
  assert.deepEqual(kinds({ cpuLimit: unknown }), []);
  assert.deepEqual(kinds({ cpuLimit: unknown, cpuUse: { cpus: 0.1 } }), []);
  assert.match(
    textOf({ cpuLimit: unknown, cpuUse: { cpus: 0.19 } }),
    /about 0\.19 CPUs, and whether its CPU limit of 200m stopped it is not known: it is not mounted$/,
  );
  assert.match(textOf({ cpuLimit: { ...unknown, usedCpus: 0.15 } }), /about 0\.15 CPUs/);
});

Deno.test("advise: an idle target is not held back by a limit, and one that is held back is not idle", () => {
  const cpuUse = { cpus: 0.02 };
  const nothing: CpuLimit = { heldBackBy: "nothing", limitCpus: 0.2 };
  assert.match(textOf({ cpuUse, cpuLimit: nothing }), /Neither a CPU limit nor the node kept it/);
  assert.match(textOf({ cpuUse }), /its turn on a CPU \(limits, a full node\)/);
  assert.deepEqual(kinds({ cpuUse, cpuLimit: { ...LIMITED, limitCpus: 0.02 } }), ["CPU limit"]);
  const node: CpuLimit = { heldBackBy: "node", waitedSeconds: 12, elapsedSeconds: 30 };
  assert.deepEqual(kinds({ cpuUse, cpuLimit: node }), ["busy node"]);
});

Deno.test("advise: stacks without callers, for lack of frame pointers", () => {
  const broken = stacksOf([60, "serve /bin/web"], [40, ...OK]);
  assert.deepEqual(kinds(broken), ["broken stacks"]);
  assert.match(textOf(broken), /^60% .*--call-graph dwarf/);
  // What is not in any file is what was on the stack by chance.
  const chance = "[unknown] [unknown]";
  assert.deepEqual(kinds(stacksOf([60, chance, chance, "serve /bin/web"])), ["broken stacks"]);
  assert.deepEqual(kinds(stacksOf([40, "serve /bin/web"], [60, ...OK])), []);
  // Too few to tell, or without a call graph that could be whole.
  assert.deepEqual(kinds(stacksOf([19, "serve /bin/web"])), []);
  for (const method of ["none", "lbr"] as const) {
    assert.deepEqual(kinds({ ...broken, callGraph: { method } }), [], method);
  }
});

Deno.test("advise: stacks without callers, for lack of tables for dwarf", () => {
  const dwarf = { callGraph: { method: "dwarf" } } as const;
  const go = { ...stacksOf([60, "main.mix /bin/web"]), ...dwarf };
  assert.deepEqual(kinds(go), ["broken stacks"]);
  assert.match(textOf(go), /no table for --call-graph dwarf .* Leave that out for programs in Go/);
  const node = { ...stacksOf([60, "JS:f /tmp/perf-7.map"]), ...dwarf };
  assert.match(textOf(node), /made at run time has no table .*\. Leave that out$/);
  assert.deepEqual(kinds({ ...stacksOf([60, ...OK]), ...dwarf }), []);
});

Deno.test("advise: Java's own words, though none of its files is on a stack", () => {
  const nameless = "[unknown] /tmp/perf-7.map";
  const java = (...stack: string[]) => ({ stacks: profileOfCommand("java", [60, ...stack]) });
  // One flag mends both.
  assert.deepEqual(kinds(java(nameless)), ["JIT"]);
  assert.match(textOf(java(nameless)), /Java made .*-XX:\+PreserveFramePointer.*perfmap/);
  assert.deepEqual(kinds({ ...java(nameless), callGraph: { method: "dwarf" } }), [
    ...["broken stacks", "JIT"],
  ]);
  const named = textOf(java("Busy.main() /tmp/perf-7.map"));
  assert.match(named, /the code that Java makes .*: run java with -XX:\+PreserveFramePointer$/);
  assert.doesNotMatch(named, /-fno-omit|dwarf/);
});

Deno.test("advise: callers in user space are what counts, also of samples in the kernel", () => {
  const kernel = "read [kernel.kallsyms]";
  const entry = "entry_SYSCALL_64 [kernel.kallsyms]";
  assert.deepEqual(kinds(stacksOf([60, "serve /bin/web", entry, kernel])), ["broken stacks"]);
  assert.deepEqual(kinds(stacksOf([60, ...OK, kernel], [100, entry, kernel])), []);
});

Deno.test("advise: functions without names, with the file that has most of them", () => {
  const stripped = stacksOf(
    [50, "[unknown] /bin/web", "[unknown] /bin/web", "[unknown] /lib/libz.so"],
    [50, "main /bin/web", "[unknown] /bin/web"],
  );
  assert.deepEqual(kinds(stripped), ["no symbols"]);
  assert.match(textOf(stripped), /^80% .* most of them in web \(60%\): it has no symbols\./);
  assert.deepEqual(kinds(stacksOf([49, "[unknown] /bin/web", "f /bin/web", "g /bin/web"])), []);
});

for (
  const [file, flag] of [
    ["/usr/bin/node", /^100% .*Node\.js.*: run node with --perf-basic-prof$/],
    [
      "/opt/java/lib/server/libjvm.so",
      /Java.*-XX:\+PreserveFramePointer.*jcmd PID Compiler\.perfmap/,
    ],
    ["/usr/share/dotnet/libcoreclr.so", /\.NET.*DOTNET_PerfMapEnabled=1/],
    ["/bin/other", /code that the program made .*\/tmp\/perf-PID\.map$/],
  ] as const
) {
  Deno.test(`advise: code that was made at run time without names: ${file}`, () => {
    const run = `run ${file}`;
    const nameless = "[unknown] /tmp/perf-7.map";
    assert.deepEqual(kinds(stacksOf([50, run, nameless, nameless])), ["JIT"]);
    assert.match(textOf(stacksOf([50, run, nameless, nameless])), flag);
    assert.deepEqual(kinds(stacksOf([50, run, "JS:f /tmp/perf-7.map"])), []);
    assert.deepEqual(kinds(stacksOf([50, run, "JS:f /tmp/perf-7.map"], [40, run, nameless])), []);
    // A regular expression's code, say.
    assert.deepEqual(kinds(stacksOf([10, run, nameless], [50, ...OK])), []);
  });
}

Deno.test("advise: Python's interpreter in the place of the program", () => {
  const evaluate = "_PyEval_EvalFrameDefault /usr/lib/libpython3.12.so.1.0";
  const main = "Py_RunMain /usr/bin/python3.12";
  assert.deepEqual(kinds(stacksOf([50, main, evaluate])), ["Python"]);
  assert.match(textOf(stacksOf([50, main, evaluate])), /-X perf/);
  assert.doesNotMatch(textOf(stacksOf([50, main, evaluate])), /dwarf/);
  assert.match(textOf(stacksOf([50, evaluate])), /-X perf.* use --call-graph dwarf as well$/);
  assert.deepEqual(kinds(stacksOf([50, main, "py::f:/app/f.py /tmp/perf-7.map", evaluate])), []);
});

Deno.test("advise: a kernel whose names perf may not read", () => {
  const kernel = "[unknown] [kernel]";
  assert.deepEqual(kinds(stacksOf([90, ...OK], [10, ...OK, kernel])), ["kernel"]);
  assert.match(textOf(stacksOf([80, ...OK], [20, ...OK, kernel])), /^20% .*kptr_restrict/);
  // Of so little the names hardly matter.
  assert.deepEqual(kinds(stacksOf([970, ...OK], [30, ...OK, kernel])), []);
  assert.deepEqual(kinds(stacksOf([50, ...OK], [50, ...OK, "read [kernel.kallsyms]"])), []);
});
