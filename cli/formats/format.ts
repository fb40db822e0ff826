import { foldPerfScript } from "../script/fold.ts";
import { foldedLines } from "../script/folded.ts";
import type { ScriptSummary } from "../script/stack_profile.ts";
import type { ConvertedFormat } from "./converted_format.ts";
import { byteChunks, textChunks } from "./chunks.ts";
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
  { format, title, inputName }: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const source = input[Symbol.asyncIterator]();
  try {
    yield* convertText({ [Symbol.asyncIterator]: () => source }, { format, title, inputName });
  } finally {
    // What is not read to its end is told so, wherever it ended: somebody may wait to write.
    await source.return?.();
  }
}

async function* convertText(
  input: AsyncIterable<Uint8Array>,
  { format, title, inputName }: Conversion,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const text = await openScriptText(input, inputName);
  const onEnd = (summary: ScriptSummary) => requireSamples(summary, inputName);
  if (format === "firefox") return yield* textChunks(firefoxText(text, title, { onEnd }));
  const profile = await foldPerfScript(text);
  onEnd(profile);
  // Where one event is shown first, it is the one of which there is most to see.
  profile.events.sort((a, b) => b.samples - a.samples);
  if (format === "pprof") {
    const messages = ReadableStream.from(byteChunks(pprofMessages(profile)));
    return yield* messages.pipeThrough(new CompressionStream("gzip"));
  }
  if (format === "folded") return yield* textChunks(foldedLines(profile, { name: frameName }));
  if (format === "speedscope") return yield* textChunks(speedscopeText(profile, title));
  yield* textChunks(flameGraphPage(flameGraphOf(profile, title)));
}
