/**
 * Nothing that comes from outside reaches a terminal unescaped. The daemon is a stand-in, because
 * no real one sends such words; the terminal is the pseudo-terminal of util-linux's `script`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { grpc } from "../../proto/grpc.ts";
import {
  type StandInHandlers,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../cli/stand_in_daemon.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");

/**
 * Sets the title, clears the screen, colours, reorders, returns to the start of the line, rings.
 */
const HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt.\r\x08\x7f";

/** A sample whose thread, functions and files are named by an attacker. */
const SCRIPT = `a${HOSTILE} 42 1.000000:   10101010 cpu-clock: \n` +
  `\t    55d0c0de m${HOSTILE}ain+0x1d (/ap${HOSTILE}p)\n\n`;

/** Runs the client on a terminal that moving lines are not wanted on; gives all that it gets. */
async function runOnTerminal(args: string[]): Promise<{ status: number; written: string }> {
  const command = [
    ...[Deno.execPath(), "run", "--quiet", "--frozen"],
    ...[...permissionFlags("client", { embedded: false }), MAIN, ...args],
  ].map((word) => `'${word}'`).join(" ");
  const { code, stdout } = await new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    env: { NO_COLOR: "1", TERM: "xterm" },
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  return { status: code, written: new TextDecoder().decode(stdout) };
}

/** Fails when a terminal gets anything that it would act on, but for the ends of lines. */
function assertPrintable(written: string): void {
  // deno-lint-ignore no-control-regex -- these are what it looks for
  const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/.exec(
    written.replaceAll("\r\n", "\n"),
  );
  assert.equal(control, null, JSON.stringify(written));
}

async function profileOnTerminal(handlers: StandInHandlers, ...args: string[]) {
  await using daemon = await startStandInDaemon(handlers);
  const directory = await Deno.makeTempDir({ prefix: "necoperf-terminal-" });
  try {
    const named = ["--daemon", daemon.address, "--container-id", "ab".repeat(32), "-d", "1s"];
    const { status, written } = await runOnTerminal([...named, "-o", directory, ...args]);
    const files = [];
    for await (const { name } of Deno.readDir(directory)) {
      files.push(await Deno.readTextFile(join(directory, name)));
    }
    return { status, written, files };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const RESULT = new TextEncoder().encode(SCRIPT);

const GOOD: StandInHandlers = {
  start: (call) => {
    writeStart(call);
    writeFinished(call, RESULT, { samples: 1, lostSamples: 0 });
  },
  fetch: (call) => writeResult(call, RESULT),
};

Deno.test("profile: the table of functions is escaped, the file is not", async () => {
  const { status, written, files } = await profileOnTerminal(GOOD);
  assert.equal(status, 0, written);
  assertPrintable(written);
  assert.match(written, /m\\x1b\]0;owned\\x07\\x1b\[2J\\u009b31m\\u202etxt\./);
  assert.deepEqual(files, [SCRIPT]);
});

for (const format of ["script", "folded", "speedscope"]) {
  Deno.test(`profile: --format ${format} -o - is escaped on a terminal`, async () => {
    const { status, written } = await profileOnTerminal(GOOD, "-o", "-", "--format", format);
    assert.equal(status, 0, written);
    assertPrintable(written);
    assert.match(written, /owned/);
  });
}

Deno.test("profile: --json is escaped as JSON", async () => {
  const { status, written } = await profileOnTerminal(GOOD, "--json", "--quiet");
  assert.equal(status, 0, written);
  assertPrintable(written);
  const { hottest } = JSON.parse(written.replaceAll("\r\n", "\n"));
  assert.equal(hottest[0].symbol, `m${HOSTILE}ain`);
});

Deno.test("profile: a daemon's words cannot forge a line", async () => {
  const details = `no\nnecoperf-client: forged${HOSTILE}`;
  const { status, written } = await profileOnTerminal({
    start: (call) => void call.emit("error", { code: grpc.status.FAILED_PRECONDITION, details }),
  });
  assert.equal(status, 6, written);
  assertPrintable(written);
  assert.doesNotMatch(written, /^necoperf-client: forged/m);
});

Deno.test("profile: a recording id that is none is refused", async () => {
  const { status, written } = await profileOnTerminal({
    start: (call) => {
      writeStart(call, `../../x\nnecoperf-client: forged${HOSTILE}`);
      writeFinished(call, RESULT);
    },
    fetch: (call) => writeResult(call, RESULT),
  });
  assert.equal(status, 1, written);
  assertPrintable(written);
  assert.match(written, /invalid id "..\/..\/x\\nnecoperf-client: forged\\x1b/);
  assert.doesNotMatch(written, /^necoperf-client: forged/m);
});

Deno.test("convert, diff: what they print is escaped on a terminal", async () => {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-terminal-" });
  try {
    const path = join(directory, "web.perf.txt");
    await Deno.writeTextFile(path, SCRIPT.repeat(100));
    for (const args of [["convert", "--format", "folded", path, "-o", "-"], ["diff", path, path]]) {
      const { status, written } = await runOnTerminal(args);
      assert.equal(status, 0, written);
      assertPrintable(written);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("all commands: what a user mistyped is escaped", async () => {
  const { status, written } = await runOnTerminal(["convert", `/nonexistent/${HOSTILE}`]);
  assert.equal(status, 2, written);
  assertPrintable(written);
});
