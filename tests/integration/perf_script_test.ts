/**
 * What perf prints is read as perf itself counts it, whatever it is asked to print: real perfs,
 * with fields and records picked at random.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parsePerfScript } from "../../cli/script/parse.ts";
import type { Sample } from "../../cli/script/sample.ts";
import type { ScriptSummary } from "../../cli/script/stack_profile.ts";
import { inChunks } from "../cli/script/recordings.ts";
import { createRandom, type Random, SEED } from "../fuzz/random.ts";
import { findPerfs, type Perf } from "../testing/perfs.ts";
import { buildTargets } from "../testing/targets.ts";

/** How many layouts are tried of each recording of each perf. */
const LAYOUTS = Number(Deno.env.get("FUZZ_LAYOUTS") ?? 12);

/** What is recorded: several events, with much beside the samples. */
const RECORDINGS = {
  "call graphs": ["-g", "-e", "cpu-clock,page-faults,context-switches", "-d", "--switch-events"],
  "all that can be": [
    ...["-g", "-k", "mono", "-e", "cpu-clock,page-faults", "-d", "-W", "--phys-data"],
    ...["--data-page-size", "--code-page-size", "--user-regs=ax,bx", "--namespaces"],
    ...["--switch-events", "--all-cgroups", "--sample-cpu"],
  ],
  flat: ["-e", "cpu-clock,page-faults", "-d", "--sample-cpu"],
};

/**
 * Fields and options that add to what is printed; which of them a perf takes depends on it. Not
 * `--show-round-events`, with which perf resolves some addresses before it knows of their mappings.
 */
const FIELDS = ["addr", "misc", "tod", "weight", "uregs", "phys_addr", "data_page_size", "cgroup"];
const OPTIONS = [
  ...["--show-task-events", "--show-mmap-events", "--show-switch-events", "--header", "--ns"],
  ...["--show-namespace-events", "--show-cgroup-events", "--show-lost-events"],
  "--show-bpf-events",
];

