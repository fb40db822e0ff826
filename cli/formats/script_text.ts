import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { CliError, ExitStatus } from "../errors.ts";
import type { LeftOut, ScriptSummary } from "../script/stack_profile.ts";
import { createTimeTextMaker, isSwitchText } from "../script/time_text.ts";
import { peek } from "./peek.ts";

/** With this a perf.data file begins, in the byte order of the machine; and its older form. */
const PERF_DATA = ["PERFILE2", "2ELIFREP", "PERFFILE"];
const GZIP = [0x1f, 0x8b];

/** Enough to have switches in it. */
const LOOKED_AT_BYTES = 64 * 1024;

/**
 * Opens what should be perf script's text, compressed with gzip or not. `name` is what errors call
 * it. A chunk is good until the next one is asked for. A text of switches becomes time text.
 *
 * Rejects with a `CliError` (exit status 2) for something else that is known by its first bytes;
 * what is returned rejects with one for compressed data that is damaged.
 */
export async function openScriptText(
  input: AsyncIterable<Uint8Array>,
  name: string,
): Promise<AsyncIterable<Uint8Array>> {
  const { start, whole } = await peek(input, PERF_DATA[0].length);
  if (start.length === 0) {
    throw new CliError(ExitStatus.USAGE, `${name} is empty: there is no perf script's text in it`);
  }
  if (GZIP.every((byte, index) => start[index] === byte)) {
    return openScriptText(gunzip(whole, name), `${name} (unpacked)`);
  }
  if (PERF_DATA.includes(new TextDecoder("latin1").decode(start))) {
    throw new CliError(
      ExitStatus.USAGE,
      `${name} is perf.data, not text: \`perf script -i ${name}\` makes text of it, on a machine ` +
        "that has the files that were profiled",
    );
  }
  return await openTimeText(whole);
}

/** Makes time text of a text of switches; any other is returned as it is. */
async function openTimeText(
  text: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  const { start, whole } = await peek(text, LOOKED_AT_BYTES);
  return isSwitchText(new TextDecoder().decode(start)) ? makeTimeText(whole) : whole;
}

async function* makeTimeText(
  text: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const maker = createTimeTextMaker();
  for await (const chunk of text) yield* maker.push(chunk);
  yield* maker.finish();
}

/**
 * Throws a `CliError` when there was no sample: exit status 2 for text that is not perf script's,
 * else 6.
 */
export function requireSamples({ samples, leftOut }: ScriptSummary, name: string): void {
  if (samples > 0) return;
  if (leftOut.length === 0) {
    throw new CliError(ExitStatus.RECORDING_FAILED, `${name} has no sample in it`);
  }
  throw new CliError(
    ExitStatus.USAGE,
    `${name} is not what \`perf script\` prints: none of it is a sample. Give the .perf.txt file ` +
      "that necoperf-client wrote, or the text of `perf script`",
  );
}

const LEFT_OUT: Record<LeftOut["kind"], string> = {
  "unknown line": "not understood",
  "stack without a sample": "of stacks without a sample",
  "too long": "longer than 64 KiB",
};

/**
 * What was left out of a text, for people: for example `3 lines not understood (first: line 12)`.
 */
export function describeLeftOut(
  { leftOut, truncated }: Pick<ScriptSummary, "leftOut" | "truncated">,
): string | undefined {
  const parts = leftOut.map(({ kind, lines, firstLine }) =>
    `${lines} ${lines === 1 ? "line" : "lines"} ${LEFT_OUT[kind]} (first: line ${firstLine})`
  );
  if (truncated) parts.push("the last sample, which is cut off");
  return parts.length > 0 ? parts.join(", ") : undefined;
}

async function* gunzip(
  input: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  // Unlike a DecompressionStream it reads all of several concatenated files. Iterating it
  // also throws its errors.
  const unpacked = pipeline(copied(input), createGunzip(), () => {});
  try {
    yield* unpacked;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith("Z_")) throw error;
    throw new CliError(
      ExitStatus.USAGE,
      `${name} cannot be unpacked, it is cut off or damaged: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The chunks in memory of their own: a stream may still have one when it asks for the next. */
async function* copied(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) yield chunk.slice();
}
