/**
 * What is said of recordings: the real daemon with the real perf, on processes of this machine
 * instead of containers (`--container-lookup pid`).
 */
import assert from "node:assert/strict";
import { profile } from "../../cli/client/recording/profile.ts";
import { openTarget } from "../../cli/client/targets/target.ts";
import type { RecordOptions } from "../../cli/client/recording/record_options.ts";
import { makeReport, type Report } from "../../cli/analysis/report.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { javaRelease, PERF_MAP_RELEASE } from "../testing/java.ts";
import { askProgram, run } from "../testing/process.ts";
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

/**
 * What is said besides that it was idle: how much of a CPU a program gets is the machine's to say.
 */
const kinds = ({ warnings }: Report) =>
  warnings.map(({ kind }) => kind).filter((kind) => kind !== "idle");
/** What is said of one kind. */
const textOf = ({ warnings }: Report, kind: Report["warnings"][number]["kind"]) =>
  warnings.find((warning) => warning.kind === kind)?.text ?? "";

Deno.test("--json: a busy program: its functions, its CPU, and no warning", async () => {
  await using daemon = await start();
  const { hottest, cpuUse, warnings, summary } = await report(daemon, [targets.spin]);
  assert.deepEqual(warnings.filter(({ kind }) => kind !== "idle"), []);
  assert.equal(hottest[0].symbol, BUSY_FUNCTION);
  for (const name of BUSY_CALLERS) {
    const caller = hottest.find(({ symbol }) => symbol === name);
    assert(caller && caller.total > caller.self, name);
  }
  // One thread: how much of a CPU it got is the machine's to say.
  assert(cpuUse!.cpus > 0 && cpuUse!.cpus < 1.1, `${cpuUse!.cpus} CPUs`);
  assert(summary.samples > 20);
});

Deno.test("--json: perf.data has no functions to show, but the CPU", async () => {
  await using daemon = await start();
  const { hottest, cpuUse } = await report(daemon, [targets.spin], { format: "data" });
  assert.deepEqual(hottest, []);
  assert(cpuUse!.cpus > 0 && cpuUse!.cpus < 1.1, `${cpuUse!.cpus} CPUs`);
});

