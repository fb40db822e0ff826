import { foldPerfScript } from "../script/fold.ts";
import { foldedLines } from "../script/folded.ts";
import type { ParseOptions } from "../script/parse.ts";
import type { EventProfile, ScriptSummary, StackProfile } from "../script/stack_profile.ts";
import { timeKind } from "../script/time_kind.ts";
import type { ConvertedFormat } from "./converted_format.ts";
import { byteChunks, textChunks } from "./chunks.ts";
import { eventUnit, hasOwnDurations } from "./event_unit.ts";
import { firefoxText } from "./firefox.ts";
import { frameName } from "./frame_name.ts";
import { flameGraphOf, flameGraphPage } from "./flame_graph.ts";
import { pprofMessages } from "./pprof.ts";
import { openScriptText, requireSamples } from "./script_text.ts";
import { speedscopeText } from "./speedscope.ts";
import { hasWaiting, TIME_KINDS, timeKindFrame } from "./time_kind.ts";

/** Says which text is converted into what. */
export interface Conversion {
  /** What comes out. */
  format: ConvertedFormat;
  /** The name of the profile, where the format has one. */
  title: string;
  /** What errors call the text: the name of its file. */
  inputName: string;
  /** Counts no thread as idle, in a flame graph of threads' time. Default: false. */
  idle?: boolean;
  /** Is told what there is to say of the text besides, when it was read. */
  onSummary?(summary: ScriptSummary): void;
  /** Lines for the page of a flame graph; asked for when the text was read. */
  notes?(): string[];
}

/**
 * Converts perf script's text, compressed with gzip or not, as it comes.
 *
 * Throws a `CliError` for other text (exit status 2) and for text without a sample (6).
 *
 * ```ts
 * import { convertScript } from "@necoperf/necoperf";
 * import { strictEqual } from "node:assert";
 *
 * const text = "web 7/7 12.5: 10101 cycles: \n\t55d0 work+0x10 (/web)\n\t55f0 main+0x8 (/web)\n\n";
 * const folded = convertScript(new Blob([text]).stream(), {
 *   format: "folded",
 *   title: "web",
 *   inputName: "the text",
 * });
 * strictEqual(await new Response(ReadableStream.from(folded)).text(), "web;main;work 1\n");
 * ```
 */
export async function* convertScript(
  input: AsyncIterable<Uint8Array>,
  conversion: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const source = input[Symbol.asyncIterator]();
  try {
    yield* convertText({ [Symbol.asyncIterator]: () => source }, conversion);
  } finally {
    // An input that is not read to its end is cancelled: its writer may be waiting.
    await source.return?.();
  }
}

async function* convertText(
  input: AsyncIterable<Uint8Array>,
  { format, title, inputName, idle, onSummary, notes }: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const text = await openScriptText(input, inputName);
  yield* WRITERS[format](text, {
    title,
    idle,
    notes,
    onEnd(summary) {
      requireSamples(summary, inputName);
      onSummary?.(summary);
    },
  });
}

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

type WriteOptions = Pick<Conversion, "title" | "idle" | "notes"> & Required<ParseOptions>;

/**
 * Each format's writer: what it reads is perf script's text, and `onEnd` hears when that is read.
 */
const WRITERS: Record<
  ConvertedFormat,
  (text: AsyncIterable<Uint8Array>, options: WriteOptions) => Chunks
> = {
  folded: ofStacks((profile) => textChunks(foldedText(profile))),
  speedscope: ofStacks((profile, title) => textChunks(speedscopeText(profile, title))),
  pprof: ofStacks((profile) =>
    ReadableStream.from(byteChunks(pprofMessages(profile)))
      .pipeThrough(new CompressionStream("gzip"))
  ),
  flamegraph: ofStacks((profile, title, notes) => {
    const graph = flameGraphOf(profile, title);
    return textChunks(flameGraphPage({ ...graph, notes: [...graph.notes ?? [], ...notes] }));
  }),
  firefox: (text, { title, onEnd }) => textChunks(firefoxText(text, title, { onEnd })),
};

/** A format that needs each different stack once. */
function ofStacks(
  write: (profile: StackProfile, title: string, notes: string[]) => Chunks,
): typeof WRITERS[ConvertedFormat] {
  return async function* (text, { title, idle, notes, onEnd }) {
    const profile = await foldPerfScript(text, { idle });
    onEnd(profile);
    profile.events.sort(compareEvents(profile.events));
    yield* write(profile, title, notes?.() ?? []);
  };
}

/**
 * Where one event is shown first, it is the one of which there is most to see. The kinds of
 * threads' time have an order of their own, since how often one was looked at says nothing of how
 * long it took.
 */
function compareEvents(events: EventProfile[]): (a: EventProfile, b: EventProfile) => number {
  const isTime = hasWaiting(events);
  const rankOf = ({ event }: EventProfile) => {
    const kind = isTime ? timeKind(event) : undefined;
    return kind === undefined ? TIME_KINDS.length : TIME_KINDS.indexOf(kind);
  };
  return (a, b) => rankOf(a) - rankOf(b) || b.samples - a.samples;
}

/**
 * Folded stacks have one number and no unit: it is how many samples there are. Where samples stand
 * for times as different as they are, it is nanoseconds, of the events that count these. Where that
 * is the time of threads of more than one kind, a function on top of a stack says which kind it is,
 * unless the thread was running.
 */
function foldedText(profile: StackProfile): Generator<string> {
  if (!profile.events.some(({ event }) => hasOwnDurations(event))) {
    return foldedLines(profile, { name: frameName });
  }
  const events = profile.events.filter(({ event }) => eventUnit(event) === "nanoseconds");
  const kinds = new Set(events.map(({ event }) => timeKind(event)));
  const named = kinds.size > 1 ? withKindFrames({ ...profile, events }) : { ...profile, events };
  return foldedLines(named, { name: frameName, count: "weight" });
}

/** Puts what a thread did there on top of each stack that it did not run on. */
function withKindFrames(profile: StackProfile): StackProfile {
  const frames = [...profile.frames];
  const events = profile.events.map((each) => {
    const kind = timeKind(each.event);
    if (kind === undefined || kind === "running") return each;
    const top = frames.push({ symbol: timeKindFrame(kind), dso: "" }) - 1;
    const stacks = each.stacks.map((stack) => ({
      ...stack,
      frames: Uint32Array.of(...stack.frames, top),
    }));
    return { ...each, stacks };
  });
  return { ...profile, frames, events };
}
