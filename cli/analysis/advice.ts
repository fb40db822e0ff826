import { formatDuration } from "../../proto/duration.ts";
import { formatCpuQuantity } from "../client/cluster/cpu_quantity.ts";
import type { CpuLimit } from "./cpu_limit.ts";
import { type CpuUse, formatCpuUse } from "./cpu_use.ts";
import { describeLeftOut } from "../formats/script_text.ts";
import { fileName } from "../formats/frame_name.ts";
import type { RecordingSummary } from "../client/recording/recording_event.ts";
import type { CallGraph } from "../client/recording/record_options.ts";
import { mainEvent } from "./hottest.ts";
import { describeLostCallers } from "./lost_callers.ts";
import { frameKind } from "../script/frame_kind.ts";
import type { Frame, StackProfile } from "../script/stack_profile.ts";

/** Something that makes a result worth less than it looks, with what to do about it. */
export interface Advice {
  kind:
    | "lost"
    | "throttled"
    | "missed"
    | "not understood"
    | "CPU limit"
    | "busy node"
    | "idle"
    | "broken stacks"
    | "no symbols"
    | "JIT"
    | "Python"
    | "kernel";
  text: string;
}

/** The input of advice. */
export interface Recorded {
  summary: RecordingSummary;
  /** Not there when perf script's text was not what arrived. */
  stacks?: StackProfile;
  cpuUse?: CpuUse;
  cpuLimit?: CpuLimit;
  /** What was asked for. Default: by frame pointers. */
  callGraph?: CallGraph;
}

/** From when on something is worth a warning: rather none than one about what hardly matters. */
const THRESHOLDS = {
  /** Of all samples that perf should have had: less does not change the order of functions. */
  lostShare: 0.01,
  /** Per second: each time is as long as a tick of the kernel's clock, 1 to 10 ms. */
  throttledPerSecond: 1,
  /** At the default frequency, 5 samples per second: a function with 10% of them has 15 in 30s. */
  idleCpus: 0.05,
  /** By a limit, where the node is to blame: a tenth of a second is what is said. */
  stoppedSeconds: 0.1,
  /** Of a limit of which nobody knows whether it was used up. */
  limitShare: 0.7,
  /** Of what a share is taken of. With fewer samples chance decides. */
  samples: 20,
  /** Of the samples in user space. Leaves of the C library have no callers in healthy profiles. */
  brokenShare: 0.5,
  /** Of the frames in files. Some small libraries have no symbols in most images. */
  namelessShare: 0.5,
  /** Of the samples in user space. Regular expressions and stubs are also made at run time. */
  jitShare: 0.2,
  /** Of the samples in user space, in the interpreter: extensions may do the work. */
  pythonShare: 0.5,
  /** Of all samples, in the kernel; below, its names are of little use. */
  kernelShare: 0.05,
};

/** Finds what is worth a warning, that which spoils most of the result first. */
export function advise(recorded: Recorded): Advice[] {
  const { summary, cpuUse, cpuLimit, callGraph } = recorded;
  const advice = [
    adviseOnLost(summary, callGraph),
    adviseOnThrottled(summary),
    adviseOnMissed(summary),
    adviseOnNotUnderstood(recorded.stacks),
    adviseOnCpuLimit(cpuLimit, cpuUse),
    // Where threads' waiting was recorded, that is what the result is for.
    recorded.stacks?.threadTimes ? undefined : adviseOnIdle(cpuUse, cpuLimit),
  ];
  const event = recorded.stacks && mainEvent(recorded.stacks);
  if (recorded.stacks && event && event.samples >= THRESHOLDS.samples) {
    const seen = look(recorded.stacks.frames, event.stacks);
    const jit = adviseOnJit(seen);
    // A daemon with Profile alone does not say how it found the callers, nor can it be told.
    const isAskable = summary.lostSamples !== undefined;
    const broken = isAskable ? adviseOnBrokenStacks(seen, callGraph) : undefined;
    advice.push(
      // The option that gives Java its names also fixes its stacks.
      jit && findRuntime(seen)?.stacks && callGraph?.method !== "dwarf" ? undefined : broken,
      jit,
      adviseOnPython(seen, callGraph),
      adviseOnSymbols(seen),
      adviseOnKernel(seen, event.samples),
    );
  }
  const found = advice.filter((one) => one !== undefined);
  const lost = recorded.stacks && describeLostCallers(recorded.stacks, callGraph);
  if (lost && !found.some(({ kind }) => kind === "broken stacks")) {
    found.push({ kind: "broken stacks", text: lost });
  }
  return found;
}

