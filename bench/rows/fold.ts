import { tmpdir } from "node:os";
import { join } from "node:path";
import { askProgram } from "../../tests/testing/process.ts";
import { buildTargets } from "../../tests/testing/targets.ts";
import { interleave, type Measured } from "../measure.ts";
import type { Row, RowContext } from "../row.ts";

const MB = 1e6;
/** What inferno is built from, where it is not installed. */
const INFERNO_VERSION = "0.12.8";
const BENCH = join(import.meta.dirname!, "..");

/**
 * Busy programs of many functions: a compiler, an interpreter, the kernel's file systems and pipes,
 * Deno's own threads.
 */
const PROGRAMS = `
  i=0; while [ $i -lt 1500 ]; do
    echo "int f$i(int a, int b) { for (int i = 0; i < a; i++) b += (b ^ i) * $i % 7; return b; }"
    i=$((i + 1))
  done > busy.c
  gcc -O2 -c busy.c -o busy.o
  perl ${BENCH}/stackcollapse.pl small.txt > collapsed.txt
  tar --create --exclude=.git ${BENCH}/.. 2> tar.txt | head --bytes=100M | gzip -1 > sources.gz
  ${Deno.execPath()} run -A ${BENCH}/fold.ts small.txt > folded.txt
  ${Deno.execPath()} fmt --check ${BENCH}/../cli > fmt.txt 2>&1
`;

/**
 * What call graphs are recorded with: what the daemon does by itself, and what shorter stacks come
 * of.
 */
const CALL_GRAPHS = [["DWARF", "dwarf"], ["frame pointers", "fp"]];

/**
 * The only other program for this that npm and Debian have. It is not of this project's own
 * packages: it brings many, as old as it is.
 */
const STACKVIS =
  `${Deno.execPath()} run --quiet --no-config --no-lock -A npm:stackvis@0.5.0/stackcollapse-perf`;