/** A directory with a program's source, gone when the test ends. */
async function sourceDirectory(name: string, source: string) {
  const path = await Deno.makeTempDir({ prefix: "necoperf-source-" });
  await Deno.writeTextFile(`${path}/${name}`, source);
  return {
    path,
    async run(command: string, ...args: string[]) {
      const options = { args, cwd: path, env: { CGO_ENABLED: "0" } };
      const { success, stderr } = await new Deno.Command(command, options).output();
      assert(success, new TextDecoder().decode(stderr));
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("--json: a program without frame pointers, and what is said to do about it", async () => {
  const source = `#include <stdint.h>
__attribute__((noipa)) uint64_t work(uint64_t seed) { while (seed % 3001) seed++; return seed; }
int main(void) { for (uint64_t i = 1;; i++) work(i); }
`;
  await using directory = await sourceDirectory("busy.c", source);
  const gcc = async (name: string, ...flags: string[]) => {
    await directory.run("gcc", "-O2", "-fomit-frame-pointer", ...flags, "-o", name, "busy.c");
    return [`${directory.path}/${name}`];
  };
  await using daemon = await start();
  const dwarf = { callGraph: { method: "dwarf" } } as const;
  const busy = await gcc("busy");
  assert.deepEqual(kinds(await report(daemon, busy)), ["broken stacks"]);
  assert.deepEqual(kinds(await report(daemon, busy, dwarf)), []);

  // Without the table that dwarf takes, and with it.
  const bare = [targets.spinBare];
  assert.deepEqual(kinds(await report(daemon, bare)), ["broken stacks", "no symbols"]);
  const without = await report(daemon, bare, dwarf);
  assert.deepEqual(kinds(without), ["broken stacks", "no symbols"]);
  assert.match(textOf(without, "broken stacks"), /link static ones with -Wl,--eh-frame-hdr$/);
  const linked = await gcc("static", "-static", "-Wl,--eh-frame-hdr");
  assert.deepEqual(kinds(await report(daemon, linked, dwarf)), []);
});

Deno.test("Go: whole stacks by frame pointers, and not by --call-graph dwarf", async () => {
  const source = `package main
func main() { for i := uint64(0); ; i++ { handle(i) } }
//go:noinline
func handle(seed uint64) uint64 { for i := 0; i < 3000; i++ { seed = seed*31 + 1 }; return seed }
`;
  await using directory = await sourceDirectory("busy.go", source);
  await directory.run("go", "build", "-o", "busy", "busy.go");
  await directory.run("go", "build", "-ldflags=-s -w", "-o", "stripped", "busy.go");
  await using daemon = await start();
  const whole = await report(daemon, [`${directory.path}/busy`]);
  assert.deepEqual(kinds(whole), []);
  assert.equal(whole.hottest[0].symbol, "main.handle");
  const stripped = await report(daemon, [`${directory.path}/stripped`]);
  assert.deepEqual(kinds(stripped), ["no symbols"]);
  assert.match(textOf(stripped, "no symbols"), /most of them in stripped .* -ldflags=-s/);
  const dwarf = { callGraph: { method: "dwarf" } } as const;
  const broken = await report(daemon, [`${directory.path}/busy`], dwarf);
  assert.deepEqual(kinds(broken), ["broken stacks"]);
  assert.match(textOf(broken, "broken stacks"), /no table for --call-graph dwarf .* Go/);
});

Deno.test({
  name: "--json: Java without frame pointers and names",
  ignore: javaRelease() < PERF_MAP_RELEASE,
  async fn() {
    const source = `public class Busy {
      static volatile long total;
      public static void main(String[] args) { for (long i = 0;; i++) total += handle(i); }
      static long handle(long x) { for (int i = 0; i < 3000; i++) x = x * 31 + 1; return x; }
    }`;
    await using directory = await sourceDirectory("Busy.java", source);
    await directory.run("javac", "--release", `${PERF_MAP_RELEASE}`, "Busy.java");
    await using daemon = await start();
    const busy = ["-cp", directory.path, "Busy"];
    for (const flags of [[], ["-XX:+PreserveFramePointer"]]) {
      const said = await report(daemon, ["java", ...flags, ...busy]);
      assert.deepEqual(kinds(said), ["JIT"]);
      assert.match(textOf(said, "JIT"), /Java .* -XX:\+PreserveFramePointer, .* Compiler\.perfmap/);
    }
  },
});

Deno.test({
  name: "--json: Node.js with and without the names of its functions",
  ignore: !askProgram("node", "--version"),
  async fn() {
    await using daemon = await start();
    const program = "const f = (n) => n < 2 ? n : f(n - 1) + f(n - 2); for (;;) f(20)";
    const without = await report(daemon, ["node", "-e", program]);
    assert.deepEqual(kinds(without), ["JIT"]);
    assert.match(textOf(without, "JIT"), /Node\.js .* --perf-basic-prof/);
    // Where these flags are left out, there is a log of V8's in the working directory.
    const flags = ["--perf-basic-prof", "--no-logfile-per-isolate", "--logfile=/dev/null"];
    const having = await report(daemon, ["node", ...flags, "-e", program]);
    assert.deepEqual(kinds(having), []);
    assert.match(having.hottest[0].symbol, /^JS:.*\bf\b/);
  },
});

Deno.test("--json: a target that is mostly idle", async () => {
  await using daemon = await start();
  const loop = ["sh", "-c", "while :; do sleep 0.2; done"];
  const { warnings } = await report(daemon, loop, { frequencyHz: 999 });
  assert.equal(warnings[0]?.kind, "idle", JSON.stringify(warnings));
});

Deno.test("--json: a kernel whose names perf may not read", async () => {
  const copy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1k"];
  await using blind = await start({ prepare: "mount --bind /dev/null /proc/kallsyms" });
  assert(kinds(await report(blind, copy)).includes("kernel"));
  await using seeing = await start();
  assert(!kinds(await report(seeing, copy)).includes("kernel"));
});