function adviseOnLost(
  { samples, lostSamples }: RecordingSummary,
  callGraph?: CallGraph,
): Advice | undefined {
  const share = (lostSamples ?? 0) / (samples + (lostSamples ?? 0) || 1);
  if (share < THRESHOLDS.lostShare) return undefined;
  const less = callGraph?.method === "dwarf"
    ? "take fewer with --frequency, or copy less of the stack, as with --call-graph dwarf,4096"
    : "take fewer with --frequency";
  return {
    kind: "lost",
    text: `${percent(share)} of the samples were lost, because perf could not keep up: ${less}`,
  };
}

function adviseOnNotUnderstood(stacks: StackProfile | undefined): Advice | undefined {
  const leftOut = stacks && describeLeftOut({ ...stacks, truncated: false });
  if (!leftOut) return undefined;
  return { kind: "not understood", text: `of perf script's text was left out: ${leftOut}` };
}

function adviseOnThrottled(
  { throttled, sampledSeconds }: RecordingSummary,
): Advice | undefined {
  if (!throttled || throttled < THRESHOLDS.throttledPerSecond * sampledSeconds) {
    return undefined;
  }
  return {
    kind: "throttled",
    text: `the kernel held sampling up ${throttled} times, because it took too much of the CPU: ` +
      "take fewer samples with --frequency",
  };
}

function adviseOnMissed({ missedProcesses }: RecordingSummary): Advice | undefined {
  if (!missedProcesses) return undefined;
  const [processes, are] = missedProcesses === 1 ? ["process", "is"] : ["processes", "are"];
  return {
    kind: "missed",
    text:
      `${missedProcesses} ${processes} that entered the container during the recording ${are} ` +
      "missing from the result: start them before it, or record again while they run",
  };
}

/** What is worth a warning of a CPU limit. */
export function adviseOnCpuLimit(cpuLimit?: CpuLimit, cpuUse?: CpuUse): Advice | undefined {
  switch (cpuLimit?.heldBackBy) {
    case "limit":
    case "pod limit":
      return { kind: "CPU limit", text: describeThrottling(cpuLimit) };
    case "node":
      return { kind: "busy node", text: describeBusyNode(cpuLimit) };
    case "unknown":
      return adviseOnUnknownLimit(cpuLimit, cpuLimit.usedCpus ?? cpuUse?.cpus);
  }
}

function describeThrottling(limit: CpuLimit): string {
  const { limitCpus, periods, throttledPeriods, throttledSeconds, elapsedSeconds } = limit;
  const used = limit.usedCpus === undefined || limit.isOfPod
    ? ""
    : `; it used ${limit.usedCpus.toFixed(2)} CPUs`;
  const isWide = throttledSeconds! > elapsedSeconds!;
  return `${nameLimit(limit)} of ${formatCpuQuantity(limitCpus!)} stopped the container in ` +
    `${throttledPeriods} of ${periods} periods (${percent(throttledPeriods! / periods!)}), for ` +
    `${formatTime(throttledSeconds!)}${isWide ? ", summed over processors," : ""} in ` +
    `${formatTime(elapsedSeconds!)}${used}. A limit of about ` +
    `${formatCpuQuantity(limit.enoughCpus!)} would have been enough`;
}

