import assert from "node:assert/strict";
import { createLiveLines } from "../../../cli/terminal/live_lines.ts";
import { createScreen } from "../../testing/screen.ts";

/** Lines on a terminal as they are on it. `settled` gives what it shows. */
function open(columns: number, rows: number) {
  const screen = createScreen(columns, rows);
  let size = { columns, rows };
  let written = Promise.resolve();
  // As a terminal device does: a new line starts at the left.
  const write = (text: string) => void (written = screen.write(text.replaceAll("\n", "\r\n")));
  return {
    live: createLiveLines({ write, size: () => size }),
    write,
    settled: async () => {
      await written;
      return screen.lines();
    },
    resize: async (columns: number, rows: number) => {
      await written;
      screen.resize(columns, rows);
      size = { columns, rows };
    },
  };
}

Deno.test("createLiveLines: the lines that move are below what is printed, and none of it is lost", async () => {
  const { live, write, settled } = open(40, 5);
  write("$ necoperf-client\n");
  live.show(["web-1 waiting", "web-2 waiting"]);
  assert.deepEqual(await settled(), ["$ necoperf-client", "web-1 waiting", "web-2 waiting"]);
  // More than the terminal has rows for: what is above scrolls away, unchanged.
  for (const line of ["one", "two", "three"]) live.above(() => write(`${line}\n`));
  live.show(["web-1 recording", "web-2"]);
  assert.deepEqual(await settled(), [
    ...["$ necoperf-client", "one", "two", "three"],
    ...["web-1 recording", "web-2"],
  ]);
  live.show(["web-2 recording"]);
  assert.deepEqual((await settled()).slice(3), ["three", "web-2 recording"]);
  live.show([]);
  write("the end\n");
  assert.deepEqual((await settled()).slice(3), ["three", "the end"]);
});

Deno.test("createLiveLines: nothing of the lines is left behind them", async () => {
  const { live, write, settled } = open(40, 5);
  live.show(["web-1", "web-2"]);
  live[Symbol.dispose]();
  write("done\n");
  assert.deepEqual(await settled(), ["done"]);
});

Deno.test("createLiveLines: what a key echoes is gone with the next change", async () => {
  const { live, write, settled } = open(40, 5);
  live.show(["web-1 recording"]);
  write("^C");
  live.show(["web-1 stopping"]);
  assert.deepEqual(await settled(), ["web-1 stopping"]);
});

Deno.test("createLiveLines: a line has no more columns, and all together no more rows, than there are", async () => {
  const { live, write, settled } = open(20, 4);
  write("above\n");
  live.show(Array.from({ length: 9 }, (_, at) => `web-${at} ${"recording ".repeat(5)}`));
  assert.deepEqual(await settled(), [
    "above",
    "web-0 recording rec",
    "web-1 recording rec",
    "and 7 more",
  ]);
});

for (const [how, columns] of [["narrower", 14], ["wider", 60]] as const) {
  Deno.test(`createLiveLines: a terminal that was made ${how} has the lines once`, async () => {
    const { live, write, settled, resize } = open(30, 8);
    write("above\n");
    live.show(["web-1 recording [=====>   ]"]);
    await resize(columns, 8);
    live.show(["web-1"]);
    assert.deepEqual(await settled(), ["above", "web-1"]);
  });
}
