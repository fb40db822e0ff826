import assert from "node:assert/strict";
import { join } from "node:path";
import { diffFiles, type DiffRequest } from "../../../cli/analysis/diff.ts";
import { CliError, ExitStatus } from "../../../cli/errors.ts";
import { SCRIPT } from "../formats/profile.ts";
import { openPage } from "../formats/graph_page.ts";

/**
 * After it, `parse` itself takes more, `vfs_read` less, and libz nothing. Twice as many samples.
 */
const AFTER = `web;main;parse 6
web;main;parse;vfs_read 2
worker;run;JS:~tick /app/main.js:3 2
`;

/** A directory with two profiles that is gone when the test ends. */
function directoryWith(before: string, after: string) {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-diff-" });
  const files = { before: join(path, "monday.perf.txt"), after: join(path, "tuesday.folded") };
  Deno.writeTextFileSync(files.before, before);
  Deno.writeTextFileSync(files.after, after);
  return { path, ...files, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

async function diff(
  { path, before, after }: { path: string; before: string; after: string },
  format: DiffRequest["format"],
): Promise<string> {
  const result = await diffFiles({ before, after, format, output: path });
  return Deno.readTextFileSync(result!);
}

Deno.test("necoperf-client diff: the table has what got slower and faster, in shares of each side", async () => {
  // Enough samples for such changes not to be chance.
  using directory = directoryWith(SCRIPT.repeat(100), AFTER.replaceAll(/\d$/gm, "$&00"));
  const lines = (await diff(directory, "table")).split("\n");
  assert.equal(lines[0], `before: ${directory.before}, 500 samples`);
  assert.equal(lines[1], `after:  ${directory.after}, 1,000 samples`);
  const slower = lines.indexOf("Slower:");
  const faster = lines.indexOf("Faster:");
  const columns = (line: string) => line.trim().split(/\s+/);
  assert.deepEqual(lines.slice(slower + 2, faster - 1).map(columns), [
    ["+40.00", "20.00%", "60.00%", "+20.00", "60.00%", "80.00%", "parse"],
  ]);
  assert.deepEqual(
    lines.slice(faster + 2, -1).map(columns).sort(),
    [
      ["-20.00", "20.00%", "0.00%", "-20.00", "20.00%", "0.00%", "[libz.so.1]"],
      ["-20.00", "40.00%", "20.00%", "-20.00", "40.00%", "20.00%", "vfs_read"],
    ],
  );
});

Deno.test("necoperf-client diff: what may be chance is not in the table, but counted", async () => {
  const text = (f: number, g: number) => `main;f ${f}\nmain;g ${g}\nmain;h 1\n`;
  const tableOf = async (before: string, after: string) => {
    using directory = directoryWith(before, after);
    return await diff(directory, "table");
  };
  // Of 1001 samples with a share of a half 32 more or less are two standard errors of one side; of
  // the difference of two sides, 45.
  const chance = await tableOf(text(500, 500), text(540, 460));
  assert.match(
    chance,
    /Slower:\n {2}nothing\n\nFaster:\n {2}nothing\n\n2 more changed by no more than/,
  );
  const change = await tableOf(text(500, 500), text(550, 450));
  assert.match(change, /Slower:\n.*\n.* f\n\nFaster:\n.*\n.* g\n$/);
});

Deno.test("necoperf-client diff: JSON has every function, those that changed most first", async () => {
  using directory = directoryWith(SCRIPT, AFTER);
  const { event, before, after, functions } = JSON.parse(await diff(directory, "json"));
  assert.equal(event, "cpu-clock:ppp");
  assert.deepEqual(before, { file: directory.before, samples: 5, weight: 50_000_000 });
  assert.deepEqual(after, { file: directory.after, samples: 10, weight: 10 });
  assert.equal(functions[0].name, "parse");
  const main = functions.find(({ name }: { name: string }) => name === "main");
  assert.deepEqual(main.self, { before: 0, after: 0 });
  assert.equal(main.total.before.toFixed(6), "0.800000");
  assert.equal(main.total.after.toFixed(6), "0.800000");
  assert.equal(functions.length, 6);
});

Deno.test("necoperf-client diff: a function that calls itself counts once, and a perf map's name is not its process's", async () => {
  const script = (pid: number) =>
    `a ${pid}/${pid} 1.0: 1 cycles: \n\t 1 f (/a)\n\t 2 f (/a)\n\t 3 [unknown] (/tmp/perf-${pid}.map)\n\n`;
  using directory = directoryWith(script(7), script(8));
  const { functions } = JSON.parse(await diff(directory, "json"));
  assert.deepEqual(
    functions.map(({ name, total }: Record<string, unknown>) => [name, total]).sort().reverse(),
    [
      ["f", { before: 1, after: 1 }],
      ["[JIT]", { before: 1, after: 1 }],
    ],
  );
  assert.match(await diff(directory, "table"), /Slower:\n {2}nothing\n\nFaster:\n {2}nothing\n/);
});

Deno.test("necoperf-client diff: the flame graph is red where it got slower and blue where it got faster", async () => {
  using directory = directoryWith(SCRIPT, AFTER);
  const result = await diffFiles({ ...directory, format: "flamegraph", output: directory.path });
  assert.equal(result, join(directory.path, "tuesday-against-monday.html"));
  await using graph = await openPage(result);
  // After: all of main is parse, the left quarter of which is vfs_read.
  assert.equal(
    await graph.tooltip(3, 0.7),
    "parse\nprogram: /app/web\n80.00% after, 60.00% before: +20.00 points",
  );
  const [slower, faster, same] = [
    await graph.colour(3, 0.7),
    await graph.colour(4, 0.1),
    await graph.colour(2, 0.5),
  ];
  assert(slower[0] > slower[2] + 50, `red: ${slower}`);
  assert(faster[2] > faster[0] + 50, `blue: ${faster}`);
  assert(Math.abs(same[0] - same[2]) < 5, `neither: ${same}`);
  assert.deepEqual(
    await graph.page.locator("#legend li").allTextContents(),
    ["more than before", "less than before"],
  );
  // In the widths of before there is what is not there any more.
  await graph.chooseView(1);
  assert.equal(
    await graph.tooltip(3, 0.1),
    "[libz.so.1]\nlibrary: /usr/lib/libz.so.1\n20.00% before, 0.00% after: −20.00 points",
  );
  const gone = await graph.colour(3, 0.1);
  assert(gone[2] > gone[0] + 50, `blue: ${gone}`);
});

Deno.test("necoperf-client diff: the event with most samples is compared, of those that both have", async () => {
  const sample = (event: string, name: string) => `a 1/1 1.0: 1 ${event}: \n\t 1 ${name} (/a)\n\n`;
  using directory = directoryWith(
    // Text whose beginning was cut off begins with a stack of an event that nobody knows.
    "\t 1 cut (/a)\n\n" + sample("faults", "f") + sample("cycles", "c").repeat(2) +
      sample("mine", "m").repeat(3),
    "\t 1 cut (/a)\n\n" + sample("cycles", "c") + sample("faults", "f").repeat(2),
  );
  const { event, before } = JSON.parse(await diff(directory, "json"));
  assert.deepEqual([event, before.samples], ["cycles", 2]);
});

Deno.test("necoperf-client diff: what cannot be compared is said to be so", async () => {
  const cycles = "a 1/1 1.0: 1 cycles: \n\t 1 f (/a)\n\n";
  const refused = async (status: ExitStatus, words: RegExp, before: string, after: string) => {
    using directory = directoryWith(before, after);
    await assert.rejects(diff(directory, "table"), (error) => {
      assert(error instanceof CliError, String(error));
      assert.equal(error.exitStatus, status);
      assert.match(error.message, words);
      return true;
    });
    assert.equal([...Deno.readDirSync(directory.path)].length, 2);
  };
  await refused(
    ExitStatus.USAGE,
    /no event in common: CPU time \(cpu-clock:ppp\) before, cycles after; .*--event/,
    SCRIPT,
    cycles,
  );
  await refused(
    ExitStatus.USAGE,
    /tuesday\.folded is not what `perf script` prints/,
    SCRIPT,
    "x\n",
  );
  await refused(ExitStatus.USAGE, /monday\.perf\.txt is perf\.data/, "PERFILE2\0", AFTER);
  await refused(ExitStatus.RECORDING_FAILED, /has no sample/, SCRIPT, "# nothing\n");
});

const sampleOf = (event: string, name = "f") => `a 1/1 1.0: 5 ${event}: \n\t 1 ${name} (/a)\n\n`;

Deno.test("diffFiles: events of one kind are compared, whatever a perf calls them", async () => {
  for (
    const [before, after, event] of [
      ["cycles", "cycles:P", "cycles"],
      ["cycles:ppp", "cpu_core/cycles/P", "cycles"],
      ["cpu-clock", "task-clock:ppp", "CPU time"],
      ["cycles:u", "cycles:Pu", "cycles"],
    ]
  ) {
    using directory = directoryWith(sampleOf(before), sampleOf(after));
    const comparison = JSON.parse(await diff(directory, "json"));
    assert.equal(comparison.event, event);
    assert.deepEqual([comparison.before.events, comparison.after.events], [[before], [after]]);
  }
  // Both kinds of a machine's processors are what another machine has one of.
  using directory = directoryWith(
    sampleOf("cpu_core/cycles/P") + sampleOf("cpu_atom/cycles/P"),
    sampleOf("cycles:P"),
  );
  const { before, after } = JSON.parse(await diff(directory, "json"));
  assert.deepEqual([before.samples, before.weight, after.samples], [2, 10, 1]);
});

Deno.test("diffFiles: what counts something else is refused with the reason", async () => {
  for (
    const [before, after, words] of [
      [
        "cycles:P",
        "cpu-clock",
        /cycles \(cycles:P\) before, CPU time \(cpu-clock\) after.*--event/,
      ],
      ["cycles:u", "cycles", /cycles in user space \(cycles:u\) before, cycles after.*--all-user/],
      ["cpu-clock", "offcpu-time", /CPU time \(cpu-clock\) before, offcpu-time after/],
      ["instructions", "cycles", /instructions before, cycles after/],
    ] as const
  ) {
    using directory = directoryWith(sampleOf(before), sampleOf(after));
    await assert.rejects(diff(directory, "table"), (error) => {
      assert(error instanceof CliError);
      assert.equal(error.exitStatus, ExitStatus.USAGE);
      assert.match(error.message, words);
      return true;
    });
  }
});

Deno.test("diffFiles: a text is not taken for another by its first line alone", async () => {
  const samplesOf = async (before: string) => {
    using directory = directoryWith(before, AFTER);
    const { before: { samples }, functions } = JSON.parse(await diff(directory, "json"));
    return [samples, functions.map(({ name }: { name: string }) => name).includes("f")];
  };
  for (const first of ["lost 3", "nl 5", "Processed 4346", "Warning:\nlost;3 12"]) {
    assert.deepEqual(await samplesOf(`${first}\n${sampleOf("cycles")}`), [1, true], first);
  }
  for (const first of ["", "# made by hand\n", "stack count\n\n", "main;a 7/7 1.5\n"]) {
    const expected = first.endsWith("1.5\n") ? 3 : 1.5;
    assert.deepEqual(await samplesOf(`${first}main;f 1.25\nmain;g .5\nmain;g 0.25\n`), [
      expected,
      true,
    ]);
  }
  // Ten times a tenth is one.
  assert.deepEqual(await samplesOf("main;f 0.1\n".repeat(10)), [1, true]);
  using directory = directoryWith("main;f 1 2\nmain;g 3 4\n", AFTER);
  await assert.rejects(diff(directory, "json"), /has two counts in each line, as difffolded\.pl/);
});

Deno.test("diffFiles: what was left out is told, with its first line", async () => {
  using directory = directoryWith(`${sampleOf("cycles")}what is this line\n\n`, `${AFTER}?\n`);
  const told: string[] = [];
  const { before, after } = directory;
  const request = { before, after, format: "json" as const, output: directory.path };
  const path = await diffFiles(request, undefined, (text) => told.push(text));
  assert.deepEqual(told, [
    `${before}: left out 1 line not understood (first: line 4)`,
    `${after}: left out 1 line not understood (first: line 4)`,
  ]);
  const comparison = JSON.parse(await Deno.readTextFile(path!));
  const leftOut = [{ kind: "unknown line", lines: 1, firstLine: 4 }];
  assert.deepEqual([comparison.before.leftOut, comparison.after.leftOut], [leftOut, leftOut]);
});

/** A sample of threads' time, of a thread whose stack ends in the kernel unless it runs. */
const timeOf = (tid: number, event: string, milliseconds: number, ...functions: string[]) =>
  `web 7/${tid} [001] 20.0: ${milliseconds * 1e6} ${event}: \n` +
  (event === "cpu-clock" ? "" : "\tffffffff81000130 schedule+0x1 ([kernel.kallsyms])\n") +
  functions.map((name) => `\t 10 ${name}+0x1 (/web)\n`).join("") + "\n";

/** What a CPU limit does: a thread runs less and waits more, in the same function. */
const limited = (runningMilliseconds: number) =>
  timeOf(1, "cpu-clock", runningMilliseconds, "parse") +
  timeOf(1, "run-delay", 10_000 - runningMilliseconds, "parse");

Deno.test("diffFiles: of threads' time a function may run less and wait more", async () => {
  using directory = directoryWith(limited(9000), limited(2000));
  const table = await diff(directory, "table");
  assert.match(
    table,
    /More:\n.*\n +\+70.00 .* waiting {2}parse\n\nLess:\n.*\n +-70.00 .* running {2}parse/,
  );
});

/** 10 s of a thread, of which a query blocks it for so many; and 10 s of one that is idle. */
const wall = (querySeconds: number) =>
  timeOf(1, "offcpu-time", querySeconds * 1000, "query", "serve") +
  timeOf(1, "cpu-clock", 9500 - querySeconds * 1000, "parse", "serve") +
  timeOf(1, "run-delay", 500, "parse", "serve") +
  timeOf(2, "offcpu-time", 10_000, "take", "pool");

Deno.test("diffFiles: of threads' time all kinds are compared, without idle threads", async () => {
  using directory = directoryWith(wall(2), wall(6));
  const lines = (await diff(directory, "table")).split("\n");
  const columns = (line: string) => line.trim().split(/\s+/);
  assert.match(
    lines[0],
    /: .*monday\.perf\.txt, of 10s × 2 threads: 38% running, 60% blocked, 3% waiting for a processor; 1 idle/,
  );
  const [more, less] = ["More:", "Less:"].map((title) => lines.indexOf(title));
  assert.deepEqual(lines.slice(more + 2, less - 1).map(columns), [
    ["+40.00", "20.00%", "60.00%", "+40.00", "20.00%", "60.00%", "blocked", "query"],
    ["+0.00", "0.00%", "0.00%", "+40.00", "20.00%", "60.00%", "blocked", "serve"],
  ]);
  assert.deepEqual(lines.slice(less + 2, -1).map(columns), [
    ["-40.00", "75.00%", "35.00%", "-40.00", "75.00%", "35.00%", "running", "parse"],
    ["+0.00", "0.00%", "0.00%", "-40.00", "75.00%", "35.00%", "running", "serve"],
  ]);
  const { event, note, functions, before } = JSON.parse(await diff(directory, "json"));
  assert.deepEqual([event, note, before.threadTime.idleThreads], ["threads' time", undefined, 1]);
  assert.deepEqual(
    functions.map(({ name, kind }: Record<string, string>) => `${name} ${kind}`).sort(),
    ["parse running", "parse waiting", "query blocked"]
      .concat(["blocked", "running", "waiting"].map((kind) => `serve ${kind}`)),
  );
  assert.deepEqual([before.weight, before.samples], [10e9, 3]);
});

Deno.test("diffFiles: with idle no thread of threads' time is left out", async () => {
  using directory = directoryWith(wall(2), wall(6));
  const { before, after } = directory;
  const request = { before, after, format: "json" as const, output: directory.path, idle: true };
  const { functions } = JSON.parse(await Deno.readTextFile((await diffFiles(request))!));
  const take = functions.find(({ name }: { name: string }) => name === "take");
  assert.deepEqual(take.total, { before: 0.5, after: 0.5 });
});

Deno.test("diffFiles: the flame graph of threads' time has the kinds apart", async () => {
  using directory = directoryWith(wall(2), wall(6));
  const path = join(directory.path, "diff.html");
  await Deno.writeTextFile(path, await diff(directory, "flamegraph"));
  await using graph = await openPage(path);
  assert.match((await graph.text("#summary"))!, /^3 samples, 10 s/);
  // Below parse, at the left, what ran is its own.
  assert.match(await graph.tooltip(5, 0.01) ?? "", /^\[waiting for a processor\]\n/);
  assert.match(await graph.tooltip(5, 0.9) ?? "", /^\[blocked\]\n.*\n?60.00% after, 20.00% before/);
});

Deno.test("diffFiles: of threads' time and a CPU profile what ran is compared, and that is said", async () => {
  const cpu = timeOf(1, "cpu-clock", 10, "parse", "serve").repeat(4);
  const cases = [
    [cpu, wall(2), /^before is a CPU profile and after is of threads' time: only what was running/],
    [wall(2), cpu, /^after is a CPU profile and before is of threads' time: only what was running/],
    ["web;serve;parse 4\n", wall(2), /^before does not say what it counts: what was running is/],
    [
      wall(2),
      timeOf(1, "offcpu-time", 2000, "query") + timeOf(2, "offcpu-time", 10_000, "take"),
      /^only what was blocked is compared: what was running and waiting for a processor is known before alone$/,
    ],
    [
      sampleOf("cycles") + timeOf(1, "offcpu-time", 9, "query"),
      sampleOf("cycles") + timeOf(1, "offcpu-time", 9, "query"),
      /^cycles is not compared$/,
    ],
  ] as const;
  for (const [before, after, words] of cases) {
    using directory = directoryWith(before, after);
    const told: string[] = [];
    const request = { ...directory, format: "json" as const, output: directory.path };
    const path = await diffFiles(request, undefined, (text) => told.push(text));
    assert.equal(told.length, 1, told.join());
    assert.match(told[0], words);
    const { note, functions } = JSON.parse(await Deno.readTextFile(path!));
    assert.equal(note, told[0]);
    assert.equal(functions[0].self.before, functions[0].self.after, before);
  }
  const nothingAlike = [sampleOf("offcpu-time"), sampleOf("run-delay")];
  using directory = directoryWith(nothingAlike[0], nothingAlike[1]);
  await assert.rejects(diff(directory, "table"), /no event in common: .*; record both with --wall/);
  for (const [before, after] of [[sampleOf("cycles"), wall(2)], [wall(2), sampleOf("cycles")]]) {
    using directory = directoryWith(before, after);
    await assert.rejects(
      diff(directory, "table"),
      /is a CPU profile and (before|after) is of threads' time: record both with --wall, both/,
    );
  }
});

Deno.test("diffFiles: folded stacks of threads' time are what they were made of", async () => {
  using directory = directoryWith(
    "web;serve;query;[blocked] 4000\nweb;serve;parse 5000\n" +
      "web;serve;parse;[waiting for a processor] 1000\n",
    "web;serve;query;[blocked] 4000\nweb;serve;parse 5000\n" +
      "web;serve;parse;[waiting for a processor] 1000\n",
  );
  const { event, note, before, functions } = JSON.parse(await diff(directory, "json"));
  assert.deepEqual([event, note, before.weight], ["threads' time", undefined, 10_000]);
  assert.deepEqual(
    functions.map(({ name, self }: { name: string; self: { before: number } }) => [
      ...[name, self.before],
    ]).sort(),
    [["parse", 0.1], ["parse", 0.5], ["query", 0.4], ["serve", 0], ["serve", 0], ["serve", 0]],
  );
});
