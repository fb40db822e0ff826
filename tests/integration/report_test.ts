/**
 * What is said of recordings: the real daemon with the real perf, on processes of this machine
 * instead of containers (`--container-lookup pid`).
 */
import assert from "node:assert/strict";
import { openTarget, profile } from "../../cli/profile.ts";
import type { RecordOptions } from "../../cli/record_options.ts";
import { makeReport, type Report } from "../../cli/report.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { buildTargets, BUSY_CALLERS, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

function start(options: { prepare?: string } = {}): Promise<TestDaemon> {
  return startDaemon({ ...options, args: ["--container-lookup", "pid"] });
}

/** Records a program from its start on, and says what there is to say of it. */
async function report(
  daemon: TestDaemon,
  [command, ...args]: string[],
  changes: RecordOptions = {},
): Promise<Report> {
  await using process = run(command, ...args);
  const outputDirectory = await Deno.makeTempDir();
  try {
    const recordOptions = { frequencyHz: 499, ...changes };
    const target = await openTarget({
      daemonAddress: daemon.address,
      containerId: `${process.pid}`,
    });
    const result = await profile({
      ...{ target, recordOptions, outputDirectory },
      ...{ durationSeconds: 2, countStacks: true },
    });
    return makeReport(result, { target, recordOptions });
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
    await Deno.remove(`/tmp/perf-${process.pid}.map`).catch(() => {});
  }
}

const kinds = ({ warnings }: Report) => warnings.map(({ kind }) => kind);

Deno.test("a busy program: its functions, its CPU, and no warning", async () => {
  await using daemon = await start();
  const { hottest, cpuUse, warnings, summary } = await report(daemon, [targets.spin]);
  assert.deepEqual(warnings, []);
  assert.equal(hottest[0].symbol, BUSY_FUNCTION);
  for (const name of BUSY_CALLERS) {
    const caller = hottest.find(({ symbol }) => symbol === name);
    assert(caller && caller.total > caller.self, name);
  }
  // One thread: how much of a CPU it got is the machine's to say.
  assert(cpuUse!.cpus > 0.05 && cpuUse!.cpus < 1.1, `${cpuUse!.cpus} CPUs`);
  assert(summary.samples > 20);
});

Deno.test("perf.data tells of no functions, but of the CPU", async () => {
  await using daemon = await start();
  const { hottest, cpuUse } = await report(daemon, [targets.spin], { format: "data" });
  assert.deepEqual(hottest, []);
  assert(cpuUse!.cpus > 0.05 && cpuUse!.cpus < 1.1, `${cpuUse!.cpus} CPUs`);
});

Deno.test("a program without frame pointers and symbols", async () => {
  await using daemon = await start();
  assert.deepEqual(kinds(await report(daemon, [targets.spinBare])), [
    "broken stacks",
    "no symbols",
  ]);
  // What the first warning says is of use.
  const callGraph = { method: "dwarf" } as const;
  assert.deepEqual(kinds(await report(daemon, [targets.spinBare], { callGraph })), ["no symbols"]);
});

const node = new Deno.Command("which", { args: ["node"], stdout: "null" }).outputSync();

Deno.test({
  name: "Node.js with and without the names of its functions",
  ignore: !node.success,
  async fn() {
    await using daemon = await start();
    const program = "const f = (n) => n < 2 ? n : f(n - 1) + f(n - 2); for (;;) f(20)";
    const without = await report(daemon, ["node", "-e", program]);
    assert.deepEqual(kinds(without), ["JIT"]);
    assert.match(without.warnings[0].text, /Node\.js .* --perf-basic-prof/);
    // Where these flags are left out, there is a log of V8's in the working directory.
    const flags = ["--perf-basic-prof", "--no-logfile-per-isolate", "--logfile=/dev/null"];
    const having = await report(daemon, ["node", ...flags, "-e", program]);
    assert.deepEqual(having.warnings, []);
    assert.match(having.hottest[0].symbol, /^JS:.*\bf\b/);
  },
});

Deno.test("a target that is mostly idle", async () => {
  await using daemon = await start();
  const loop = ["sh", "-c", "while :; do sleep 0.2; done"];
  const { warnings } = await report(daemon, loop, { frequencyHz: 999 });
  assert.equal(warnings[0]?.kind, "idle", JSON.stringify(warnings));
});

Deno.test("a kernel whose names perf may not read", async () => {
  const copy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1k"];
  await using blind = await start({ prepare: "mount --bind /dev/null /proc/kallsyms" });
  assert(kinds(await report(blind, copy)).includes("kernel"));
  await using seeing = await start();
  assert(!kinds(await report(seeing, copy)).includes("kernel"));
});
