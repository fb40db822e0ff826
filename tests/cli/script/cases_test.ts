/** What other people's texts of perf script are read as: a test for each row that was seen. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";
import { diffFiles } from "../../../cli/analysis/diff.ts";
import { CliError, ExitStatus } from "../../../cli/errors.ts";
import { CONVERTED_FORMATS, type ConvertedFormat } from "../../../cli/formats/converted_format.ts";
import { foldPerfScript } from "../../../cli/script/fold.ts";
import { frameKind } from "../../../cli/script/frame_kind.ts";
import type { StackProfile } from "../../../cli/script/stack_profile.ts";
import { convert } from "../formats/profile.ts";
import { inChunks } from "./recordings.ts";

const DIRECTORY = join(import.meta.dirname!, "cases");
const fileOf = (name: string) => join(DIRECTORY, name);
const bytesOf = (name: string) => Deno.readFile(fileOf(name));

/** What a text is read as: events with their samples and weights, stacks from the root on. */
async function read(name: string) {
  const profile = await foldPerfScript(inChunks(await bytesOf(name), 4096));
  const events = profile.events.map(({ event, samples, weight }) => [event, samples, weight]);
  return { ...profile, events, stacks: stacksOf(profile) };
}

function stacksOf({ events, frames }: StackProfile): string[] {
  const nameOf = (index: number) => `${frames[index].symbol} (${frames[index].dso})`;
  return events.flatMap(({ stacks }) =>
    stacks.map(({ command, frames }) => [command, ...Array.from(frames, nameOf)].join("; "))
  );
}

const WORK = "main (/srv/web); work (/srv/web)";

/** The rows that are right when these are: events with samples and weights, stacks. */
const ROWS: Record<string, { events: [string, number, number][]; stacks?: string[] }> = {
  "p01.txt": {
    events: [["cycles", 2, 2_016_746]],
    stacks: [`Web Content pool; ${WORK}`, `ImageIO  2; ${WORK}`],
  },
  "p03.txt": { events: [["cycles:P", 2, 20202]], stacks: [`web; ${WORK}`] },
  "p04.txt": {
    events: [["cycles:P", 1, 10101]],
    stacks: ["web; main (/srv/web); add (inlined); work (/srv/web)"],
  },
  "p05.txt": { events: [["cpu-clock", 2, 500_000]], stacks: [`t; ${WORK}`] },
  "p08-perf7.2-header.txt": { events: [["cpu-clock", 1, 10101]], stacks: [`web; ${WORK}`] },
  "p08b-perf6.1-header.txt": { events: [["cpu-clock", 2, 500_000]], stacks: [`t; ${WORK}`] },
  "p09.txt": { events: [["cycles:P", 2, 20202]], stacks: [`web; ${WORK}`] },
  "r10-perf7.2-switch-events.txt": { events: [["context-switches", 13, 13]] },
  "r11-perf7.2-addr.txt": { events: [["page-faults", 12, 600]] },
  "p12.txt": { events: [["cpu-clock", 4, 40_404_040]], stacks: [`web; ${WORK}`] },
  "r12b-perf7.2-misc.txt": { events: [["cpu-clock", 12, 12 * 5_025_125]] },
  "p13.txt": { events: [["page-faults", 4, 4]], stacks: ["web; work (/srv/web)"] },
  "p14a.txt": { events: [["cycles", 30, 303_030]] },
  "p14b.txt": { events: [["cycles:P", 30, 303_030]] },
  "p15.txt": { events: [["cpu_core/cycles/Pu", 1, 10101], ["cpu_atom/cycles/Pu", 1, 909]] },
  "p17.txt": { events: [["cycles", 1, 1]] },
  "p18.txt": { events: [["cycles", 1, 20_834_821]] },
  "p19.txt": { events: [["cpu-clock", 30, 303_030_300]] },
  "p20.txt": {
    events: [["cpu-clock", 1, 10_101_010]],
    stacks: [
      "cpu-using; instance bool [System.Linq] System.Linq.Enumerable+Iterator`1[System.Int32]" +
      "::MoveNext()[OptimizedTier1] (/tmp/perf-9.map); instance int32 [shop] " +
      "Shop.Program+<>c::<Sum>b__2_0(int32,int32)[MinOptJitted] (/tmp/perf-9.map)",
    ],
  },
  "p22.txt": {
    events: [["cpu-clock", 1, 10_101_010]],
    stacks: ["httpd; [unknown] ([unknown]); [unknown] (/opt/php/modules/libphp8.so)"],
  },
  "p24.txt": {
    events: [["cycles:u", 3, 750_000]],
    stacks: ["shop; shop::cart::total::h0123456789abcdef (/srv/web)"],
  },
  "p27.txt": { events: [["cycles:P", 1, 10101]], stacks: [`web; ${WORK}`] },
  "p29.txt": { events: [["cycles:P", 1, 10101]], stacks: [`web; ${WORK}`] },
  "p36.txt": { events: [["cycles:P", 1, 10101]], stacks: [`web; ${WORK}`] },
  "p39.txt": {
    events: [["cpu-clock", 2, 10_050_250]],
    stacks: [`nl\nname; ${WORK}`, `web; ${WORK}`],
  },
  "p41.txt": { events: [["mm_pagevec_free", 1, 1], ["kfree", 1, 1]], stacks: ["f", "f"] },
  "p42.txt": {
    events: [["cycles:P", 2, 2]],
    stacks: [
      ":-1; native_write_msr ([guest.kernel.kallsyms])",
      ":4711; vmx_vcpu_run ([kvm_intel])",
    ],
  },
  "p43.txt": {
    events: [["cpu-clock:ppp", 1, 250_000]],
    stacks: [
      "V8 WorkerThread; main.Map[go.shape.string,go.shape.int].Range-range1 (/srv/go;app); " +
      "operator new(unsigned long) (/usr/bin/node (deleted)); v8::internal::(anonymous namespace)" +
      "::Sweep(std::function<void (int)>) (/usr/bin/node (deleted))",
    ],
  },
  "p44.txt": { events: [["offcpu-time", 1, 10101], ["cpu-clock", 1, 250_000]] },
  "p45.txt": { events: [["cycles:P", 2, 20202]], stacks: [`web; ${WORK}`] },
  "p46.txt": { events: [["cycles:P", 1, 10101]], stacks: [`a c; ${WORK}`] },
};

