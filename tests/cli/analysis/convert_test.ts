import assert from "node:assert/strict";
import { join } from "node:path";
import { CONVERTED_FORMATS } from "../../../cli/formats/converted_format.ts";
import { permissionFlags } from "../../../permissions.ts";
import { SCRIPT } from "../formats/profile.ts";
import { startStandInDaemon, writeFinished, writeResult, writeStart } from "../stand_in_daemon.ts";

const MAIN = join(import.meta.dirname!, "../../../cli/main.ts");
const FOLDED = `web;main;[libz.so.1] 1
web;main;parse 1
web;main;parse;vfs_read 2
worker;run;JS:~tick /app/main.js:3 1
`;

/** Starts the program; `before` are words in front of its command line. */
function spawn(
  args: string[],
  { stdout = "piped", stderr = "inherit", before = [] }: {
    stdout?: "piped" | "null";
    stderr?: "piped" | "inherit";
    before?: string[];
  } = {},
): Deno.ChildProcess {
  const [command, ...words] = [
    ...[...before, Deno.execPath(), "run", "--quiet", "--frozen"],
    ...[...permissionFlags("client", { embedded: false }), MAIN, ...args],
  ];
  return new Deno.Command(command, { args: words, stdin: "piped", stdout, stderr }).spawn();
}

/** Runs the program as users do, with `input` on its standard input. */
async function run(args: string[], input = ""): Promise<[number, string, string]> {
  const process = spawn(args, { stderr: "piped" });
  const writer = process.stdin.getWriter();
  // A program that fails early does not read it.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close(), () => {});
  const { code, stdout, stderr } = await process.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return [code, decode(stdout), decode(stderr)];
}

