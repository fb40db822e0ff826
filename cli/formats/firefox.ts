import { type ParseOptions, parsePerfScript } from "../script/parse.ts";
import type { Sample } from "../script/sample.ts";
import { type FrameKind, frameKind } from "../script/frame_kind.ts";
import type { Frame } from "../script/stack_profile.ts";
import { isClockEvent } from "./clock_event.ts";
import { Column } from "./column.ts";
import { fileName, frameName } from "./frame_name.ts";
import { listed } from "./listed.ts";
import { NO_STACK, StackTree } from "./stack_tree.ts";

/**
 * The version of the format that is written: the first in which threads share their stacks,
 * functions and strings. The profiler upgrades older ones when it opens them; see
 * https://github.com/firefox-devtools/profiler/blob/main/docs-developer/CHANGELOG-formats.md
 */
const FORMAT_VERSION = 60;

/** The profiler shows a function in the colour of its category. The first grey one is the default. */
const CATEGORIES: Record<Exclude<FrameKind, "inlined">, { name: string; color: string }> = {
  unknown: { name: "Unknown", color: "grey" },
  user: { name: "Program", color: "orange" },
  library: { name: "Library", color: "green" },
  kernel: { name: "Kernel", color: "blue" },
  jit: { name: "JIT", color: "purple" },
};
const CATEGORY_OF = Object.keys(CATEGORIES);

/** What the profiler calls the kind of a thing that functions are in. */
const LIBRARY_RESOURCE = 1;

/** The samples of one event in one thread, in columns. */
interface Thread {
  pid: number;
  tid: number;
  command: string;
  event: string;
  timesSeconds: Column<Float64Array>;
  /** Of an event that is a clock: the CPU's time that each sample stands for. */
  cpuNanoseconds?: Column<Float64Array>;
  /** As the tree of stacks numbers them. */
  stacks: Column<Int32Array>;
  /** No sample is older than the one before it. */
  inOrder: boolean;
}

const float64Column = () => new Column((length) => new Float64Array(length));

/** The interval is told by so many samples at most. */
const INTERVAL_SAMPLES = 100_000;

/**
 * Writes perf script's text for https://profiler.firefox.com, in its processed format: the threads,
 * with what each ran at which time. Its memory grows by a few bytes with each sample, besides the
 * different stacks.
 *
 * The format is of https://github.com/firefox-devtools/profiler/blob/main/src/types/profile.ts
 */
export async function* firefoxText(
  input: AsyncIterable<Uint8Array>,
  name: string,
  options?: ParseOptions,
): AsyncGenerator<string> {
  const tables = new Tables();
  const threads = new Map<string, Thread>();
  let samples = 0;
  for await (const sample of parsePerfScript(input, options)) {
    // Without processes' ids all is one process.
    const { command, pid = 0, tid = 0, event, period = 0 } = sample;
    const key = `${pid} ${tid} ${event}`;
    let thread = threads.get(key);
    if (!thread) {
      thread = {
        ...{ pid, tid, command, event },
        timesSeconds: float64Column(),
        cpuNanoseconds: isClockEvent(event) ? float64Column() : undefined,
        stacks: new Column((length) => new Int32Array(length)),
        inOrder: true,
      };
      threads.set(key, thread);
    }
    // A thread gets its own name only after it has begun.
    thread.command = command;
    // Text without times: the samples in their order, as if one were taken each millisecond.
    const { timesSeconds } = thread;
    const time = sample.timeSeconds ?? samples / 1000;
    if (timesSeconds.length > 0 && time < timesSeconds.at(timesSeconds.length - 1)) {
      thread.inOrder = false;
    }
    timesSeconds.push(time);
    thread.cpuNanoseconds?.push(period);
    thread.stacks.push(tables.stackOf(sample));
    samples++;
  }
  yield* profileText([...threads.values()], tables, name);
}

/** What threads share: stacks and functions. */
class Tables {
  readonly stacks = new StackTree();
  readonly frames: Frame[] = [];
  readonly #frames = new Map<string, number>();