/** What is not perf's, and so is told. */
const LEFT_OUT: Record<string, [lines: number, firstLine: number]> = {
  "p27.txt": [1, 3],
  "p29.txt": [5, 1],
};

for (const [name, { events, stacks }] of Object.entries(ROWS)) {
  Deno.test(`foldPerfScript: ${name.split(".txt")[0]}`, async () => {
    const profile = await read(name);
    assert.deepEqual(profile.events, events);
    if (stacks) assert.deepEqual(profile.stacks, stacks);
    assert.equal(profile.truncated, false);
    const [lines, firstLine] = LEFT_OUT[name] ?? [];
    const leftOut = lines ? [{ kind: "unknown line", lines, firstLine }] : [];
    assert.deepEqual(profile.leftOut, leftOut);
    for (const { symbol } of profile.frames) assert.doesNotMatch(symbol, /0x[0-9a-f]+ \(|\.c:\d/);
  });
}

Deno.test("frameKind: p17, p18, p19: where frames run is told by address, then by mapping", async () => {
  const kindsOf = async (name: string) => (await read(name)).frames.map(frameKind);
  assert.deepEqual(await kindsOf("p17.txt"), ["kernel", "unknown"]);
  assert.deepEqual(await kindsOf("p18.txt"), ["kernel", "kernel", "kernel"]);
  assert.deepEqual(await kindsOf("p19.txt"), ["jit", "library"]);
});

Deno.test("foldPerfScript: p31: a stack may be 3,000 frames deep, in all formats", async () => {
  const { events: [{ stacks: [{ frames }] }] } = await foldPerfScript(
    inChunks(await bytesOf("p31.txt")),
  );
  assert.equal(frames.length, 3000);
  for (const format of Object.keys(CONVERTED_FORMATS) as ConvertedFormat[]) {
    assert.ok((await convert(format, await bytesOf("p31.txt"))).length > 0, format);
  }
});

async function pprofOf(name: string) {
  return Profile.decode(gunzipSync(await convert("pprof", await bytesOf(name))));
}

Deno.test("convertScript: p30: a sum that pprof cannot hold is the largest that it can", async () => {
  const { sample } = await pprofOf("p30.txt");
  assert.deepEqual(sample.map(({ value }) => value), [[2, 2n ** 63n - 1n]]);
  const { events: [{ exactWeight }] } = await foldPerfScript(inChunks(await bytesOf("p30.txt")));
  assert.equal(exactWeight, 18_600_000_000_000_000_000n);
});

Deno.test("convertScript: p33: each machine's own span counts, and not from clock to clock", async () => {
  const { durationNanos } = await pprofOf("p33.txt");
  assert.equal(Number(durationNanos) / 1e9, 58);
  const { threads } = JSON.parse(
    new TextDecoder().decode(await convert("firefox", await bytesOf("p33.txt"))),
  );
  assert.equal(threads.length, 2);
  for (const { samples: { time } } of threads) {
    assert.deepEqual([time[0], time.at(-1)], [0, 29_000]);
  }
});

async function diff(before: string, after: string, format: "json" | "table" = "json") {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-cases-" });
  try {
    const request = { before: fileOf(before), after: fileOf(after), format, output: directory };
    return await Deno.readTextFile((await diffFiles(request))!);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("diffFiles: p14: cycles of a perf before 6.10 and cycles:P are the same event", async () => {
  const { event, before, after } = JSON.parse(await diff("p14a.txt", "p14b.txt"));
  assert.equal(event, "cycles");
  assert.deepEqual([before.samples, before.events], [30, ["cycles"]]);
  assert.deepEqual([after.samples, after.events], [30, ["cycles:P"]]);
  assert.match(await diff("p14a.txt", "p14b.txt", "table"), /30 samples of cycles:P\n/);
});

Deno.test("diffFiles: p35: folded stacks may have decimals", async () => {
  const { before, after, functions } = JSON.parse(await diff("p35a.folded", "p35b.folded"));
  assert.deepEqual([before.samples, after.samples], [13.5, 13]);
  const send = functions.find(({ name }: { name: string }) => name === "send");
  assert.deepEqual(send.self, { before: 3 / 13.5, after: 3 / 13 });
});

Deno.test("convertScript: p38: perf.data is told to be perf.data, compressed or not", async () => {
  for (const name of ["p38.data", "p38.data.gz"]) {
    await assert.rejects(convert("folded", await bytesOf(name)), (error) => {
      assert.ok(error instanceof CliError);
      assert.equal(error.exitStatus, ExitStatus.USAGE);
      assert.match(error.message, /is perf\.data, not text/);
      return true;
    });
  }
});
