import { createScriptReader } from "./reader.ts";
import type { Sample, SampleFrame } from "./sample.ts";
import type { ScriptSummary } from "./stack_profile.ts";
import { createThinnedNotes } from "./thinned_notes.ts";

/** What {@linkcode parsePerfScript} is asked for besides the samples. */
export interface ParseOptions {
  /** Receives, after the last sample, what concerns the whole text. */
  onEnd?(summary: ScriptSummary): void;
}

/**
 * Reads what `perf script` printed, sample by sample, in the memory of a few of them. Samples share
 * the lines of their stacks.
 *
 * Whatever the text is, it does not throw: what it does not know it skips and counts, bytes that
 * are not UTF-8 are replaced, and a sample that is cut off at the end is left out. It rejects only
 * as `input` does. To count stacks, `foldPerfScript` is faster.
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
  let samples = 0;
  let done: Sample[] = [];
  let knownFrames: SampleFrame[] = [];
  const events: string[] = [];
  const eventIds = new Map<string, number>();
  const thinned = createThinnedNotes();
  const reader = createScriptReader({
    frameId: (frame) => knownFrames.push(frame) - 1,
    commandId: () => 0,
    note: thinned.add,
    eventId(event) {
      if (!eventIds.has(event)) eventIds.set(event, events.push(event) - 1);
      return eventIds.get(event)!;
    },
    sample({ thread, timeSeconds, period, eventId, frames, depth }) {
      samples++;
      done.push({
        ...thread,
        timeSeconds: isNaN(timeSeconds) ? undefined : timeSeconds,
        period: isNaN(period) ? undefined : period,
        event: events[eventId],
        frames: Array.from({ length: depth }, (_, index) => knownFrames[frames[index]]),
      });
    },
    forgetFrames: () => knownFrames = [],
  });
  for await (const chunk of input) {
    reader.push(chunk);
    yield* done;
    done = [];
  }
  const summary = reader.finish();
  yield* done;
  options.onEnd?.({ samples, ...summary, ...thinned.found() });
}