  stackOf({ frames }: Sample): number {
    let stack = NO_STACK;
    for (let i = frames.length - 1; i >= 0; i--) {
      stack = this.stacks.stackOf(stack, this.#frameOf(frames[i]));
    }
    return stack;
  }

  #frameOf({ symbol, dso }: Frame): number {
    const key = `${symbol}\n${dso}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = this.frames.push({ symbol, dso }) - 1;
      this.#frames.set(key, frame);
    }
    return frame;
  }
}

function* profileText(threads: Thread[], tables: Tables, name: string): Generator<string> {
  let startSeconds = Infinity;
  for (const { timesSeconds } of threads) {
    for (const time of timesSeconds) startSeconds = Math.min(startSeconds, time);
  }
  yield `{"meta":${JSON.stringify(metaOf(threads, name))},"libs":[],"shared":{`;
  yield* sharedText(tables);
  yield `},"threads":[`;
  const hasEvents = new Set(threads.map(({ event }) => event)).size > 1;
  for (const [index, thread] of threads.entries()) {
    if (index > 0) yield ",";
    yield* threadText(thread, { startSeconds, hasEvents, main: mainOf(thread, threads) });
  }
  yield "]}\n";
}

function metaOf(threads: Thread[], name: string) {
  return {
    version: 24,
    preprocessedProfileVersion: FORMAT_VERSION,
    product: name,
    importedFrom: "perf script",
    interval: intervalMilliseconds(threads),
    // perf's clock does not tell the time of day.
    startTime: 0,
    processType: 0,
    stackwalk: 1,
    symbolicated: true,
    symbolicationNotSupported: true,
    usesOnlyOneStackType: true,
    sourceCodeIsNotOnSearchfox: true,
    categories: Object.values(CATEGORIES).map((category) => ({
      ...category,
      subcategories: ["Other"],
    })),
    sampleUnits: { time: "ms", eventDelay: "ms", threadCPUDelta: "ns" },
    markerSchema: [],
  };
}

/** How often was sampled: the middle one of the times between the busiest thread's first samples. */
function intervalMilliseconds(threads: Thread[]): number {
  const clocks = threads.filter(({ event }) => isClockEvent(event));
  const [busiest] = (clocks.length > 0 ? clocks : threads)
    .toSorted((a, b) => b.stacks.length - a.stacks.length);
  const length = Math.min(busiest?.timesSeconds.length ?? 0, INTERVAL_SAMPLES);
  const times = Float64Array.from({ length }, (_, index) => busiest.timesSeconds.at(index)).sort();
  const gaps = times.subarray(1).map((time, index) => time - times[index]).sort();
  return (gaps[gaps.length >> 1] || 0.001) * 1000;
}

function* sharedText({ stacks, frames }: Tables): Generator<string> {
  const strings = new Map<string, number>();
  const string = (text: string) => {
    if (!strings.has(text)) strings.set(text, strings.size);
    return strings.get(text)!;
  };
  const files = new Map<string, number>();
  const resourceOf = ({ dso }: Frame) => {
    if (dso === "" || dso === "inlined" || dso === "[unknown]") return -1;
    if (!files.has(dso)) files.set(dso, files.size);
    return files.get(dso)!;
  };
  const categoryOf = (frame: Frame) => {
    const category = CATEGORY_OF.indexOf(frameKind(frame));
    // An inlined function is where its caller is: the profiler takes that for null.
    return category === -1 ? null : category;
  };
  const nulls = frames.map(() => null);
  const zeros = frames.map(() => 0);

  yield `"stackTable":`;
  yield* table(stacks.frames.length, {
    frame: stacks.frames,
    prefix: mapped(stacks.prefixes, (prefix) => prefix === NO_STACK ? null : prefix),
  });
  yield `,"frameTable":`;
  yield* table(frames.length, {
    address: frames.map(() => -1),
    inlineDepth: zeros,
    category: frames.map(categoryOf),
    subcategory: zeros,
    func: frames.keys(),
    nativeSymbol: nulls,
    innerWindowID: zeros,
    line: nulls,
    column: nulls,
  });
  yield `,"funcTable":`;
  yield* table(frames.length, {
    name: frames.map((frame) => string(frameName(frame))),
    isJS: frames.map(() => false),
    relevantForJS: frames.map(() => false),
    resource: frames.map(resourceOf),
    source: nulls,
    lineNumber: nulls,
    columnNumber: nulls,
  });
  yield `,"resourceTable":`;
  const paths = [...files.keys()];
  yield* table(paths.length, {
    lib: paths.map(() => null),
    name: paths.map((path) => string(fileName(path))),
    host: paths.map(() => null),
    type: paths.map(() => LIBRARY_RESOURCE),
  });
  yield `,"nativeSymbols":`;
  yield* table(0, { libIndex: [], address: [], name: [], functionSize: [] });
  yield `,"sources":`;
  yield* table(0, { uuid: [], filename: [] });
  yield `,"stringArray":[`;
  yield* listed(strings.keys(), JSON.stringify);
  yield "]";
}

/** Of the threads of a process with the same event, the one that the process began with. */
function mainOf({ pid, event }: Thread, threads: Thread[]): Thread {
  const ofProcess = threads.filter((other) => other.pid === pid && other.event === event);
  return ofProcess.find(({ tid }) => tid === pid) ?? ofProcess[0];
}

function* threadText(
  thread: Thread,
  { startSeconds, hasEvents, main }: { startSeconds: number; hasEvents: boolean; main: Thread },
): Generator<string> {
  const { pid, tid, command, event, timesSeconds, cpuNanoseconds, stacks } = thread;
  const milliseconds = (index: number) => (timesSeconds.at(index) - startSeconds) * 1000;
  const order = orderOf(thread);
  const [oldest] = order;
  const fields = {
    name: hasEvents ? `${command} (${event})` : command,
    isMainThread: thread === main,
    processName: main.command,
    processType: "default",
    processStartupTime: 0,
    processShutdownTime: null,
    registerTime: milliseconds(oldest),
    unregisterTime: null,
    pausedRanges: [],
    // The profiler wants these to be different for different processes and threads.
    pid: hasEvents ? `${pid} (${event})` : `${pid}`,
    tid: hasEvents ? `${tid} (${event})` : tid,
    markers: { data: [], name: [], startTime: [], endTime: [], phase: [], category: [], length: 0 },
  };
  yield `${JSON.stringify(fields).slice(0, -1)},"samples":`;
  yield* table(stacks.length, {
    stack: mapped(order, (index) => stacks.at(index) === NO_STACK ? null : stacks.at(index)),
    time: mapped(order, (index) => Number(milliseconds(index).toFixed(6))),
    // Without it, a thread that waits looks as busy as its next sample.
    ...cpuNanoseconds && { threadCPUDelta: mapped(order, (index) => cpuNanoseconds.at(index)) },
  }, { weight: null, weightType: "samples" });
  yield "}";
}

/** The indices of a thread's samples, the oldest first. */
function orderOf({ timesSeconds, inOrder }: Thread): Iterable<number> {
  const { length } = timesSeconds;
  if (inOrder) return { [Symbol.iterator]: () => upTo(length) };
  // The text is of several perf scripts, one behind the other.
  // Made by `from`, it would be a far larger array of another kind first.
  const order = new Uint32Array(length);
  for (let index = 0; index < length; index++) order[index] = index;
  return order.sort((a, b) => timesSeconds.at(a) - timesSeconds.at(b));
}

function* upTo(length: number): Generator<number> {
  for (let index = 0; index < length; index++) yield index;
}

/** Writes a table as the profiler has them: an object of columns. */
function* table(
  length: number,
  columns: Record<string, Iterable<number | boolean | null>>,
  more: Record<string, unknown> = {},
): Generator<string> {
  yield "{";
  for (const [name, values] of Object.entries(columns)) {
    yield `"${name}":[`;
    yield* listed(values, String);
    yield "],";
  }
  yield `${JSON.stringify({ length, ...more }).slice(1)}`;
}

function* mapped<T, U>(values: Iterable<T>, map: (value: T) => U): Generator<U> {
  for (const value of values) yield map(value);
}
