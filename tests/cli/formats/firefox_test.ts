import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
// Deno installs a package that is imported; this one is a program.
import reader from "@firefox-devtools/profiler-cli/package.json" with { type: "json" };
import { eventually } from "../../testing/process.ts";
import { convert, convertToText, SCRIPT } from "./profile.ts";

/** Mozilla's own reader of profiles, which is made of the profiler's front end. */
const CLI = fileURLToPath(
  new URL(reader.bin["profiler-cli"], import.meta.resolve(`${reader.name}/package.json`)),
);

/** A profile that the reader has opened. */
interface Session extends AsyncDisposable {
  // deno-lint-ignore no-explicit-any
  ask(...args: string[]): Promise<any>;
}

async function open(content: Uint8Array): Promise<Session> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-firefox-" });
  const file = join(directory, "web.firefox.json");
  await Deno.writeFile(file, content);
  const command = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", CLI, ...args, "--session", "test"],
      env: { PROFILER_CLI_SESSION_DIR: directory },
      stdin: "null",
    });
  const run = async (...args: string[]) => {
    const { success, stdout, stderr } = await command(...args).output();
    const said = new TextDecoder().decode(stdout);
    if (!success) throw new Error(said + new TextDecoder().decode(stderr));
    return said;
  };
  // What `load` does, which gives it half a second to start.
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  const daemon = command("--daemon", file).spawn();
  cleanup.defer(async () => {
    daemon.kill("SIGKILL");
    await daemon.status;
  });
  // Whoever asks before it listens takes it for dead, and forgets the session.
  await eventually(async () =>
    assert.match(await Deno.readTextFile(join(directory, "test.log")), /Daemon ready/)
  );
  await eventually(() => run("profile", "info"));
  const disposables = cleanup.move();
  return {
    ask: async (...args) => JSON.parse(await run(...args, "--json")),
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}

Deno.test("convertScript: Mozilla's reader opens what is written for the Firefox Profiler", async () => {
  await using session = await open(await convert("firefox"));
  const { threads } = await session.ask("thread", "list");
  const fieldsOf = (
    { name, processName, pid, tid, cpuMs }: Record<string, unknown>,
  ) => ({ name, processName, pid, tid, cpuMs });
  assert.deepEqual(threads.map(fieldsOf), [
    { name: "web", processName: "web", pid: "7", tid: 7, cpuMs: 30 },
    { name: "worker", processName: "web", pid: "7", tid: 8, cpuMs: 0 },
  ]);

  const { categoryBreakdown, topFunctionsByTotal } = await session.ask(
    ...["thread", "samples", "--thread", threads[0].threadHandle],
  );
  // What it calls samples are milliseconds, of 10 for each sample.
  assert.equal(categoryBreakdown.totalSamples, 40);
  const functions = topFunctionsByTotal.map(
    ({ name, totalSamples, selfSamples }: Record<string, unknown>) => [
      name,
      totalSamples,
      selfSamples,
    ],
  );
  assert.deepEqual(functions.sort(), [
    ["[kernel.kallsyms]!vfs_read", 20, 20],
    ["libz.so.1![libz.so.1]", 10, 10],
    ["web!main", 40, 0],
    ["web!parse", 30, 10],
  ]);
  assert.deepEqual(
    categoryBreakdown.categories
      .map(({ name, samples }: Record<string, unknown>) => `${name} ${samples}`).sort(),
    ["Kernel 20", "Library 10", "Program 10"],
  );
});

Deno.test("convertScript: samples have their time, in order, from the first one on", async () => {
  const { threads, meta } = JSON.parse(await convertToText("firefox"));
  assert.deepEqual(threads.map(({ name }: { name: string }) => name), ["worker", "web"]);
  assert.deepEqual(threads[0].samples.time, [50]);
  assert.deepEqual(threads[1].samples.time, [0, 10, 20, 40]);
  assert.deepEqual(threads[1].samples.threadCPUDelta, [1e7, 1e7, 1e7, 1e7]);
  assert.equal(Math.round(meta.interval), 10);
});

Deno.test("convertScript: samples of several texts, one after the other, are put into order", async () => {
  const { threads } = JSON.parse(await convertToText("firefox", SCRIPT + SCRIPT));
  assert.deepEqual(threads[1].samples.time, [0, 0, 10, 10, 20, 20, 40, 40]);
});

Deno.test("convertScript: events are apart, so that one does not make another look busy", async () => {
  const text = SCRIPT + "web 7/7 12.0: 300 cycles: \n\t 55d0 main+0x10 (/app/web)\n\n";
  const { threads } = JSON.parse(await convertToText("firefox", text));
  assert.deepEqual(
    threads.map(({ name, pid }: { name: string; pid: string }) => `${name} of ${pid}`),
    [
      "worker (cpu-clock:ppp) of 7 (cpu-clock:ppp)",
      "web (cpu-clock:ppp) of 7 (cpu-clock:ppp)",
      "web (cycles) of 7 (cycles)",
    ],
  );
  assert.equal(threads[2].samples.threadCPUDelta, undefined);
});

Deno.test("convertScript: a sample without a stack stays a sample", async () => {
  await using session = await open(await convert("firefox", "a 1/1 1.0: 5 cpu-clock: \n\n"));
  const { threads } = await session.ask("thread", "list");
  assert.equal(threads.length, 1);
});
