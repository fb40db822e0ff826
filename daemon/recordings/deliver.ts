import { formatDuration } from "../../proto/duration.ts";
import type { PerfRecord, PerfScript } from "../perf/perf.ts";
import type { PerfDataCounter } from "../perf/perf_data.ts";
import { UserSideFilter } from "../perf/user_side_filter.ts";
import type { RecordingOptions } from "../recording.ts";
import { StatusError } from "../status_error.ts";
import type { ErrorGroup } from "./error_group.ts";
import { splitSamples } from "./split_samples.ts";

/** Where the result of a recording goes. */
export type ResultWriter = WritableStreamDefaultWriter<Uint8Array>;

/** perf.data on its way to the result. */
interface PerfDataSource {
  output: PerfRecord["output"];
  /** Is called with each chunk before that is used. */
  onChunk(chunk: Uint8Array): void;
}

/** Writes perf.data to the result as perf record writes it, or without the kernel's side. */
export async function deliverData(
  source: PerfDataSource,
  side: RecordingOptions["side"],
  writer: ResultWriter,
  group: ErrorGroup,
): Promise<void> {
  // The user's side alone is what callers get who may not see the kernel's.
  const filter = side === "user" ? new UserSideFilter() : undefined;
  await group.readThrough(source.output, (chunk) => {
    source.onChunk(chunk);
    return writer.write(filter ? filter.keep(chunk) : chunk);
  });
}

/** A perf script that converts, and what is known of the perf record before it. */
interface Conversion {
  script: PerfScript;
  callGraph: RecordingOptions["callGraph"];
  /** Counts the samples that perf script is given. */
  counter: PerfDataCounter;
  /** Resolves when it is sure whose processes are recorded: no text goes out before. */
  attached: Promise<void>;
  /** Takes what the caller may not see out of what perf script is given. */
  filter?: UserSideFilter;
}

/** Writes what `perf script` prints of perf.data to the result. */
export async function deliverText(
  source: PerfDataSource,
  { script, callGraph, counter, attached, filter }: Conversion,
  writer: ResultWriter,
  group: ErrorGroup,
): Promise<void> {
  const input = script.input.getWriter();
  let allFed = false;
  const fed = group.readThrough(source.output, async (chunk) => {
    source.onChunk(chunk);
    // When perf script goes away, its exit says why, not the broken pipe to it.
    await input.write(filter ? filter.keep(chunk) : chunk).catch(() => {});
  }).finally(() => {
    allFed = true;
    return input.close().catch(() => {});
  });
  const text = splitSamples(script.output, callGraph !== "none");
  let textBytes = 0;
  const written = group.readThrough(text, async (chunk) => {
    if (chunk.includes(0)) throw scriptFailure("its output is not text");
    textBytes += chunk.length;
    await attached;
    await writer.write(chunk);
  });
  const exited = script.exit.then(() => {
    if (!allFed) throw scriptFailure("it ended before its input did");
  });
  await Promise.all([fed, written, exited].map((part) => group.run(part)));
  if (textBytes === 0 && counter.samples > 0) {
    throw scriptFailure(`it printed nothing of ${counter.samples} samples`);
  }
}

/** perf script went on for so long after the sampling had ended that it was given up. */
export function conversionTimeout(seconds: number): StatusError {
  return scriptFailure(
    `it did not end in ${formatDuration(seconds)} after the sampling did, and was killed. Record ` +
      "for a shorter time, at a lower frequency, or without inlined functions",
  );
}

function scriptFailure(reason: string): StatusError {
  return new StatusError("INTERNAL", `perf script failed: ${reason}`);
}
