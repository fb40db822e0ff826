import { foldPerfScript } from "../script/fold.ts";
import { foldedLines } from "../script/folded.ts";
import type { ParseOptions } from "../script/parse.ts";
import type { ScriptSummary, StackProfile } from "../script/stack_profile.ts";
import type { ConvertedFormat } from "./converted_format.ts";
import { byteChunks, textChunks } from "./chunks.ts";
import { eventUnit, hasOwnDurations } from "./event_unit.ts";
import { firefoxText } from "./firefox.ts";
import { frameName } from "./frame_name.ts";
import { flameGraphOf, flameGraphPage } from "./flame_graph.ts";
import { pprofMessages } from "./pprof.ts";
import { openScriptText, requireSamples } from "./script_text.ts";
import { speedscopeText } from "./speedscope.ts";

/** Says which text is converted into what. */
export interface Conversion {
  /** What comes out. */
  format: ConvertedFormat;
  /** What the profile is called, where the format has such a thing. */
  title: string;
  /** What errors call the text: the name of its file. */
  inputName: string;
  /** Is told what there is to say of the text besides, when it was read. */
  onSummary?(summary: ScriptSummary): void;
}

/**
 * Converts perf script's text, compressed with gzip or not, as it comes.
 *
 * Throws a `CliError` for what is no such text (exit status 2) or has no sample (6).
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
    // What is not read to its end is told so, wherever it ended: somebody may wait to write.
    await source.return?.();
  }
}

async function* convertText(
  input: AsyncIterable<Uint8Array>,
  { format, title, inputName, onSummary }: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const text = await openScriptText(input, inputName);
  yield* WRITERS[format](text, title, (summary) => {
    requireSamples(summary, inputName);
    onSummary?.(summary);
  });
}

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Each format's writer: what it reads is perf script's text, and `onEnd` hears when that is read. */
const WRITERS: Record<
  ConvertedFormat,
  (text: AsyncIterable<Uint8Array>, title: string, onEnd: Required<ParseOptions>["onEnd"]) => Chunks
> = {
  folded: ofStacks((profile) => textChunks(foldedText(profile))),
  speedscope: ofStacks((profile, title) => textChunks(speedscopeText(profile, title))),
  pprof: ofStacks((profile) =>
    ReadableStream.from(byteChunks(pprofMessages(profile)))
      .pipeThrough(new CompressionStream("gzip"))
  ),
  flamegraph: ofStacks((profile, title) =>
    textChunks(flameGraphPage(flameGraphOf(profile, title)))
  ),
  firefox: (text, title, onEnd) => textChunks(firefoxText(text, title, { onEnd })),
};

/** A format that needs each different stack once. */
function ofStacks(
  write: (profile: StackProfile, title: string) => Chunks,
): typeof WRITERS[ConvertedFormat] {
  return async function* (text, title, onEnd) {
    const profile = await foldPerfScript(text);
    onEnd(profile);
    // Where one event is shown first, it is the one of which there is most to see.
    profile.events.sort((a, b) => b.samples - a.samples);
    yield* write(profile, title);
  };
}

/**
 * Folded stacks have one number and no unit: it is how many samples there are. Where samples stand
 * for times as different as they are, it is nanoseconds, of the events that count these.
 */
function foldedText(profile: StackProfile): Generator<string> {
  if (!profile.events.some(({ event }) => hasOwnDurations(event))) {
    return foldedLines(profile, { name: frameName });
  }
  const events = profile.events.filter(({ event }) => eventUnit(event) === "nanoseconds");
  return foldedLines({ ...profile, events }, { name: frameName, count: "weight" });
}