async function run(perf: Perf, args: string[], cwd: string): Promise<string | undefined> {
  const [program, ...words] = [...perf.command, ...args];
  const { success, stdout } = await new Deno.Command(program, {
    args: words,
    cwd,
    stdin: "null",
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}

const script = (perf: Perf, cwd: string, ...args: string[]) =>
  run(perf, ["script", "-i", "perf.data", "--no-inline", ...args], cwd);

/** Samples as perf itself counts them: without anything that would have to be understood. */
interface Counted {
  pid: number;
  tid: number;
  period: number;
  event: string;
  /** The leaf first. */
  addresses: bigint[];
}

async function count(perf: Perf, cwd: string): Promise<Counted[]> {
  const lines = (text: string | undefined) => text!.split("\n").slice(0, -1);
  const fields = lines(await script(perf, cwd, "-G", "-F", "pid,tid,period,event"))
    .map((line) => line.trim().split(/[\s/]+/));
  // A sample's line is empty, since it has no field; an empty line ends its stack.
  const stacks: bigint[][] = [];
  let open: bigint[] | undefined;
  const withStacks = await script(perf, cwd, "-F", "ip");
  for (const line of lines(withStacks)) {
    if (line !== "" && !line.startsWith("\t")) stacks.push([BigInt(`0x${line.trim()}`)]);
    else if (line !== "") open!.push(BigInt(`0x${line.trim()}`));
    else if (open) open = undefined;
    else stacks.push(open = []);
  }
  assert.equal(stacks.length, fields.length);
  return fields.map(([pid, tid, period, event], index) => ({
    pid: Number(pid),
    tid: Number(tid),
    period: Number(period),
    event: event.replace(/:$/, ""),
    addresses: stacks[index],
  }));
}

/** Fields to ask for, without which a sample could not be told. */
function pickFields(random: Random, extra: string[], isFlat: boolean): string[] {
  const maybe = (...fields: string[]) => random.integer(2) ? fields : [];
  const fields = [
    ...maybe("comm"),
    ...maybe("cpu"),
    ...random.pick([["tid"], ["pid"], ["pid", "tid"]]),
    ...random.pick([["time"], ["time", "event"], ["event"], ["time", "period"]]),
    ...maybe("period"),
    ...random.pick([[], ["ip"], ["ip", "sym"], ["ip", "sym", "dso"], [
      "ip",
      "sym",
      "symoff",
      "dso",
    ]]),
    ...extra.filter(() => random.integer(4) === 0),
  ];
  // As good a period would be any number that follows; and an address that has no name.
  if (isFlat) fields.push("event", "ip", "sym", "dso");
  // Without a time, tod would be as good a name.
  if (fields.includes("tod")) fields.push("comm", "time");
  // In any order: perf has its own.
  return [...new Set(fields)].sort(() => random.integer(3) - 1);
}

async function read(text: string): Promise<{ samples: Sample[]; summary: ScriptSummary }> {
  let summary: ScriptSummary | undefined;
  const samples = await Array.fromAsync(
    parsePerfScript(inChunks(new TextEncoder().encode(text), 4096), {
      onEnd: (end) => summary = end,
    }),
  );
  return { samples, summary: summary! };
}

for (const perf of findPerfs()) {
  for (const [name, options] of Object.entries(RECORDINGS)) {
    Deno.test(`parsePerfScript: agrees with ${perf.version}: ${name}`, async () => {
      const { names } = await buildTargets();
      const directory = await Deno.makeTempDir({ prefix: "necoperf-perf-script-" });
      try {
        const record = ["record", "-q", "-F", "499", "-o", "perf.data", ...options, "--", names];
        assert.notEqual(await run(perf, record, directory), undefined, "perf record failed");
        const expected = await count(perf, directory);
        assert.ok(expected.length > 20, `${expected.length} samples`);
        const takes = async (...args: string[]) =>
          await script(perf, directory, ...args) !== undefined;
        const fields: string[] = [];
        for (const field of FIELDS) if (await takes("-F", `+${field}`)) fields.push(field);
        const records: string[] = [];
        for (const option of OPTIONS) if (await takes(option)) records.push(option);

        const random = createRandom(SEED);
        for (let layout = 0; layout < LAYOUTS; layout++) {
          const picked = pickFields(random, fields, name === "flat");
          const args: string[] = [
            "-F",
            picked.join(),
            ...records.filter(() => random.integer(4) === 0),
          ];
          const text = await script(perf, directory, ...args);
          if (text === undefined) continue;
          const has = (field: string) => picked.includes(field);
          const { samples, summary } = await read(text);
          const told = `perf script ${args.join(" ")}`;
          assert.equal(samples.length, expected.length, told);
          assert.deepEqual([summary.leftOut, summary.truncated], [[], false], told);
          // Samples of one time have no order.
          const wanted = expected.map(({ pid, tid, period, event, addresses }) =>
            [
              has("tid") ? tid : pid,
              has("pid") && has("tid") ? pid : undefined,
              has("period") ? period : undefined,
              has("event") ? event : "",
              has("time"),
              has("ip") ? addresses.join() : "",
            ].join(" ")
          );
          const found = samples.map(({ pid, tid, period, event, timeSeconds, frames }) =>
            [
              ...[tid, pid, period, event, timeSeconds !== undefined],
              has("ip") ? frames.map(({ address }) => address).join() : "",
            ].join(" ")
          );
          assert.deepEqual(found.sort(), wanted.sort(), told);
        }
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    });
  }
}

// So that nobody takes one perf for several.
const others = Deno.env.get("NECOPERF_TEST_PERFS");
if (others !== undefined) {
  Deno.test("findPerfs: NECOPERF_TEST_PERFS names directories with perfs of other releases", () => {
    const directories = others.split(":");
    const versions = new Set(findPerfs().map(({ version }) => version));
    assert.equal(versions.size, directories.length + 1, join(...directories));
  });
}