/** A directory with a perf script's text in it that is gone when the test ends. */
function directoryWithScript() {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-convert-" });
  const script = join(path, "web-0-app-20250131T235959Z.perf.txt");
  Deno.writeTextFileSync(script, SCRIPT);
  return { path, script, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("necoperf-client convert: a file beside others, named after the text", async () => {
  using directory = directoryWithScript();
  const args = ["convert", directory.script, "--format", "folded", "-o", directory.path];
  const first = join(directory.path, "web-0-app-20250131T235959Z.folded");
  assert.deepEqual(await run(args), [0, `${first}\n`, ""]);
  assert.equal(await Deno.readTextFile(first), FOLDED);
  // Nothing is overwritten.
  const second = join(directory.path, "web-0-app-20250131T235959Z-2.folded");
  assert.deepEqual(await run(args), [0, `${second}\n`, ""]);
});

Deno.test("necoperf-client convert: says how threads' time was thinned, and with --idle counts idle threads' too", async () => {
  const sample = (tid: number, event: string, name: string) =>
    `web 7/${tid} [001] 20.0: 5000000000 ${event}: \n\t 10 ${name}+0x1 (/web)\n\n`;
  const text = sample(1, "cpu-clock", "work") + sample(2, "offcpu-time", "take") +
    "# necoperf: thinned: by half\n";
  const kindsOf = (page: string) =>
    JSON.parse(/<script id="data"[^>]*>(.*?)<\/script>/s.exec(page)![1]).views[0].kinds
      .map(({ kind }: { kind: string }) => kind);
  const args = ["convert", "-", "--format", "flamegraph", "-o", "-"];
  const [status, page, stderr] = await run(args, text);
  assert.deepEqual([status, kindsOf(page)], [0, ["running", "blocked", "idle"]]);
  assert.equal(stderr, "necoperf-client: standard input: thinned: by half\n");
  assert.deepEqual(kindsOf((await run([...args, "--idle"], text))[1]), ["running", "blocked"]);
});

Deno.test("necoperf-client convert: a file of a name that is given, unless there is one", async () => {
  using directory = directoryWithScript();
  const path = join(directory.path, "graph.html");
  const args = ["convert", directory.script, "--format", "flamegraph", "-o", path];
  assert.deepEqual(await run(args), [0, `${path}\n`, ""]);
  const html = await Deno.readTextFile(path);
  assert.match(html, /^<!DOCTYPE html>/);
  const [status, stdout, stderr] = await run(args);
  assert.deepEqual([status, stdout], [2, ""]);
  assert.equal(stderr, `necoperf-client: ${path} exists already; nothing is overwritten\n`);
  assert.equal(await Deno.readTextFile(path), html);
  // It is seen before anything is read.
  const [, , words] = await run(["convert", "/nowhere/x", "--format", "folded", "-o", path]);
  assert.equal(words, stderr);
});

Deno.test("necoperf-client convert: from standard input to standard output", async () => {
  assert.deepEqual(
    await run(["convert", "-", "--format", "folded", "-o", "-"], SCRIPT),
    [0, FOLDED, ""],
  );
});

/** 200 MB of a few stacks. */
function* manySamples(): Generator<Uint8Array> {
  const piece = new TextEncoder().encode(SCRIPT.slice(SCRIPT.indexOf("worker")).repeat(2000));
  for (let written = 0; written < 200_000_000; written += piece.length) yield piece;
}

/** 40,000 stacks of 40 functions, no two alike from the tenth function on. */
function* manyStacks(): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (let stack = 0; stack < 40_000; stack++) {
    const frames = Array.from({ length: 40 }, (_, depth) => {
      const number = depth < 30 ? (stack * (depth + 7)) % 4999 : depth;
      return `\t${(0x5000 + number).toString(16)} function_${number}+0x1 (/app/web)\n`;
    });
    const header = `web 7/7 ${(stack / 1000).toFixed(6)}: 10101010 cpu-clock:ppp: \n`;
    yield encoder.encode(`${header}${frames.join("")}\n`);
  }
}

/**
 * Less than a program takes that holds the text of 200 MB besides its own 70. `firefox` keeps 20
 * bytes of each of two million samples, and sorts them.
 */
const mostKilobytes = (format: string) => format === "firefox" ? 250_000 : 200_000;

for (const format of Object.keys(CONVERTED_FORMATS)) {
  for (const [name, texts] of [["samples", manySamples], ["stacks", manyStacks]] as const) {
    Deno.test(`necoperf-client convert: memory is bounded with many ${name}: ${format}`, async () => {
      using directory = directoryWithScript();
      const peak = join(directory.path, "peak");
      const process = spawn(["convert", "-", "--format", format, "-o", "-"], {
        stdout: "null",
        before: ["/usr/bin/time", "--format=%M", `--output=${peak}`],
      });
      const writer = process.stdin.getWriter();
      for (const text of texts()) await writer.write(text);
      await writer.close();
      assert.equal((await process.status).code, 0);
      const kilobytes = Number(await Deno.readTextFile(peak));
      assert(kilobytes > 0 && kilobytes < mostKilobytes(format), `it took ${kilobytes} kB`);
    });
  }
}

Deno.test("necoperf-client convert: what is wrong is told, with a status, and leaves no file", async () => {
  using directory = directoryWithScript();
  const fails = async (status: number, words: RegExp, args: string[], input?: string) => {
    const [code, stdout, stderr] = await run(["convert", ...args], input);
    assert.equal(code, status, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, words);
  };
  const to = ["--format", "speedscope", "-o", directory.path];
  await fails(2, /standard input is empty/, ["-", ...to]);
  await fails(2, /standard input is not what `perf script` prints/, ["-", ...to], "hello\n");
  await fails(6, /standard input has no sample/, ["-", ...to], "# a comment\n");
  await fails(2, /cannot read \/nowhere\/x: there is no such file/, ["/nowhere/x", ...to]);
  await fails(2, /it is a directory/, [directory.path, ...to]);
  await fails(2, /name the file to convert/, to);
  await fails(2, /takes one file .*'b'/, ["a", "b", ...to]);
  await fails(2, /--format <format>' not specified/, ["a"]);
  await fails(2, /Allowed choices are folded, speedscope/, ["a", "--format", "svg"]);
  assert.equal([...Deno.readDirSync(directory.path)].length, 1);
});

Deno.test("necoperf-client convert: profile --format asks the daemon for text and converts it", async () => {
  using directory = directoryWithScript();
  const result = new TextEncoder().encode(SCRIPT);
  await using daemon = await startStandInDaemon({
    start: (call) => {
      assert.equal(call.request.options?.format, "FORMAT_SCRIPT");
      writeStart(call);
      writeFinished(call, result, { completeness: "COMPLETENESS_FULL" });
    },
    fetch: (call) => writeResult(call, result),
  });
  const args = ["--daemon", daemon.address, "--container-id", "c0ffee123456789", "-q"];
  assert.deepEqual(
    await run([...args, "--format", "folded", "-o", "-"]),
    [0, FOLDED, ""],
  );
  const [status, stdout] = await run([...args, "--format", "pprof", "-o", directory.path]);
  assert.equal(status, 0);
  assert.match(stdout, /\/c0ffee123456-\d{8}T\d{6}Z\.pb\.gz\n$/);
});

Deno.test("necoperf-client: a recording's summary leaves idle threads out, unless --idle is given", async () => {
  using directory = directoryWithScript();
  const sample = (tid: number, event: string, name: string) =>
    `web 7/${tid} [001] 20.0: 5000000000 ${event}: \n\t 10 ${name}+0x1 (/web)\n\n`;
  const result = new TextEncoder().encode(
    sample(1, "cpu-clock", "work") + sample(2, "offcpu-time", "take") +
      "# necoperf: thinned: by half\n",
  );
  await using daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      writeFinished(call, result, { completeness: "COMPLETENESS_FULL" });
    },
    fetch: (call) => writeResult(call, result),
  });
  const args = ["--daemon", daemon.address, "--container-id", "c0ffee123456789", "--json"];
  const summary = async (...more: string[]) => {
    const [status, stdout, stderr] = await run([...args, "-o", directory.path, ...more]);
    assert.equal(status, 0, stderr);
    const { threadTime, hottest } = JSON.parse(stdout);
    return {
      stderr,
      threadTime,
      functions: hottest.map(({ symbol }: { symbol: string }) => symbol),
    };
  };
  const usual = await summary();
  assert.match(usual.stderr, /: of 5s × 2 threads: 50% running, 50% blocked, .*; 1 idle thread/);
  assert.match(usual.stderr, /: thinned: by half$/m);
  assert.deepEqual([usual.threadTime.idleThreads, usual.functions], [1, ["work"]]);
  const withIdle = await summary("--idle");
  assert.deepEqual([withIdle.threadTime.idleThreads, withIdle.functions], [0, ["work", "take"]]);
});