function describeBusyNode(limit: CpuLimit): string {
  const { limitCpus, requestCpus, waitedSeconds, delaySeconds, elapsedSeconds } = limit;
  const { throttledSeconds = 0 } = limit;
  const waited = waitedSeconds === undefined
    ? `for ${formatTime(delaySeconds!)} in ${formatTime(elapsedSeconds!)}, summed over threads,`
    : `for ${formatTime(waitedSeconds)} of ${formatTime(elapsedSeconds!)}`;
  const innocent = limitCpus === undefined
    ? "it has no CPU limit"
    : `${nameLimit(limit)} of ${formatCpuQuantity(limitCpus)} ${
      throttledSeconds >= THRESHOLDS.stoppedSeconds
        ? `stopped it for only ${formatTime(throttledSeconds)}`
        : "is not the cause"
    }`;
  const request = requestCpus === undefined
    ? "a CPU request, of which it has none,"
    : `a larger CPU request than ${formatCpuQuantity(requestCpus)}`;
  return `the node's processors were busy: ${waited} some thread of the container could have run ` +
    `and got none, and ${innocent}. With ${request} it gets more of them, or another node`;
}

function adviseOnUnknownLimit(limit: CpuLimit, usedCpus = 0): Advice | undefined {
  const { limitCpus, throttledPeriods, unknown } = limit;
  // It is known only that it was not used up.
  if (limitCpus === undefined || throttledPeriods !== undefined) return undefined;
  if (usedCpus < THRESHOLDS.limitShare * limitCpus) return undefined;
  return {
    kind: "CPU limit",
    text: `the container used about ${usedCpus.toFixed(2)} CPUs, and whether ` +
      `${nameLimit(limit)} of ${formatCpuQuantity(limitCpus)} stopped it is not known: ${unknown}`,
  };
}

function nameLimit({ isOfPod }: CpuLimit): string {
  return isOfPod ? "its pod's CPU limit" : "its CPU limit";
}

function formatTime(seconds: number): string {
  return formatDuration(Math.round(seconds * 10) / 10);
}

function adviseOnIdle(cpuUse?: CpuUse, cpuLimit?: CpuLimit): Advice | undefined {
  if (!cpuUse || cpuUse.cpus >= THRESHOLDS.idleCpus) return undefined;
  const heldBackBy = cpuLimit?.heldBackBy;
  // Then it was not idle.
  if (heldBackBy === "limit" || heldBackBy === "pod limit" || heldBackBy === "node") {
    return undefined;
  }
  const what = heldBackBy === "nothing"
    ? "a lock, a disk or an answer. Neither a CPU limit nor the node kept it from running: record"
    : "a lock, a disk, an answer or its turn on a CPU (limits, a full node); record";
  return {
    kind: "idle",
    text: `the target was mostly idle: it used about ${formatCpuUse(cpuUse)}. perf samples what ` +
      `runs, not what waits for ${what} while there is load`,
  };
}

/** Counts over an event's samples. */
interface Seen {
  /** With a frame in user space. */
  user: number;
  /** Of `user`, with one function at most that is in a file. */
  broken: number;
  /** Of `broken`, in a function that was made at run time. */
  brokenJit: number;
  /** Of `user`, with a function that was made at run time. */
  jit: number;
  /** Of `user`, with a function of Python's interpreter. */
  python: number;
  /** In the kernel. */
  kernel: number;
  /** Of `kernel`, without the kernel's names. */
  kernelNameless: number;
  /** Frames of functions made at run time, once for each sample they are in. */
  jitFrames: number;
  /** Of `jitFrames`, without a name. A runtime does not report all of its code. */
  jitNameless: number;
  /** Frames in files of user space, likewise. */
  frames: number;
  /** Of `frames`, without a name, by their files. */
  nameless: Map<string, number>;
  /** Whether Python reports the names of its functions. */
  hasPythonNames: boolean;
  /** Files of which something was seen. */
  files: Set<string>;
  /** The names of threads. */
  commands: Set<string>;
}

