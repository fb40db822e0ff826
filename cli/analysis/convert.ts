import { basename, dirname } from "node:path";
import { CliError, ExitStatus, interrupted } from "../errors.ts";
import { CONVERTED_FORMATS, type ConvertedFormat } from "../formats/converted_format.ts";
import { convertScript } from "../formats/format.ts";
import { openFileOutput, openStandardOutput, type Output } from "../client/output/output.ts";
import { describeLeftOut } from "../formats/script_text.ts";
import { readPieces } from "../script/read_pieces.ts";
import type { ScriptSummary } from "../script/stack_profile.ts";
import { THINNED } from "../script/time_events.ts";

/** What to convert, to what, and where that goes. */
interface Conversion {
  /** A file with perf script's text, compressed with gzip or not; `-` for standard input. */
  input: string;
  format: ConvertedFormat;
  /** A directory that is there, or a file that is not; `-` for standard output. */
  output: string;
  /** Counts no thread as idle, in a flame graph of threads' time. Default: false. */
  idle?: boolean;
}

/**
 * Converts perf script's text to a format for viewing, as it is read. Returns the path of the
 * result, if it has one. `warn` is told what of the text was left out.
 *
 * Rejects with a `CliError`, and leaves no file: the input cannot be read or is something else, the
 * output is there already or cannot be written (exit status 2), there is no sample (6), or the user
 * gave up by `signal` (130).
 */
export async function convertFile(
  { input, format, output: path, idle }: Conversion,
  signal?: AbortSignal,
  warn?: (text: string) => void,
): Promise<string | undefined> {
  const stem = input === "-" ? "stdin" : basename(input).replace(/(\.perf)?(\.txt)?(\.gz)?$/, "");
  const output = await openConvertedOutput(path, stem, CONVERTED_FORMATS[format]);
  try {
    const text = await openText(input, signal);
    const inputName = input === "-" ? "standard input" : input;
    const onSummary = (summary: ScriptSummary) => {
      const leftOut = describeLeftOut(summary);
      if (leftOut) warn?.(`${inputName}: left out ${leftOut}`);
      for (const sentence of summary.thinned ?? []) warn?.(`${inputName}: ${THINNED}${sentence}`);
    };
    const conversion = { format, title: stem, inputName, idle, onSummary };
    for await (const chunk of convertScript(text, conversion)) await output.write(chunk);
    return await output.commit();
  } catch (error) {
    await output.discard();
    throw signal?.aborted ? interrupted() : error;
  }
}

/** Opens a new file; in a directory, when the path is one, under the input's name. */
export async function openConvertedOutput(
  path: string,
  stem: string,
  extension: string,
): Promise<Output> {
  if (path === "-") return openStandardOutput();
  const status = await Deno.stat(path).catch(() => undefined);
  if (status?.isDirectory || path.endsWith("/")) {
    return await openFileOutput(path, { stem, extension, form: "plain" });
  }
  if (status) {
    throw new CliError(ExitStatus.USAGE, `${path} exists already; nothing is overwritten`);
  }
  return await openFileOutput(dirname(path), {
    stem: basename(path),
    extension: "",
    form: "exact",
  });
}

/**
 * Opens a file to be read, or standard input for `-`. Reading fails when `signal` aborts. A
 * chunk is valid until the next one is requested. Rejects with a `CliError` (exit status
 * 2) that names the file and the cause.
 */
export async function openText(
  path: string,
  signal?: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  if (path === "-") return untilAborted(Deno.stdin.readable, signal);
  try {
    const { isFile, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new Error("it is a directory");
    const file = await Deno.open(path);
    return isFile ? piecesOf(file, signal) : untilAborted(file.readable, signal);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "you may not read it"
      : (error as Error).message;
    throw new CliError(ExitStatus.USAGE, `cannot read ${path}: ${reason}`, { cause: error });
  }
}

/** Waits for what may never come until the signal aborts. */
function untilAborted(
  readable: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): ReadableStream<Uint8Array> {
  return signal ? readable.pipeThrough(new TransformStream(), { signal }) : readable;
}

async function* piecesOf(file: Deno.FsFile, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  using opened = file;
  for await (const piece of readPieces(opened)) {
    signal?.throwIfAborted();
    yield piece;
  }
}