Deno.test("convert: lines that are not understood are told, and the first of them", async () => {
  const args = ["convert", "-", "--format", "folded", "-o", "-"];
  const text = `${SCRIPT}addr2line: x: file format not recognized\n\n${SCRIPT}`;
  const [status, stdout, stderr] = await run(args, text);
  assert.deepEqual([status, stdout], [0, FOLDED.replaceAll(/\d$/gm, (count) => `${2 * +count}`)]);
  const line = SCRIPT.split("\n").length;
  assert.equal(
    stderr,
    `necoperf-client: standard input: left out 1 line not understood (first: line ${line})\n`,
  );
});

Deno.test("necoperf-client convert: switches that perf has recorded become threads' time", async () => {
  const switches = [
    ...["web 7/8 10.000000000:   10101010 cpu-clock: \n\t55d0 parse+0x1 (/web)\n"],
    ...["web 7/8 10.002000000:          1 context-switches/period=1/: \n\t55d0 poll+0x1 (/web)\n"],
    "web 7/8 10.002000000: PERF_RECORD_SWITCH OUT        ",
    "web 7/8 10.012000000: PERF_RECORD_SWITCH IN         \n",
  ].join("\n");
  const args = ["convert", "-", "--format", "folded", "-o", "-"];
  const folded = "web;parse 2000000\nweb;poll;[blocked] 10000000\n";
  assert.deepEqual(await run(args, switches), [0, folded, ""]);
  const fromDaemon = `# necoperf: thread-time off-cpu\n${switches}`;
  assert.deepEqual(await run(args, fromDaemon), [0, "web;poll 10000000\n", ""]);
  // Without samples at the switches nobody knows where threads blocked: it is a profile as any
  // other.
  const others = switches.replaceAll("context-switches/period=1/", "page-faults");
  assert.match((await run(args, others))[1], /^web;parse \d+$/m);
});
