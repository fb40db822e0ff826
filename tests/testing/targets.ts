/**
 * The programs that tests profile, compiled from `tests/targets/`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Compiled target programs, by path. */
interface Targets {
  /** Holds `bin/` and `lib/`, and may be copied elsewhere: nothing in it knows its place. */
  directory: string;
  /** Static; `spin [SECONDS]` burns one processor and ends when sent SIGUSR1. */
  spin: string;
  /** As `spin`, with the burning functions in `busyLibrary`. */
  spinDynamic: string;
  /** As `spin`, as images have programs: stripped, and compiled without frame pointers. */
  spinBare: string;
  /**
   * As `spinBare`, function by function at the same addresses, but with names: those of {@linkcode
   * DECOY_FUNCTION}.
   */
  spinDecoy: string;
  /** The shared library of `spinDynamic`. */
  busyLibrary: string;
  /** Static; sleeps for ever. */
  idle: string;
  /** Static; starts a child that burns for 100 ms, over and over. */
  forker: string;
  /** Static; burns one processor in code without a file, for which perf reads /tmp/perf-PID.map. */
  jit: string;
  /** Static; burns one processor and loads BPF programs meanwhile. Needs root. */
  bpfLoader: string;
  /** Static; `mappings DIRECTORY PROCESSES MAPPINGS` maps a file with a very long path. */
  mappings: string;
  /**
   * Static; `threads N [PAUSE]` has so many threads, of which one burns a tenth of a processor;
   * with a pause it starts them with so many seconds between.
   */
  threads: string;
  /**
   * Static; `pingPong [MICROSECONDS [COUNTER]]` has two threads that wake each other up over and
   * over, of which one works so long in each round, and counts rounds in a file, as a u64.
   */
  pingPong: string;
  /** Static; `orphans SECONDS` starts a process whose parent ends, each so many seconds. */
  orphans: string;
  /** Static; burns in functions whose name is 512 KB long. */
  longName: string;
  /**
   * Static; `churn DIRECTORY` executes programs of ever other names there, fast; it is `own`, too.
   */
  churn: string;
  /**
   * Static; has threads whose names look like other fields of perf script's text, and ends soon.
   */
  names: string;
  /**
   * Static; `waits [chatty]` has threads that wait, each in a function of its own, and print how
   * long; with `chatty` two processes besides wake each other up as fast as they can.
   */
  waits: string;
  /** `scriptText BYTES` prints so much of what looks like perf script's text. */
  scriptText: string;
}

/** The function in which every target but `idle` spends its time. */
export const BUSY_FUNCTION = "necoperf_busy_loop";

/** What {@linkcode BUSY_FUNCTION} is called in the decoy. */
export const DECOY_FUNCTION = "decoy_busy_loop";

/** The callers of {@linkcode BUSY_FUNCTION}, innermost first. */
export const BUSY_CALLERS = ["necoperf_handle_request", "necoperf_serve_requests"];

const SOURCES = [
  "busy.h",
  "busy.c",
  "spin.c",
  "idle.c",
  "forker.c",
  "jit.c",
  "bpf_loader.c",
  "mappings.c",
  "threads.c",
  "ping_pong.c",
  "orphans.c",
  "long_name.c",
  "churn.c",
  "names.c",
  "script_text.c",
  "waits.c",
];

const COMPILER_FLAGS = ["-std=gnu11", "-Wall", "-Werror", "-g", "-O1", "-fno-omit-frame-pointer"];

