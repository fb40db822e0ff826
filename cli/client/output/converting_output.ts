import { CONVERTED_FORMATS } from "../../formats/converted_format.ts";
import { type Conversion, convertScript } from "../../formats/format.ts";
import { openOutput, type Output } from "./output.ts";

/** The name of a result's file, and the conversion on the way there. */
interface ResultOptions {
  /** The start of the file's name. */
  stem: string;
  /** What was recorded. Default: `script`. */
  format?: "script" | "data";
  /** The format to convert perf script's text to. Default: none. */
  convertTo?: Conversion["format"];
  /** As a conversion takes it. */
  idle?: boolean;
  /** As a conversion takes them: asked for when the result is committed. */
  notes?: Conversion["notes"];
}

/** Opens where a result goes, a directory or `-` for standard output, as `openOutput` does. */
export async function openResultOutput(
  directory: string,
  { stem, format, convertTo, idle, notes }: ResultOptions,
): Promise<Output> {
  if (convertTo === undefined) {
    return await openOutput(directory, {
      stem,
      extension: format === "data" ? ".perf.data" : ".perf.txt",
    });
  }
  const output = await openOutput(directory, { stem, extension: CONVERTED_FORMATS[convertTo] });
  return convertingOutput(output, {
    ...{ format: convertTo, title: stem, inputName: "the result", idle, notes },
  });
}

/** An output that converts perf script's text while it arrives. */
function convertingOutput(output: Output, conversion: Conversion): Output {
  let text: WritableStreamDefaultWriter<Uint8Array> | undefined;
  let converted: Promise<void> | undefined;
  const start = () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    text = writable.getWriter();
    converted = writeTo(output, convertScript(readable, conversion));
    // Writing and committing report the failure.
    converted.catch(() => {});
  };
  const stop = async () => {
    await text?.abort().catch(() => {});
    await converted?.catch(() => {});
  };
  return {
    ...output,
    async begin(recordingId) {
      await stop();
      start();
      return await output.begin(recordingId);
    },
    async write(bytes) {
      try {
        await text!.write(bytes);
      } catch (error) {
        await converted;
        throw error;
      }
    },
    async commit() {
      await text!.close().catch(() => {});
      await converted;
      return await output.commit();
    },
    async suspend() {
      await stop();
      await output.suspend();
    },
    async discard() {
      await stop();
      await output.discard();
    },
  };
}

async function writeTo(output: Output, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) await output.write(chunk);
}
