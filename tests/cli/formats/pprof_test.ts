import assert from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";
import { convert, SCRIPT } from "./profile.ts";
import { openWithSpeedscope } from "./speedscope_app.ts";

async function decode(text?: string) {
  const profile = Profile.decode(gunzipSync(await convert("pprof", text)));
  const string = (index: number | bigint) => profile.stringTable.strings[Number(index)];
  const nameOf = (location: number | bigint) => {
    const { line, mappingId } = profile.location[Number(location) - 1];
    const name = string(profile.function[Number(line[0].functionId) - 1].name);
    const mapping = profile.mapping.find(({ id }) => id === mappingId);
    return mapping ? `${name} (${string(mapping.filename)})` : name;
  };
  return {
    profile,
    string,
    types: profile.sampleType.map(({ type, unit }) => `${string(type)}/${string(unit)}`),
    samples: profile.sample.map(({ locationId, value, label }) => ({
      stack: locationId.map(nameOf),
      value: value.map(Number),
      label: label.map(({ key, str }) => `${string(key)}=${string(str)}`).join(),
    })),
  };
}

Deno.test("convertScript: pprof's format, read by another's library", async () => {
  const { profile, string, types, samples } = await decode();
  assert.deepEqual(types, ["samples/count", "cpu/nanoseconds"]);
  assert.equal(samples.length, 4);
  assert.deepEqual(samples.find(({ stack }) => stack[0].startsWith("vfs_read")), {
    stack: ["vfs_read ([kernel.kallsyms])", "parse (/app/web)", "main (/app/web)"],
    value: [2, 20_000_000],
    label: "thread=web",
  });
  assert.deepEqual(samples.find(({ label }) => label === "thread=worker")?.stack, [
    "JS:~tick /app/main.js:3 (/tmp/perf-7.map)",
    "run (/app/web)",
  ]);
  assert.equal(string(profile.mapping[0].filename), "/app/web");
  assert.equal(string(profile.defaultSampleType), "cpu");
  assert.equal(Number(profile.period), 10_000_000);
  assert.equal(Number(profile.durationNanos), 50_000_000);
  assert.equal(string(profile.periodType!.type), "cpu");
  assert.equal(profile.stringTable.strings[0], "");
});

Deno.test("convertScript: each event has its own values", async () => {
  const period = 2 ** 40 + 3;
  const text = SCRIPT + `web 7/7 12.0: ${period} cycles: \n\t 55d0 main+0x10 (/app/web)\n\n`;
  const { types, samples } = await decode(text);
  assert.deepEqual(types, [
    "samples of cpu-clock:ppp/count",
    "cpu/nanoseconds",
    "samples of cycles/count",
    "cycles/count",
  ]);
  assert.deepEqual(samples.at(-1)?.value, [0, 0, 1, period]);
  assert.deepEqual(samples[0].value, [1, 10_000_000, 0, 0]);
});

Deno.test("convertScript: threads' time has a value in nanoseconds for each kind, and says how it was thinned", async () => {
  const sample = (event: string) => `web 7/7 12.0: 5000 ${event}: \n\t 55d0 main+0x10 (/web)\n\n`;
  const { profile, string, types, samples } = await decode(
    ["offcpu-time", "run-delay", "cpu-clock"].map(sample).join("") +
      "# necoperf: thinned: by half\n",
  );
  assert.deepEqual(types.filter((type) => !type.startsWith("samples of")), [
    ...["cpu/nanoseconds", "offcpu-time/nanoseconds", "run-delay/nanoseconds"],
  ]);
  assert.deepEqual(samples.map(({ value }) => value), [
    ...[[1, 5000, 0, 0, 0, 0], [0, 0, 1, 5000, 0, 0], [0, 0, 0, 0, 1, 5000]],
  ]);
  assert.deepEqual(profile.comment.map(string), ["thinned: by half"]);
});

Deno.test("convertScript: a function that was inlined is in no file of its own", async () => {
  const text = "a 1/1 1.0: 5 cycles: \n\t 10 in (inlined)\n\t 10 out+0x1 (/bin/a)\n\n";
  const { samples } = await decode(text);
  assert.deepEqual(samples[0].stack, ["in", "out (/bin/a)"]);
});

