/**
 * What the client writes to a terminal and elsewhere: the real daemon with the real perf, and for a
 * terminal the pseudo-terminal of util-linux's `script`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { run } from "../testing/process.ts";
import { createScreen } from "../testing/screen.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();
const MAIN = join(import.meta.dirname!, "../../cli/main.ts");
const COLUMNS = 60;
// deno-lint-ignore no-control-regex
const CONTROL_CODES = /\x1b/;
const MOVING = /recording \[[=> ]+\]/;

/**
 * Runs the client on a terminal. `keys` are typed when the line of a running recording is there.
 */
async function runOnTerminal(
  daemon: TestDaemon,
  args: string[],
  { env = {}, keys }: { env?: Record<string, string>; keys?: string } = {},
): Promise<{ status: number; written: string; lines: string[] }> {
  await using target = run(targets.spin);
  const outputDirectory = await Deno.makeTempDir();
  const command = [
    ...[Deno.execPath(), "run", "--quiet", "--frozen"],
    ...[...permissionFlags("client", { embedded: false }), MAIN],
    ...["--daemon", daemon.address, "--container-id", `${target.pid}`, "-o", outputDirectory],
    ...args,
  ].map((word) => `'${word}'`).join(" ");
  try {
    const process = new Deno.Command("script", {
      args: ["-qec", `stty cols ${COLUMNS} rows 20; exec ${command}`, "/dev/null"],
      env: { NO_COLOR: "", TERM: "xterm", ...env },
      stdin: "piped",
      stdout: "piped",
      signal: AbortSignal.timeout(60_000),
    }).spawn();
    const keyboard = process.stdin.getWriter();
    let written = "";
    let typed = false;
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      written += text;
      if (typed || keys === undefined || !/recording \[.* samples/.test(written)) continue;
      typed = true;
      await keyboard.write(new TextEncoder().encode(keys));
    }
    const { code } = await process.status;
    await keyboard.close().catch(() => {});
    const screen = createScreen(COLUMNS, 20);
    await screen.write(written);
    return { status: code, written, lines: screen.lines() };
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
}

function start(): Promise<TestDaemon> {
  return startDaemon({ args: ["--container-lookup", "pid"] });
}

Deno.test("necoperf-client: on a terminal a line moves, never wraps, and is gone at the end", async () => {
  await using daemon = await start();
  const { status, written, lines } = await runOnTerminal(daemon, ["-d", "2s"]);
  assert.equal(status, 0, written);
  assert.match(written, MOVING);
  const moving = written.split(/[\r\n]/).filter((line) => /recording \[/.test(line));
  for (const line of moving) assert(line.indexOf("\x1b") < COLUMNS, line);
  assert.doesNotMatch(lines.join("\n"), MOVING);
  assert.match(lines.join("\n"), /SELF {3}TOTAL {2}FUNCTION\n[^]*\.perf\.txt$/);
});

Deno.test("necoperf-client: Ctrl-C leaves what was sampled, and clean lines", async () => {
  await using daemon = await start();
  const { status, written, lines } = await runOnTerminal(daemon, ["-d", "50s"], { keys: "\x03" });
  assert.equal(status, 7, written);
  assert.doesNotMatch(lines.join("\n"), /\^C|stopping|recording \[/);
  assert.match(lines.join(""), /the result is partial: stopped early/);
});

for (
  const [name, args, env] of [
    ["NO_COLOR", [], { NO_COLOR: "1" }],
    ["TERM=dumb", [], { TERM: "dumb" }],
    ["--quiet", ["--quiet"], {}],
  ] as const
) {
  Deno.test(`necoperf-client: with ${name} a terminal gets no control codes`, async () => {
    await using daemon = await start();
    const { status, written } = await runOnTerminal(daemon, ["-d", "1s", ...args], { env });
    assert.equal(status, 0, written);
    assert.doesNotMatch(written, CONTROL_CODES);
    assert.match(written, name === "--quiet" ? /^\S+\.perf\.txt\r\n$/ : /: recording container/);
  });
}
