import type { PerfOptions } from "../recording.ts";

/**
 * The command line of a `perf record` that samples processes, or some of their threads, and writes
 * to its standard output.
 *
 * It holds only checked values. The recording ends by itself: `sleep` is perf's workload, and perf
 * ends with it even when nobody is there any more to stop it. perf takes commands (`ping`, `stop`)
 * on its standard input and acknowledges them on standard error (perf-record(1), `--control`).
 *
 * `mmapPages` is the size of each processor's ring buffer, in pages, a power of two.
 */
export function recordArguments(
  options: PerfOptions,
  target: {
    pids: readonly number[];
    tids?: readonly number[];
    durationSeconds: number;
    mmapPages: number;
  },
): string[] {
  return [
    "record",
    "--output=-",
    "--control=fd:0,2",
    // perf.data carries build ids in its mmap events, so that others can find the symbols. Text
    // has the symbols in it, and perf need not read every file once more at the end.
    options.format === "data" ? "--buildid-mmap" : "--no-buildid",
    // perf would listen for new BPF programs in a thread that wakes up once a second only, also to
    // end: it holds up perf's end by that much (perf_evlist__poll_thread in
    // util/sideband_evlist.c).
    "--no-bpf-event",
    `--mmap-pages=${target.mmapPages}`,
    `--freq=${options.frequencyHz}`,
    ...eventArguments(options),
    ...callGraphArguments(options),
    ...sideArguments(options),
    // Of threads perf would leave out what they start if it were not told (cmd_record).
    ...(target.tids
      ? [`--tid=${target.tids.join()}`, "--inherit"]
      : [`--pid=${target.pids.join()}`]),
    "--",
    "sleep",
    target.durationSeconds.toFixed(3),
  ];
}

/** A sample at each switch away from a thread, with the stack that it waits on. */
const CONTEXT_SWITCHES = "context-switches/period=1,name=context-switches/";

function eventArguments({ events, threadTime }: PerfOptions): string[] {
  const names = threadTime === undefined
    ? events
    : [...(threadTime === "all" ? ["cpu-clock"] : []), CONTEXT_SWITCHES];
  return [
    ...names.map((name) => `--event=${name}`),
    // When threads begin to run and cease to, by the clock of /proc/uptime.
    ...(threadTime === undefined ? [] : ["--switch-events", "--clockid=CLOCK_BOOTTIME"]),
  ];
}

function sideArguments({ side, threadTime }: PerfOptions): string[] {
  switch (side) {
    case "user":
      // It is the kernel that switches: without its side there would be no sample of that. The
      // kernel's part of the stacks is left out, and what else says something of its side by
      // `UserSideFilter`.
      return [threadTime === undefined ? "--all-user" : "--user-callchains"];
    case "kernel":
      return ["--all-kernel"];
    default:
      return [];
  }
}

function callGraphArguments(options: PerfOptions): string[] {
  switch (options.callGraph) {
    case "none":
      return [];
    case "dwarf":
      return [`--call-graph=dwarf,${options.stackSizeBytes}`];
    default:
      return [`--call-graph=${options.callGraph}`];
  }
}

/** The command line of a `perf script` that turns its standard input into text. */
export function scriptArguments(options: PerfOptions): string[] {
  return [
    "script",
    "--input=-",
    // The process id beside the thread id: a container may have several processes.
    "--fields=+pid",
    // Threads that switch often do it several times in a microsecond.
    ...(options.threadTime === undefined
      ? []
      : ["--show-switch-events", "--show-task-events", "--ns"]),
    options.inline ? "--inline" : "--no-inline",
  ];
}