/** What gcc is told after {@linkcode COMPILER_FLAGS}, in this order, in `tests/targets/`. */
function compilerRuns(out: string): string[][] {
  return [
    ["-static", "-o", `${out}/bin/spin`, "spin.c", "busy.c"],
    [
      ...["-static", "-s", "-O2", "-fomit-frame-pointer"],
      ...["-o", `${out}/bin/spin-bare`, "spin.c", "busy.c"],
    ],
    [
      ...["-static", "-O2", "-fomit-frame-pointer", `-D${BUSY_FUNCTION}=${DECOY_FUNCTION}`],
      ...BUSY_CALLERS.map((name) => `-D${name}=decoy${name.slice("necoperf".length)}`),
      ...["-o", `${out}/bin/spin-decoy`, "spin.c", "busy.c"],
    ],
    ["-shared", "-fPIC", "-o", `${out}/lib/libnecoperfbusy.so`, "busy.c"],
    [
      ...["-o", `${out}/bin/spin-dynamic`, "spin.c", `-L${out}/lib`, "-lnecoperfbusy"],
      "-Wl,-rpath,$ORIGIN/../lib",
    ],
    ["-static", "-o", `${out}/bin/idle`, "idle.c"],
    ["-static", "-o", `${out}/bin/forker`, "forker.c", "busy.c"],
    ["-static", "-o", `${out}/bin/jit`, "jit.c"],
    ["-static", "-o", `${out}/bin/bpf-loader`, "bpf_loader.c", "busy.c"],
    ["-static", "-o", `${out}/bin/mappings`, "mappings.c", "busy.c"],
    ["-static", "-pthread", "-o", `${out}/bin/threads`, "threads.c", "busy.c"],
    ["-static", "-pthread", "-o", `${out}/bin/ping-pong`, "ping_pong.c"],
    ["-static", "-o", `${out}/bin/orphans`, "orphans.c", "busy.c"],
    ["-static", "-o", `${out}/bin/long-name`, "long_name.c", "busy.c"],
    ["-static", "-o", `${out}/bin/churn`, "churn.c", "busy.c"],
    ["-static", "-pthread", "-o", `${out}/bin/names`, "names.c"],
    ["-static", "-o", `${out}/bin/script-text`, "script_text.c"],
    ["-static", "-pthread", "-o", `${out}/bin/waits`, "waits.c"],
  ];
}

/**
 * Compiles the targets, unless that was done before: they are kept in the system's directory for
 * temporary files, under a name that changes with their sources.
 *
 * Rejects with gcc's words when it fails, and with `Deno.errors.NotFound` when there is no gcc.
 */
export async function buildTargets(): Promise<Targets> {
  const sources = join(import.meta.dirname!, "../targets");
  const hash = createHash("sha256").update(JSON.stringify([COMPILER_FLAGS, compilerRuns("")]));
  for (const name of SOURCES) hash.update(await Deno.readFile(join(sources, name)));
  const directory = join(
    tmpdir(),
    `necoperf-targets-${Deno.uid()}-${hash.digest("hex").slice(0, 12)}`,
  );
  if (!await isOurs(directory)) await compile(sources, directory);
  return {
    directory,
    spin: `${directory}/bin/spin`,
    spinBare: `${directory}/bin/spin-bare`,
    spinDecoy: `${directory}/bin/spin-decoy`,
    spinDynamic: `${directory}/bin/spin-dynamic`,
    busyLibrary: `${directory}/lib/libnecoperfbusy.so`,
    idle: `${directory}/bin/idle`,
    forker: `${directory}/bin/forker`,
    jit: `${directory}/bin/jit`,
    bpfLoader: `${directory}/bin/bpf-loader`,
    mappings: `${directory}/bin/mappings`,
    threads: `${directory}/bin/threads`,
    pingPong: `${directory}/bin/ping-pong`,
    orphans: `${directory}/bin/orphans`,
    longName: `${directory}/bin/long-name`,
    churn: `${directory}/bin/churn`,
    names: `${directory}/bin/names`,
    scriptText: `${directory}/bin/script-text`,
    waits: `${directory}/bin/waits`,
  };
}

/** Whether the targets are there, and made by this user: anyone may write to `/tmp`. */
async function isOurs(directory: string): Promise<boolean> {
  try {
    const { isDirectory, uid } = await Deno.lstat(directory);
    if (isDirectory && uid === Deno.uid()) return true;
    throw new Error(`${directory} was made by someone else; remove it`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function compile(sources: string, directory: string): Promise<void> {
  // Made aside and renamed, so that test files that run at the same time see all of it or nothing.
  const out = await Deno.makeTempDir({ dir: dirname(directory), prefix: "necoperf-targets-new-" });
  try {
    await Deno.mkdir(`${out}/bin`);
    await Deno.mkdir(`${out}/lib`);
    for (const run of compilerRuns(out)) {
      const args = [...COMPILER_FLAGS, ...run];
      const { success, stderr } = await new Deno.Command("gcc", { args, cwd: sources }).output();
      if (!success) throw new Error(`gcc ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    }
    await Deno.chmod(out, 0o755);
    await Deno.rename(out, directory);
  } catch (error) {
    await Deno.remove(out, { recursive: true });
    if (!await isOurs(directory)) throw error;
  }
}