function look(frames: Frame[], stacks: StackProfile["events"][number]["stacks"]): Seen {
  const seen: Seen = {
    ...{ user: 0, broken: 0, brokenJit: 0, jit: 0, python: 0, kernel: 0, kernelNameless: 0 },
    ...{ jitFrames: 0, jitNameless: 0, frames: 0, nameless: new Map(), hasPythonNames: false },
    ...{ files: new Set(), commands: new Set() },
  };
  const facts = frames.map((frame) => ({
    kind: frameKind(frame),
    nameless: frame.symbol === "[unknown]",
    python: PYTHON_FILES.test(frame.dso),
    dso: frame.dso,
  }));
  for (const { symbol, dso } of frames) {
    seen.files.add(dso);
    seen.hasPythonNames ||= symbol.startsWith("py::");
  }
  for (const stack of stacks) {
    const { samples } = stack;
    seen.commands.add(stack.command);
    const on = Array.from(stack.frames, (frame) => facts[frame]);
    const inUser = on.filter(({ kind }) => kind !== "kernel");
    const inFiles = inUser.filter(({ kind }) => kind !== "unknown");
    const leaf = on.at(-1);
    if (leaf?.kind === "kernel") {
      seen.kernel += samples;
      if (leaf.nameless) seen.kernelNameless += samples;
    }
    if (inUser.length === 0) continue;
    seen.user += samples;
    if (inFiles.length <= 1) {
      seen.broken += samples;
      if (inFiles[0]?.kind === "jit") seen.brokenJit += samples;
    }
    if (inUser.some(({ kind }) => kind === "jit")) seen.jit += samples;
    if (inUser.some(({ python }) => python)) seen.python += samples;
    for (const { kind, nameless, dso } of inFiles) {
      if (kind === "jit") {
        seen.jitFrames += samples;
        if (nameless) seen.jitNameless += samples;
        continue;
      }
      seen.frames += samples;
      if (nameless) seen.nameless.set(dso, (seen.nameless.get(dso) ?? 0) + samples);
    }
  }
  return seen;
}

function isBroken(seen: Seen): boolean {
  return seen.user >= THRESHOLDS.samples && seen.broken / seen.user >= THRESHOLDS.brokenShare;
}

function adviseOnBrokenStacks(seen: Seen, callGraph?: CallGraph): Advice | undefined {
  const { method } = callGraph ?? { method: "fp" };
  if (method !== "fp" && method !== "dwarf" || !isBroken(seen)) return undefined;
  const isJit = seen.brokenJit > seen.broken / 2;
  return {
    kind: "broken stacks",
    text: `${percent(seen.broken / seen.user)} of the samples in user space are without their ` +
      `callers: ${method === "fp" ? whyWithout(seen, isJit) : whyWithoutTables(isJit)}`,
  };
}

/** Why frame pointers lead nowhere, and what to do. */
function whyWithout(seen: Seen, isJit: boolean): string {
  const { name = "the program", stacks = "see how it can be told to" } = findRuntime(seen) ?? {};
  return isJit
    ? `the code that ${name} makes at run time keeps no frame pointers: ${stacks}`
    : "the program, or a library it spends its time in, was compiled without frame pointers. Try " +
      "--call-graph dwarf, or compile with -fno-omit-frame-pointer";
}

/** Why `dwarf` leads nowhere, and what to do. */
function whyWithoutTables(isJit: boolean): string {
  return isJit
    ? "code that is made at run time has no table for --call-graph dwarf. Leave that out"
    : "the program has no table for --call-graph dwarf (.eh_frame_hdr). Leave that out for programs " +
      "in Go, which keep frame pointers; link static ones with -Wl,--eh-frame-hdr";
}

const PYTHON_FILES = /\/(libpython3[.\d]*\.so[.\d]*|python3[.\d]*)$/;

/** What makes code at run time. */
interface Runtime {
  name: string;
  /** A file of it. */
  files: RegExp;
  /** The thread name that identifies it when none of its own files is on a stack. */
  command: string;
  /** How it reports the names of that code. */
  names: string;
  /** How that code keeps frame pointers, where it does not by itself. */
  stacks?: string;
}

