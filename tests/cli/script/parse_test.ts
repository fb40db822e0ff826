import assert from "node:assert/strict";
import { parsePerfScript } from "../../../cli/script/parse.ts";
import type { Sample } from "../../../cli/script/sample.ts";
import type { ScriptSummary } from "../../../cli/script/stack_profile.ts";
import { inChunks, recording } from "./recordings.ts";

async function parse(
  text: string | Uint8Array,
  chunkSize?: number,
): Promise<{ samples: Sample[]; summary?: ScriptSummary }> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  let summary: ScriptSummary | undefined;
  const samples = await Array.fromAsync(
    parsePerfScript(inChunks(bytes, chunkSize), { onEnd: (end) => summary = end }),
  );
  return { samples, summary };
}

const STACK = "web 7/7 1.5: 3 cycles: \n\t  10 hot+0x2 (/web)\n\t  20 main (/web)\n\n";
const LINES = "  web 7/7 1.5:  3 cycles:                10 hot+0x2 (/web)\n" +
  "  web 7/7 1.6:  3 cycles:                20 main (/web)\n";

Deno.test("parsePerfScript: it finds in a recording what the tool that counts lines and words finds", async () => {
  for (const name of ["cpp", "node", "python", "flat", "trace"] as const) {
    const bytes = await recording(name);
    const lines = new TextDecoder().decode(bytes).split("\n");
    const { samples, summary } = await parse(bytes);
    // perf puts a tab before the lines of stacks, and a time behind the thread elsewhere.
    const headers = lines.filter((line) => /^[^\t].* \d+\.\d+: /.test(line));
    const frames = lines.filter((line) => line.startsWith("\t")).length;
    assert.deepEqual(summary, {
      samples: headers.length,
      skippedLines: 0,
      truncated: false,
      leftOut: [],
    });
    assert.equal(
      samples.reduce((sum, { frames }) => sum + frames.length, 0),
      name === "flat" ? headers.length : frames,
    );
    assert.ok(samples.every(({ pid, tid, timeSeconds }) => pid && tid && timeSeconds), name);
  }
});

Deno.test("parsePerfScript: chunks may end anywhere", async () => {
  for (const text of [STACK.repeat(2), LINES, "# é\r\n" + STACK.replaceAll("\n", "\r\n") + "x"]) {
    const whole = await parse(text);
    for (let size = 1; size < text.length; size++) {
      assert.deepEqual(await parse(text, size), whole, `chunks of ${size}`);
    }
  }
});

Deno.test("parsePerfScript: lines may end as on Windows, and stacks may follow spaces", async () => {
  const { samples } = await parse(STACK);
  assert.equal(samples[0].frames.length, 2);
  assert.deepEqual((await parse(STACK.replaceAll("\n", "\r\n"))).samples, samples);
  assert.deepEqual((await parse(STACK.replaceAll("\t", "        "))).samples, samples);
});

Deno.test("parsePerfScript: a stack needs no line before it, and a sample no stack", async () => {
  const stacks = await parse("\t 10 hot (/web)\n\n\t 20 main (/web)\n\n");
  assert.deepEqual(stacks.samples.map(({ command, frames }) => [command, frames[0].symbol]), [
    ["", "hot"],
    ["", "main"],
  ]);
  const { samples } = await parse("a 1/1 1.0: c: \n\nb 1/1 1.0: c: \nc 1/1 1.0: c: \n\n");
  assert.deepEqual(samples.map(({ command }) => command), ["a", "b", "c"]);
});

Deno.test("parsePerfScript: lines that are not a sample's are skipped and counted", async () => {
  const text = "# captured on: Tue\nWarning:\nlost 3 chunks!\n\n" + STACK +
    "web 7/7 1.5: PERF_RECORD_MMAP2 7/7: [0x1(0x2) @ 0 00:00 0 0]: r-xp /web\n" +
    STACK.replace("\n", "\n  web.c:12\n");
  const { samples, summary } = await parse(text);
  assert.equal(samples.length, 2);
  assert.deepEqual(samples[1], samples[0]);
  assert.deepEqual(summary, {
    samples: 2,
    skippedLines: 4,
    truncated: false,
    leftOut: [{ kind: "unknown line", lines: 2, firstLine: 2 }],
  });
});

Deno.test("parsePerfScript: the stack after an unknown line belongs to nobody", async () => {
  const { samples, summary } = await parse("what is this\n\t 10 hot (/web)\n\n" + STACK);
  assert.equal(samples.length, 1);
  assert.deepEqual(summary?.leftOut, [
    { kind: "unknown line", lines: 1, firstLine: 1 },
    { kind: "stack without a sample", lines: 1, firstLine: 2 },
  ]);
});

Deno.test("parsePerfScript: leaves out a sample that is cut off within a line", async () => {
  // Whoever trims a text takes away the empty line at its end, and the end of the line before.
  const whole = (end: number) => /[)]\n{0,2}$/.test(STACK.slice(0, end)) || end === 0;
  for (let end = 0; end <= STACK.length; end++) {
    const { samples, summary } = await parse(STACK + STACK.slice(0, end));
    assert.equal(samples.length, whole(end) && end > 0 ? 2 : 1, `${end} bytes`);
    assert.equal(summary?.truncated, !whole(end), `${end} bytes`);
    assert.deepEqual(summary?.leftOut, [], `${end} bytes`);
  }
});

Deno.test("parsePerfScript: the last line may lack its end", async () => {
  for (const text of [LINES, "a 1/1 1.0: sched:sched_switch: a=b\n", "a 1/1 1.0: 1 cycles: \n"]) {
    assert.deepEqual((await parse(text.trimEnd())).samples, (await parse(text)).samples, text);
  }
  const { samples, summary } = await parse(LINES.slice(0, -3));
  assert.equal(samples.length, 1);
  assert.equal(summary?.truncated, true);
});

Deno.test("parsePerfScript: bytes that are no UTF-8 are replaced", async () => {
  const bytes = new TextEncoder().encode(STACK);
  bytes[STACK.indexOf("hot")] = 0xff;
  bytes[0] = 0xc3;
  const { samples: [sample] } = await parse(bytes);
  assert.equal(sample.command, "\ufffdeb");
  assert.equal(sample.frames[0].symbol, "\ufffdot");
});

Deno.test("parsePerfScript: a line without an end does not pile up in memory", async () => {
  const endless = new Uint8Array(1 << 20).fill(0x78);
  async function* input() {
    for (let count = 0; count < 512; count++) yield endless;
    yield new TextEncoder().encode(`\n\n${STACK}`);
  }
  let peak = 0;
  const before = Deno.memoryUsage().external;
  let summary: ScriptSummary | undefined;
  for await (const { frames } of parsePerfScript(input(), { onEnd: (end) => summary = end })) {
    assert.equal(frames.length, 2);
    peak = Math.max(peak, Deno.memoryUsage().external);
  }
  assert.deepEqual(summary, {
    samples: 1,
    skippedLines: 1,
    truncated: false,
    leftOut: [{ kind: "too long", lines: 1, firstLine: 1 }],
  });
  assert.ok(peak - before < 32 << 20, `${peak - before} bytes`);
});