Deno.test("convertScript: speedscope's reader of pprof's format agrees", async () => {
  const { functions } = await openWithSpeedscope("web.pb.gz", await convert("pprof"));
  const rows = new Map(functions.map(({ name, ...times }) => [name, times]));
  assert.deepEqual(rows.get("parse"), { total: "30.00ms (60%)", self: "10.00ms (20%)" });
  assert.equal(rows.get("main")?.total, "40.00ms (80%)");
});

/** What Go's own reader prints. */
async function goToolPprof(content: Uint8Array, ...args: string[]): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-pprof-" });
  try {
    const file = join(directory, "web.pb.gz");
    await Deno.writeFile(file, content);
    const { success, stdout, stderr } = await new Deno.Command("go", {
      args: ["tool", "pprof", ...args, file],
      // Where it would keep what it fetches, which is nothing here. Not another HOME: newer Go
      // builds pprof when it is first used, and keeps it there.
      env: { PPROF_TMPDIR: directory, PPROF_BINARY_PATH: directory },
    }).output();
    const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert(success, errors);
    return said;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("convertScript: go tool pprof agrees", async () => {
  const profile = await convert("pprof");
  const top = await goToolPprof(profile, "-top", "-nodecount=100", "-nodefraction=0");
  assert.match(top, /^File: web\nType: cpu\nDuration: 50ms, Total samples = 50ms \( *100%\)$/m);
  assert.match(top, /^ +20ms 40\.00% .* 20ms 40\.00% +vfs_read$/m);
  assert.match(top, /^ +10ms 20\.00% .* 30ms 60\.00% +parse$/m);
  assert.match(top, /^ +0 +0% .* 40ms 80\.00% +main$/m);
  const counts = await goToolPprof(profile, "-traces", "-sample_index=samples");
  assert.match(counts, /thread: +web\n +2 +vfs_read\n +parse\n +main\n/);
});

Deno.test("convertScript: go tool pprof shows each event by itself, and what was inlined", async () => {
  const text = `${SCRIPT}a 1/1 1.0: 5 cycles: \n\t 10 in (inlined)\n\t 10 out+0x1 (/bin/a)\n\n`;
  const profile = await convert("pprof", text);
  const traces = await goToolPprof(profile, "-traces", "-sample_index=cycles");
  assert.match(traces, /thread: +a\n +5 +in\n +out\n/);
  const top = await goToolPprof(profile, "-top", "-sample_index=cycles");
  assert.match(top, /^ +5 +100% +100% +5 +100% +in/m);
  assert.doesNotMatch(top, /parse/);
});

Deno.test("pprofMessages: values of many stacks add up to no more than pprof can hold", async () => {
  const sample = (name: string, period: bigint) =>
    `a 1/1 1.0: ${period} cycles: \n\t 10 ${name}+0x1 (/a)\n\n`;
  const large = 9_000_000_000_000_000_000n;
  const text = ["f", "g", "h"].map((name) => sample(name, large)).join("") + sample("i", 9000n);
  const { sample: samples } = Profile.decode(gunzipSync(await convert("pprof", text)));
  const values = samples.map(({ value }) => BigInt(value[1]));
  const sum = values.reduce((sum, value) => sum + value, 0n);
  assert.ok(sum <= 2n ** 63n - 1n && sum > 2n ** 63n - 10n, `${sum}`);
  assert.equal(values[0], values[1]);
  // Below it, not a digit is lost.
  const exact = sample("f", 9_007_199_254_740_993n).repeat(3);
  const decoded = Profile.decode(gunzipSync(await convert("pprof", exact)));
  assert.equal(BigInt(decoded.sample[0].value[1]), 3n * 9_007_199_254_740_993n);
});

Deno.test("pprofMessages: time off the processor is nanoseconds of its own", async () => {
  const sample = (event: string, period: number) =>
    `a 1/1 1.0: ${period} ${event}: \n\t 10 f+0x1 (/a)\n\n`;
  const text = sample("cpu-clock", 10_101_010) + sample("offcpu-time", 1_500_000_000);
  const { sampleType, stringTable } = Profile.decode(gunzipSync(await convert("pprof", text)));
  const types = sampleType.map(({ type, unit }) =>
    `${stringTable.strings[Number(type)]} ${stringTable.strings[Number(unit)]}`
  );
  assert.deepEqual(types, [
    ...["samples of cpu-clock count", "cpu nanoseconds"],
    ...["samples of offcpu-time count", "offcpu-time nanoseconds"],
  ]);
});
