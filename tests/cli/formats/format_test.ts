import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { CliError, ExitStatus } from "../../../cli/errors.ts";
import { CONVERTED_FORMATS, type ConvertedFormat } from "../../../cli/formats/converted_format.ts";
import { convert, convertToText, SCRIPT } from "./profile.ts";

const FOLDED = `web;main;[libz.so.1] 1
web;main;parse 1
web;main;parse;vfs_read 2
worker;run;JS:~tick /app/main.js:3 1
`;

async function refuses(status: ExitStatus, words: RegExp, text: string | Uint8Array) {
  for (const format of Object.keys(CONVERTED_FORMATS) as ConvertedFormat[]) {
    await assert.rejects(convert(format, text), (error) => {
      assert(error instanceof CliError, String(error));
      assert.equal(error.exitStatus, status, format);
      assert.match(error.message, words, format);
      return true;
    });
  }
}

Deno.test("convertScript: folded stacks", async () => {
  assert.equal(await convertToText("folded"), FOLDED);
});

Deno.test("convertScript: text that is compressed is unpacked", async () => {
  const packed = gzipSync(SCRIPT);
  assert.equal(new TextDecoder().decode(await convert("folded", packed)), FOLDED);
  await refuses(
    ExitStatus.USAGE,
    /a\.txt cannot be unpacked, it is cut off or damaged: /,
    packed.subarray(0, packed.length - 12),
  );
});

Deno.test("convertScript: compressed texts that were put together are unpacked, each of them", async () => {
  const half = SCRIPT.length >> 1;
  const members = [SCRIPT.slice(0, half), SCRIPT.slice(half)].map((text) => gzipSync(text));
  const packed = Buffer.concat(members);
  assert.equal(new TextDecoder().decode(await convert("folded", packed)), FOLDED);
  await refuses(
    ExitStatus.USAGE,
    /a\.txt cannot be unpacked, it is cut off or damaged: /,
    packed.subarray(0, packed.length - 12),
  );
});

Deno.test("convertScript: text that is not perf script's is refused, with what it is", async () => {
  await refuses(ExitStatus.USAGE, /^a\.txt is empty/, "");
  await refuses(ExitStatus.USAGE, /^a\.txt \(unpacked\) is empty/, gzipSync(""));
  await refuses(ExitStatus.USAGE, /^a\.txt is perf\.data, not text: `perf script/, "PERFILE2\0\0");
  await refuses(ExitStatus.USAGE, /^a\.txt is not what `perf script` prints/, "hello\nworld\n");
  await refuses(ExitStatus.USAGE, /is not what/, crypto.getRandomValues(new Uint8Array(5000)));
});

Deno.test("convertScript: text without a sample is told from text of something else", async () => {
  await refuses(
    ExitStatus.RECORDING_FAILED,
    /^a\.txt has no sample/,
    "# cmdline : perf record\n\n",
  );
});

Deno.test("convertScript: what stands for time is weighed by it, and its unit is said", async () => {
  const sample = (event: string, period: number) =>
    `a 1/1 1.0: ${period} ${event}: \n\t 10 f+0x1 (/a)\n\n`;
  const text = sample("cpu-clock", 10_000_000) + sample("offcpu-time", 1_500_000_000) +
    sample("cycles", 7);
  // Cycles are no time, and cannot be added to it.
  assert.equal(await convertToText("folded", text), "a;f 10000000\na;f;[blocked] 1500000000\n");
  assert.equal(await convertToText("folded", sample("offcpu-time", 1_500)), "a;f 1500\n");
  assert.equal(await convertToText("folded", sample("cpu-clock", 10_000_000)), "a;f 1\n");
  const { profiles } = JSON.parse(await convertToText("speedscope", text));
  assert.deepEqual(
    profiles.map(({ name, unit, weights }: Record<string, unknown>) => [name, unit, weights]),
    [
      ["cpu-clock", "nanoseconds", [10_000_000]],
      ["offcpu-time", "nanoseconds", [1_500_000_000]],
      ["cycles", "none", [7]],
    ],
  );
  const { threads } = JSON.parse(await convertToText("firefox", text));
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any
    threads.map(({ samples: { weight, weightType, threadCPUDelta } }: any) => [
      ...[weight, weightType, threadCPUDelta],
    ]),
    [
      // All of a thread's time is one line, in which only what ran is busy; sorted by time.
      [[1500, 10], "tracing-ms", [0, 10_000_000]],
      [null, "samples", undefined],
    ],
  );
});

Deno.test("convertScript: the sums of perf's --off-cpu, which have no time, are at the end of it", async () => {
  const text = "web 7 [001] 12.0: 5 cycles: \n\t 10 f+0x1 (/web)\n\n" +
    "web 7 [001] 14.0: 5 cycles: \n\t 10 f+0x1 (/web)\n\n" +
    "web 7 [000] 18446744069.414584: 1000000000 offcpu-time: \n\t 10 poll+0x1 (/web)\n\n";
  const { threads } = JSON.parse(await convertToText("firefox", text));
  assert.deepEqual(
    threads.map(({ samples: { time } }: { samples: { time: number[] } }) => time),
    [[0, 2000], [1500]],
  );
});

Deno.test("convertScript: threads' time is weighed in nanoseconds, each kind apart from the others", async () => {
  // The kinds are in their order, however many samples there are of each.
  const sample = (event: string, period: number, end: string, leaf: string) =>
    `web 7/7 [001] ${end}: ${period} ${event}: \n\t 10 ${leaf}+0x1 (/web)\n\t 20 main+0x1 (/web)\n\n`;
  const text = sample("run-delay", 300_000_000, "13.3", "spin") +
    sample("run-delay", 100_000_000, "13.5", "spin") +
    sample("offcpu-time", 2_000_000_000, "12.0", "poll") +
    sample("cpu-clock", 600_000_000, "12.9", "spin") + "# necoperf: thinned: a note\n";
  assert.equal(
    await convertToText("folded", text),
    [
      "web;main;poll;[blocked] 2000000000",
      "web;main;spin 600000000",
      "web;main;spin;[waiting for a processor] 400000000",
      "",
    ].join("\n"),
  );
  const { profiles } = JSON.parse(await convertToText("speedscope", text));
  assert.deepEqual(
    profiles.map(({ name, unit, weights }: Record<string, unknown>) => [name, unit, weights]),
    [
      ["cpu-clock", "nanoseconds", [600_000_000]],
      ["offcpu-time", "nanoseconds", [2_000_000_000]],
      ["run-delay", "nanoseconds", [400_000_000]],
    ],
  );
  const { meta, shared, threads: [thread, ...others] } = JSON.parse(
    await convertToText("firefox", text),
  );
  assert.deepEqual(others, []);
  const { samples } = thread;
  assert.equal(thread.name, "web");
  assert.deepEqual(samples.weight, [2000, 600, 300, 100]);
  assert.deepEqual(samples.threadCPUDelta, [0, 600_000_000, 0, 0]);
  // A second of blocking is before its middle, and a second behind it.
  assert.deepEqual(samples.time, [0, 1900, 2150, 2450]);
  const categories = samples.stack.map((stack: number) =>
    meta.categories[shared.frameTable.category[shared.stackTable.frame[stack]]].name
  );
  const waiting = "Waiting for a processor";
  assert.deepEqual(categories, ["Blocked", "Program", waiting, waiting]);
});