const RUNTIMES: Runtime[] = [
  {
    name: "Java",
    files: /\/libjvm\.so$/,
    command: "java",
    names:
      "run java with -XX:+PreserveFramePointer, and when it is warm, before you record, have " +
      "the names written: jcmd PID Compiler.perfmap (JDK 17 and later)",
    stacks: "run java with -XX:+PreserveFramePointer",
  },
  {
    name: "Node.js",
    files: /\/node$|\/libnode\.so/,
    command: "node",
    names: "run node with --perf-basic-prof",
  },
  {
    name: ".NET",
    files: /\/libcoreclr\.so$/,
    command: "dotnet",
    names: "run it with DOTNET_PerfMapEnabled=1",
  },
];

function findRuntime(seen: Seen): Runtime | undefined {
  const files = [...seen.files];
  return RUNTIMES.find((runtime) => files.some((file) => runtime.files.test(file))) ??
    RUNTIMES.find((runtime) => seen.commands.has(runtime.command));
}

function adviseOnJit(seen: Seen): Advice | undefined {
  const share = seen.jit / (seen.user || 1);
  const nameless = seen.jitNameless / (seen.jitFrames || 1);
  if (
    seen.user < THRESHOLDS.samples || share < THRESHOLDS.jitShare ||
    nameless < THRESHOLDS.namelessShare
  ) return undefined;
  const runtime = findRuntime(seen);
  return {
    kind: "JIT",
    text: `${percent(share)} of the samples in user space are in code that ` +
      `${runtime?.name ?? "the program"} made at run time, whose names perf does not know: ` +
      (runtime?.names ?? "have it write a perf map, /tmp/perf-PID.map"),
  };
}

function adviseOnPython(seen: Seen, callGraph?: CallGraph): Advice | undefined {
  const share = seen.python / (seen.user || 1);
  if (
    seen.user < THRESHOLDS.samples || share < THRESHOLDS.pythonShare || seen.hasPythonNames
  ) return undefined;
  const { method } = callGraph ?? { method: "fp" };
  return {
    kind: "Python",
    text: "the functions are those of Python's interpreter, not those of the program: " +
      "run python with -X perf (3.12 and later), and make the /tmp/perf-PID.map that it writes " +
      "readable for all" +
      (method === "fp" && isBroken(seen)
        ? ". This interpreter keeps no frame pointers: use --call-graph dwarf as well"
        : ""),
  };
}

function adviseOnSymbols(seen: Seen): Advice | undefined {
  const [[file, most] = ["", 0]] = [...seen.nameless].toSorted(([, a], [, b]) => b - a);
  const all = [...seen.nameless.values()].reduce((sum, count) => sum + count, 0);
  const share = all / (seen.frames || 1);
  if (seen.frames < THRESHOLDS.samples || share < THRESHOLDS.namelessShare) return undefined;
  return {
    kind: "no symbols",
    text: `${percent(share)} of the functions have no name, most of them in ${fileName(file)} ` +
      `(${percent(most / seen.frames)}): it has no symbols. Do not strip it (go build without ` +
      "-ldflags=-s, cargo with strip = false, no strip in the Dockerfile), or put the debug " +
      "symbols' package into the image",
  };
}

function adviseOnKernel(seen: Seen, samples: number): Advice | undefined {
  if (
    seen.kernel / samples < THRESHOLDS.kernelShare || seen.kernel < THRESHOLDS.samples / 2 ||
    seen.kernelNameless / seen.kernel < THRESHOLDS.namelessShare
  ) return undefined;
  return {
    kind: "kernel",
    text: `${percent(seen.kernel / samples)} of the samples are in the kernel, and perf may not ` +
      "read its names: the node's administrator sets kernel.kptr_restrict to 1 or 0, and gives " +
      "the daemon CAP_SYSLOG. --all-user leaves the kernel out",
  };
}

function percent(share: number): string {
  return share < 0.1 ? `${(share * 100).toFixed(1)}%` : `${Math.round(share * 100)}%`;
}
