import { toFrame } from "../script/frame_line.ts";
import type { ParseOptions } from "../script/parse.ts";
import { createScriptReader, type ReadSample, type SampleHandler } from "../script/reader.ts";
import { type FrameKind, frameKind } from "../script/frame_kind.ts";
import type { Frame, ScriptSummary } from "../script/stack_profile.ts";
import { createThinnedNotes } from "../script/thinned_notes.ts";
import type { TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";
import { eventUnit, isCpuTime } from "./event_unit.ts";
import { Column } from "./column.ts";
import { fileName, frameName } from "./frame_name.ts";
import { joinWithCommas } from "./join_with_commas.ts";
import { NO_STACK, StackTree } from "./stack_tree.ts";
import { timeKindFrame } from "./time_kind.ts";

/**
 * The version of the format that is written: the first in which threads share their stacks,
 * functions and strings. The profiler upgrades older ones when it opens them; see
 * https://github.com/firefox-devtools/profiler/blob/main/docs-developer/CHANGELOG-formats.md
 */
const FORMAT_VERSION = 60;

/**
 * The profiler shows a function in the colour of its category. The first grey one is the default.
 * Those of threads that do not run are there where a text has such threads.
 */
const CATEGORIES: Record<Exclude<FrameKind, "inlined">, { name: string; color: string }> = {
  unknown: { name: "Unknown", color: "grey" },
  user: { name: "Program", color: "orange" },
  library: { name: "Library", color: "green" },
  kernel: { name: "Kernel", color: "blue" },
  jit: { name: "JIT", color: "purple" },
};
const CATEGORY_OF = Object.keys(CATEGORIES);
const KIND_CATEGORIES = {
  blocked: { name: "Blocked", color: "lightblue" },
  waiting: { name: "Waiting for a processor", color: "red" },
};

/** The units of what samples stand for: milliseconds where perf has nanoseconds. */
const WEIGHT_TYPES = { nanoseconds: "tracing-ms", bytes: "bytes", count: "samples" };
const WEIGHT_SCALES = { nanoseconds: 1e6, bytes: 1, count: 1 };

/** The profiler's number for the kind of resource that functions are in. */
const LIBRARY_RESOURCE = 1;

type KindOff = Exclude<TimeKind, "running">;

/**
 * The samples of one event in one thread, or of all that says what became of its time, in columns.
 */
interface Thread {
  /** Which of the texts that were put together it is of: each machine has its own clock. */
  part: number;
  pid: number;
  tid: number;
  command: string;
  event: string;
  /** The event in the thread's name. All kinds of threads' time share one. */
  label: string;
  timesSeconds: Column<Float64Array>;
  /** What each sample stands for, of an event that has a unit which the profiler knows. */
  periods?: Column<Float64Array>;
  /** Which samples are of the thread running; there when some are not. */
  running?: Column<Int32Array>;
  /** As the tree of stacks numbers them. */
  stacks: Column<Int32Array>;
  /** No sample is older than the one before it. */
  inOrder: boolean;
}

/** The samples of a text. */
interface Collector extends SampleHandler {
  tables: Tables;
  samples(): number;
  thinned(): Pick<ScriptSummary, "thinned">;
  threads(): Thread[];
  /** When the first sample of a thread's machine was taken, by that machine's clock. */
  startSeconds(thread: Thread): number;
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
  const collector = createCollector();
  const reader = createScriptReader(collector);
  for await (const chunk of input) reader.push(chunk);
  const summary = reader.finish();
  options?.onEnd?.({ samples: collector.samples(), ...summary, ...collector.thinned() });
  yield* profileText(collector, name);
}

/** Collects samples by their threads. */
function createCollector(): Collector {
  const tables = new Tables();
  const threads = new Map<string, Thread>();
  const events: string[] = [];
  const eventIds = new Map<string, number>();
  /** By machine, in the order of its samples: the earliest time. */
  const starts: number[] = [];
  /** By machine: the latest time. */
  const ends: number[] = [];
  const thinned = createThinnedNotes();
  let samples = 0;
  let hasOff = false;
  return {
    tables,
    samples: () => samples,
    thinned: thinned.found,
    note: thinned.add,
    threads() {
      const all = [...threads.values()];
      if (hasOff) { for (const thread of all) if (timeKind(thread.event)) thread.label = "time"; }
      return all;
    },
    startSeconds: ({ part }) => starts[part],
    frameId: (frame) => tables.frameId(toFrame(frame)),
    commandId: () => 0,
    eventId(event) {
      if (!eventIds.has(event)) eventIds.set(event, events.push(event) - 1);
      return eventIds.get(event)!;
    },
    sample(sample) {
      // Without processes' ids all is one process.
      const { thread: { command, pid = 0, tid = 0 }, eventId, part } = sample;
      const event = events[eventId];
      const kind = timeKind(event);
      // All of a thread's time is one line in the profiler, which has it add up.
      const key = `${part} ${pid} ${tid} ${kind === undefined ? eventId : "time"}`;
      let thread = threads.get(key);
      if (!thread) {
        thread = {
          ...{ part, pid, tid, command, event, label: event },
          timesSeconds: float64Column(),
          periods: eventUnit(event) === "count" ? undefined : float64Column(),
          stacks: new Column((length) => new Int32Array(length)),
          inOrder: true,
        };
        threads.set(key, thread);
      }
      // A thread gets its own name only after it has begun.
      thread.command = command;
      const { timesSeconds } = thread;
      const isOff = kind === "blocked" || kind === "waiting";
      if (isOff && !thread.running) {
        thread.running = new Column((length) => new Int32Array(length));
        for (let index = 0; index < timesSeconds.length; index++) thread.running.push(1);
        hasOff = true;
      }
      thread.running?.push(isOff ? 0 : 1);
      // Text without times: the samples in their order, as if one were taken each millisecond. The
      // sums that `perf record --off-cpu` writes at its end have none, either.
      const end = isNaN(sample.timeSeconds) ? ends[part] ?? samples / 1000 : sample.timeSeconds;
      if (!isNaN(sample.timeSeconds)) ends[part] = Math.max(ends[part] ?? -Infinity, end);
      // A wait that is reported at its end is placed in its middle: the profiler draws a sample
      // around its time.
      const time = isOff && !isNaN(sample.period) ? end - sample.period / 2e9 : end;
      if (timesSeconds.length > 0 && time < timesSeconds.at(timesSeconds.length - 1)) {
        thread.inOrder = false;
      }
      starts[part] = Math.min(starts[part] ?? Infinity, time);
      timesSeconds.push(time);
      if (isNaN(sample.period)) thread.periods = undefined;
      thread.periods?.push(sample.period);
      const stack = tables.stackOf(sample);
      thread.stacks.push(isOff ? tables.stackOfKind(stack, kind) : stack);
      samples++;
    },
  };
}

/** What threads share: stacks and functions. */
class Tables {
  readonly stacks = new StackTree();
  readonly frames: Frame[] = [];
  /** The functions that stand for what a thread does that does not run. */
  readonly kindFrames = new Map<KindOff, number>();
  readonly #frames = new Map<string, number>();

  /** The number of a sample's stack, which is in the reader's order: the leaf first. */
  stackOf({ frames, depth }: ReadSample): number {
    let stack = NO_STACK;
    for (let at = depth - 1; at >= 0; at--) stack = this.stacks.stackOf(stack, frames[at]);
    return stack;
  }

  /** A stack with what its thread did there on top of it. */
  stackOfKind(stack: number, kind: KindOff): number {
    let frame = this.kindFrames.get(kind);
    if (frame === undefined) {
      frame = this.frames.push({ symbol: timeKindFrame(kind), dso: "" }) - 1;
      this.kindFrames.set(kind, frame);
    }
    return this.stacks.stackOf(stack, frame);
  }

  frameId(frame: Frame): number {
    const key = `${frame.symbol}\n${frame.dso}${frame.kernel ? "\n" : ""}`;
    let id = this.#frames.get(key);
    if (id === undefined) {
      id = this.frames.push(frame) - 1;
      this.#frames.set(key, id);
    }
    return id;
  }
}

function* profileText(collector: Collector, name: string): Generator<string> {
  const threads = collector.threads();
  yield `{"meta":${JSON.stringify(metaOf(collector, threads, name))},"libs":[],"shared":{`;
  yield* sharedText(collector.tables);
  yield `},"threads":[`;
  const hasEvents = new Set(threads.map(({ label }) => label)).size > 1;
  const hasParts = new Set(threads.map(({ part }) => part)).size > 1;
  for (const [index, thread] of threads.entries()) {
    if (index > 0) yield ",";
    yield* threadText(thread, {
      startSeconds: collector.startSeconds(thread),
      hasEvents,
      hasParts,
      main: mainOf(thread, threads),
    });
  }
  yield "]}\n";
}

function metaOf({ tables }: Collector, threads: Thread[], name: string) {
  const categories = [
    ...Object.values(CATEGORIES),
    ...Array.from(tables.kindFrames.keys(), (kind) => KIND_CATEGORIES[kind]),
  ];
  return {
    version: 24,
    preprocessedProfileVersion: FORMAT_VERSION,
    product: name,
    importedFrom: "perf script",
    interval: intervalMilliseconds(threads),
    // perf's clock is not the time of day.
    startTime: 0,
    processType: 0,
    stackwalk: 1,
    symbolicated: true,
    symbolicationNotSupported: true,
    usesOnlyOneStackType: true,
    sourceCodeIsNotOnSearchfox: true,
    categories: categories.map((category) => ({
      ...category,
      subcategories: ["Other"],
    })),
    sampleUnits: { time: "ms", eventDelay: "ms", threadCPUDelta: "ns" },
    markerSchema: [],
  };
}

/**
 * How often was sampled: the middle one of the times between the busiest thread's first samples.
 */
function intervalMilliseconds(threads: Thread[]): number {
  const clocks = threads.filter(({ event }) => isCpuTime(event));
  const [busiest] = (clocks.length > 0 ? clocks : threads)
    .toSorted((a, b) => b.stacks.length - a.stacks.length);
  const length = Math.min(busiest?.timesSeconds.length ?? 0, INTERVAL_SAMPLES);
  const times = Float64Array.from({ length }, (_, index) => busiest.timesSeconds.at(index)).sort();
  const gaps = times.subarray(1).map((time, index) => time - times[index]).sort();
  return (gaps[gaps.length >> 1] || 0.001) * 1000;
}

function* sharedText({ stacks, frames, kindFrames }: Tables): Generator<string> {
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
  const ofKinds = new Map(Array.from(
    kindFrames.values(),
    (frame, index) => [frames[frame], CATEGORY_OF.length + index],
  ));
  const categoryOf = (frame: Frame) => {
    const ofKind = ofKinds.get(frame);
    if (ofKind !== undefined) return ofKind;
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
  yield* joinWithCommas(strings.keys(), JSON.stringify);
  yield "]";
}

/** Of the threads of a process with the same event, the one that the process began with. */
function mainOf({ part, pid, label }: Thread, threads: Thread[]): Thread {
  const ofProcess = threads.filter((other) =>
    other.part === part && other.pid === pid && other.label === label
  );
  return ofProcess.find(({ tid }) => tid === pid) ?? ofProcess[0];
}

function* threadText(
  thread: Thread,
  { startSeconds, hasEvents, hasParts, main }: {
    startSeconds: number;
    hasEvents: boolean;
    hasParts: boolean;
    main: Thread;
  },
): Generator<string> {
  const { part, command, event, label, timesSeconds, periods, running, stacks } = thread;
  // The profiler wants these to be different for different processes and threads.
  const unique = (id: number) =>
    [id, hasEvents && `(${label})`, hasParts && `of ${part + 1}`].filter(Boolean).join(" ");
  const milliseconds = (index: number) => (timesSeconds.at(index) - startSeconds) * 1000;
  const unit = eventUnit(event);
  const order = orderOf(thread);
  const [oldest] = order;
  const fields = {
    name: hasEvents ? `${command} (${label})` : command,
    isMainThread: thread === main,
    processName: main.command,
    processType: "default",
    processStartupTime: 0,
    processShutdownTime: null,
    registerTime: milliseconds(oldest),
    unregisterTime: null,
    pausedRanges: [],
    pid: unique(thread.pid),
    tid: hasEvents || hasParts ? unique(thread.tid) : thread.tid,
    markers: { data: [], name: [], startTime: [], endTime: [], phase: [], category: [], length: 0 },
  };
  yield `${JSON.stringify(fields).slice(0, -1)},"samples":`;
  yield* table(stacks.length, {
    stack: mapped(order, (index) => stacks.at(index) === NO_STACK ? null : stacks.at(index)),
    time: mapped(order, (index) => Number(milliseconds(index).toFixed(6))),
    // Without it, a thread that waits looks as busy as its next sample.
    ...periods && (isCpuTime(event) || running) && {
      threadCPUDelta: mapped(order, (index) => running?.at(index) === 0 ? 0 : periods.at(index)),
    },
    ...periods && { weight: mapped(order, (index) => periods.at(index) / WEIGHT_SCALES[unit]) },
  }, periods ? { weightType: WEIGHT_TYPES[unit] } : { weight: null, weightType: "samples" });
  yield "}";
}

/** The indices of a thread's samples, the oldest first. */
function orderOf({ timesSeconds, inOrder }: Thread): Iterable<number> {
  const { length } = timesSeconds;
  if (inOrder) return { [Symbol.iterator]: () => upTo(length) };
  // The text is of several perf scripts, one after the other.
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
    yield* joinWithCommas(values, String);
    yield "],";
  }
  yield `${JSON.stringify({ length, ...more }).slice(1)}`;
}

function* mapped<T, U>(values: Iterable<T>, map: (value: T) => U): Generator<U> {
  for (const value of values) yield map(value);
}