/** Row 7: perf script's text read and folded into stacks. */
export const fold: Row = {
  name: "fold",
  title:
    "Reading perf script's text and folding it into stacks, processor time with all that the " +
    "program takes to start; recordings of several busy programs, repeated, and a text of 300 " +
    "different stacks",
  goal:
    "not slower than inferno, 4 times the Perl way, 1 GB under 8 s; memory flat in the file's size",
  async run(context) {
    const { scriptText } = await buildTargets();
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    try {
      await record(directory, scriptText, context);
      const inferno = await findInferno(context);
      for (const [what, recorded] of [...CALL_GRAPHS, ["300 stacks", ""]]) {
        let smallest: Measured | undefined;
        for (const megabytes of context.quick ? [10, 100] : [100, 1000]) {
          const bytes = megabytes * MB;
          const make = recorded
            ? `while cat ${recorded}.txt; do :; done 2> /dev/null | head --bytes=${bytes}`
            : `${scriptText} ${bytes}`;
          await shell(`${make} > text.txt; gzip -1 -c text.txt > text.gz`, directory);
          const peak = await measure(directory, megabytes, what, context, inferno, smallest);
          smallest ??= peak;
        }
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
};

/**
 * Makes `dwarf.txt` and `fp.txt`, what perf script prints of recordings as the daemon has it made,
 * and has stackvis fetched.
 */
async function record(
  directory: string,
  scriptText: string,
  { log }: RowContext,
): Promise<void> {
  await Deno.writeTextFile(`${directory}/programs.sh`, PROGRAMS);
  await shell(
    `${scriptText} 20000000 > small.txt && ${STACKVIS} < small.txt > collapsed.txt`,
    directory,
  );
  for (const [name, mode] of CALL_GRAPHS) {
    await shell(
      `perf record -q -F 4999 --call-graph ${mode} -o perf.data -- sh programs.sh &&
       perf script -i perf.data --fields=+pid --no-inline > ${mode}.txt && rm perf.data`,
      directory,
    );
    const { size } = await Deno.stat(`${directory}/${mode}.txt`);
    log(`the recording with ${name} is ${(size / MB).toFixed()} MB`);
  }
}

/**
 * Finds inferno, the same in Rust, as it is installed or as cargo builds it, which takes minutes
 * the first time. Undefined where there is neither.
 */
async function findInferno({ log }: RowContext): Promise<string | undefined> {
  const program = "inferno-collapse-perf";
  if (askProgram(program, "--help") !== undefined) return program;
  if (askProgram("cargo", "--version") === undefined) {
    log("there is neither inferno nor cargo: its lines are left out");
    return undefined;
  }
  const root = join(tmpdir(), `necoperf-inferno-${Deno.uid()}-${INFERNO_VERSION}`);
  await shell(`cargo install inferno --locked --version ${INFERNO_VERSION} --root ${root}`, "/");
  return `${root}/bin/${program}`;
}

/** Measures all sides with `text.txt` of so many MB. Returns the memory that ours took. */
async function measure(
  directory: string,
  megabytes: number,
  text: string,
  { quick, report }: RowContext,
  inferno: string | undefined,
  smallest: Measured | undefined,
): Promise<Measured> {
  const run = (command: string) => () => timed(command, megabytes, directory);
  const programs: Record<string, () => ReturnType<typeof timed>> = {
    ours: run(`${Deno.execPath()} run --quiet --frozen -A ${BENCH}/fold.ts text.txt`),
    perl: run(`perl ${BENCH}/stackcollapse.pl text.txt`),
    wc: run("wc -l text.txt"),
    gzip: run("gzip -dc text.gz"),
  };
  if (inferno) programs.inferno = run(`${inferno} -n 1 text.txt`);
  // With 1 GB it takes a minute.
  if (!smallest) programs.stackvis = run(`${STACKVIS} < text.txt`);
  const sides = await interleave(programs, quick ? 1 : 5);
  const what = `${text}, ${megabytes} MB`;
  for (
    const [name, side, goal] of [
      ["inferno", sides.inferno, { atLeast: 1 }],
      ["Perl", sides.perl, { atLeast: 4 }],
      ["stackvis", sides.stackvis, undefined],
      ["wc -l", sides.wc, undefined],
      ["gzip -d", sides.gzip, undefined],
    ] as const
  ) {
    if (!side) continue;
    report({
      what: `${what}: rate`,
      unit: "MB/s",
      ours: sides.ours.rate,
      other: { name, measured: side.rate },
      goal,
    });
  }
  // As a rate, what takes 8 seconds for 1 GB.
  const slowest = { median: 125, min: 125, max: 125, runs: 1 };
  report({
    what: `${what}: rate`,
    unit: "MB/s",
    ours: sides.ours.rate,
    other: { name: "1 GB in 8 s", measured: slowest },
    goal: { atLeast: 1 },
  });
  report({
    what: `${what}: memory`,
    unit: "MB",
    ours: sides.ours.peak,
    other: { name: "Perl", measured: sides.perl.peak },
  });
  report({
    what: `${what}: memory`,
    unit: "MB",
    ours: sides.ours.peak,
    other: { name: "for the smaller file", measured: smallest ?? sides.ours.peak },
    goal: { atMost: 1.1 },
  });
  return sides.ours.peak;
}

/**
 * How much a command goes through for each second of processor time, as Bash tells it to the
 * millisecond, and its largest resident memory, as GNU time tells it.
 */
async function timed(command: string, megabytes: number, directory: string) {
  const { stderr } = await shell(
    `bash -c "TIMEFORMAT='%3U %3S'; time /usr/bin/time --format=%M ${command} > /dev/null"`,
    directory,
  );
  const [kilobytes, times] = stderr.trim().split("\n").slice(-2);
  const [user, system] = times.split(" ").map(Number);
  return { rate: megabytes / (user + system), peak: Number(kilobytes) * 1024 / MB };
}

async function shell(command: string, cwd: string): Promise<{ stderr: string }> {
  const output = await new Deno.Command("sh", { args: ["-c", command], cwd, stdin: "null" })
    .output();
  const stderr = new TextDecoder().decode(output.stderr);
  if (!output.success) throw new Error(`${command}: ${stderr}`);
  return { stderr };
}
