import { parseFrame, parseHeader, type Sample } from "./sample.ts";
import { createScanner, SCAN_BYTES } from "./scan.ts";
import type { ScriptSummary } from "./stack_profile.ts";

/** What {@linkcode parsePerfScript} is asked for besides the samples. */
export interface ParseOptions {
  /** Is told, behind the last sample, what there is to say of the whole text. */
  onEnd?(summary: ScriptSummary): void;
}

/**
 * Reads what `perf script` printed, sample by sample, in the memory of a few of them.
 *
 * Whatever the text is, it does not throw: what it does not know it skips and counts, bytes that
 * are no UTF-8 are replaced, and a sample that is cut off at the end is left out. It rejects only
 * as `input` does. To count stacks, `foldPerfScript` is many times faster.
 *
 * ```ts
 * import { parsePerfScript } from "@necoperf/necoperf";
 * import { strictEqual } from "node:assert";
 *
 * const text = "web 7/7 [001] 12.5: 10101 cycles: \n\t 55d0 main+0x10 (/bin/web)\n\n";
 * for await (const { command, frames } of parsePerfScript(new Blob([text]).stream())) {
 *   strictEqual(`${command} ${frames[0].symbol}`, "web main");
 * }
 * ```
 */
export async function* parsePerfScript(
  input: AsyncIterable<Uint8Array>,
  options: ParseOptions = {},
): AsyncGenerator<Sample, void, void> {
  const decoder = new TextDecoder();
  let samples = 0;
  let open: Sample | undefined;
  let done: Sample[] = [];
  const endSample = () => {
    if (!open) return;
    done.push(open);
    samples++;
    open = undefined;
  };
  const buffer = new Uint8Array(SCAN_BYTES);
  const scanner = createScanner(buffer, {
    header(start, end, strict) {
      const sample = parseHeader(decoder.decode(buffer.subarray(start, end)), strict);
      if (!sample) return "unknown";
      endSample();
      if (isOtherRecord(sample.event)) return "record";
      open = sample;
      if (sample.frames.length === 0) return "sample";
      endSample();
      return "whole sample";
    },
    frame(start, end) {
      const frame = parseFrame(decoder.decode(buffer.subarray(start, end)));
      if (!frame) return false;
      open ??= { command: "", event: "", frames: [] };
      open.frames.push(frame);
      return true;
    },
    end: endSample,
  });
  for await (const chunk of input) {
    scanner.push(chunk);
    yield* done;
    done = [];
  }
  const { skippedLines, truncated } = scanner.finish();
  yield* done;
  options.onEnd?.({ samples, skippedLines, truncated });
}

/** `perf script --show-mmap-events` and its likes tell of more than samples. */
export function isOtherRecord(event: string): boolean {
  return event.startsWith("PERF_RECORD_");
}
