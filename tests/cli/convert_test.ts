import assert from "node:assert/strict";
import { join } from "node:path";
import { CONVERTED_FORMATS } from "../../cli/formats/converted_format.ts";
import { permissionFlags } from "../../permissions.ts";
import { SCRIPT } from "./formats/profile.ts";
import { startStandInDaemon, writeFinished, writeResult, writeStart } from "./stand_in_daemon.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");
const FOLDED = `web;main;[libz.so.1] 1
web;main;parse 1
web;main;parse;vfs_read 2
worker;run;JS:~tick /app/main.js:3 1
`;

function spawn(args: string[], stderr: "piped" | "inherit" = "inherit"): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", ...permissionFlags("client", { embedded: false })],
      ...[MAIN, ...args],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr,
  }).spawn();
}

/** Runs the program as users do, with `input` on its standard input. */
async function run(args: string[], input = ""): Promise<[number, string, string]> {
  const process = spawn(args, "piped");
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

Deno.test("a file beside others, named after the text", async () => {
  using directory = directoryWithScript();
  const args = ["convert", directory.script, "--format", "folded", "-o", directory.path];
  const first = join(directory.path, "web-0-app-20250131T235959Z.folded");
  assert.deepEqual(await run(args), [0, `${first}\n`, ""]);
  assert.equal(await Deno.readTextFile(first), FOLDED);
  // Nothing is overwritten.
  const second = join(directory.path, "web-0-app-20250131T235959Z-2.folded");
  assert.deepEqual(await run(args), [0, `${second}\n`, ""]);
});

Deno.test("a file of a name that is given, unless there is one", async () => {
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

Deno.test("from standard input to standard output", async () => {
  assert.deepEqual(
    await run(["convert", "-", "--format", "folded", "-o", "-"], SCRIPT),
    [0, FOLDED, ""],
  );
});

for (const format of Object.keys(CONVERTED_FORMATS)) {
  Deno.test(`memory does not grow with the text: ${format}`, async () => {
    const piece = new TextEncoder().encode(SCRIPT.slice(SCRIPT.indexOf("worker")).repeat(2000));
    const process = spawn(["convert", "-", "--format", format, "-o", "-"]);
    const converted = new Response(process.stdout).bytes();
    const writer = process.stdin.getWriter();
    let peakKilobytes = 0;
    for (let written = 0; written < 200_000_000; written += piece.length) {
      await writer.write(piece);
      const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
      peakKilobytes = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]);
    }
    await writer.close();
    assert.equal((await process.status).code, 0);
    assert((await converted).length > 0);
    assert(peakKilobytes < 200_000, `it took ${peakKilobytes} kB`);
  });
}

Deno.test("what is wrong is told, with a status, and leaves no file", async () => {
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
  await fails(2, /which file\?/, to);
  await fails(2, /one too many/, ["a", "b", ...to]);
  await fails(2, /--format <format>' not specified/, ["a"]);
  await fails(2, /Allowed choices are folded, speedscope/, ["a", "--format", "svg"]);
  assert.equal([...Deno.readDirSync(directory.path)].length, 1);
});

Deno.test("profile --format asks the daemon for text and converts it", async () => {
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
