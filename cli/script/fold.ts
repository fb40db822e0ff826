import { createKnownText } from "./known_text.ts";
import { isOtherRecord } from "./parse.ts";
import { parseFrame, parseHeader, parseOnlyFrame, toFrame } from "./sample.ts";
import { createScanner, type LineMeaning } from "./scan.ts";
import { createStackCounter } from "./stack_counter.ts";
import type { StackProfile } from "./stack_profile.ts";

const OTHER_RECORD = -1;
const NO_FRAME = -1;
const RETURN = 0x0d;

/**
 * Counts the stacks of what `perf script` printed. Its memory grows with the number of different
 * stacks, and not with the number of samples.
 *
 * Whatever the text is, it does not throw; see {@linkcode StackProfile.skippedLines} and
 * {@linkcode StackProfile.truncated}. It rejects only as `input` does.
 *
 * ```ts
 * import { foldPerfScript } from "@necoperf/necoperf";
 * import { deepStrictEqual } from "node:assert";
 *
 * const sample = "web 7/7 12.5: 10101 cycles: \n\t55d0 work+0x10 (/web)\n\t55f0 main+0x8 (/web)\n\n";
 * const { events: [cycles], frames } = await foldPerfScript(new Blob([sample, sample]).stream());
 * const [stack] = cycles.stacks;
 * deepStrictEqual(Array.from(stack.frames, (index) => frames[index].symbol), ["main", "work"]);
 * deepStrictEqual([stack.samples, stack.weight], [2, 20202]);
 * ```
 */
export async function foldPerfScript(input: AsyncIterable<Uint8Array>): Promise<StackProfile> {
  const folder = createScriptFolder();
  for await (const chunk of input) folder.push(chunk);
  return folder.finish();
}

/** Counts stacks as `foldPerfScript` does, of text that comes in pieces of any size. */
export interface ScriptFolder {
  push(chunk: Uint8Array): void;
  /** Call it once, behind the last piece. */
  finish(): StackProfile;
}

export function createScriptFolder(): ScriptFolder {
  const decoder = new TextDecoder();
  const counter = createStackCounter();
  const known = createKnownText(counter.hashSeed);
  const { buffer } = known;
  let startSeconds = Infinity;
  let endSeconds = -Infinity;
  let open = false;
  let eventId = 0;
  let commandId = 0;
  let weight = 1;
  /** Not a number when the sample has none. */
  let time = NaN;

  const text = (start: number, end: number) => decoder.decode(buffer.subarray(start, end));
  const findEvent = (event: string) => isOtherRecord(event) ? OTHER_RECORD : counter.eventId(event);
  const findOnlyFrame = (rest: string) => {
    const frame = parseOnlyFrame(rest);
    return frame ? counter.frameId(toFrame(frame)) : NO_FRAME;
  };

  function sawTime(seconds: number): void {
    if (seconds < startSeconds) startSeconds = seconds;
    if (seconds > endSeconds) endSeconds = seconds;
  }

  function endSample(): void {
    if (!open) return;
    counter.count(eventId, commandId, weight);
    sawTime(time);
    open = false;
  }

  function beginSample(timeSeconds: number | undefined, period: number | undefined): void {
    time = timeSeconds ?? NaN;
    weight = period ?? 1;
    open = true;
  }

  function wholeSample(frameId: number): LineMeaning {
    counter.push(frameId);
    endSample();
    return "whole sample";
  }

  function usualHeader(rest: number, end: number): LineMeaning {
    endSample();
    eventId = known.eventId(findEvent);
    if (eventId === OTHER_RECORD) return "record";
    commandId = known.commandId(counter.commandId);
    beginSample(known.timeSeconds(), known.weight());
    if (end - rest < 2) return "sample";
    const frameId = known.onlyFrameId(rest, end, findOnlyFrame);
    return frameId === NO_FRAME ? "sample" : wholeSample(frameId);
  }

  function anyHeader(start: number, end: number, strict: boolean): LineMeaning {
    const sample = parseHeader(text(start, end), strict);
    if (!sample) return "unknown";
    endSample();
    eventId = findEvent(sample.event);
    if (eventId === OTHER_RECORD) return "record";
    commandId = counter.commandId(sample.command);
    beginSample(sample.timeSeconds, sample.period);
    return sample.frames.length === 0
      ? "sample"
      : wholeSample(counter.frameId(toFrame(sample.frames[0])));
  }

  function takeCounts(): void {
    const times = known.takeCounts(counter.countAgain);
    startSeconds = Math.min(startSeconds, times.startSeconds);
    endSeconds = Math.max(endSeconds, times.endSeconds);
  }

  const scanner = createScanner(buffer, {
    header(start, end, strict) {
      const colon = known.readHeader(start);
      return colon > 0 ? usualHeader(colon + 1, end) : anyHeader(start, end, strict);
    },
    frame(start, end) {
      const frame = parseFrame(text(start, end));
      if (!frame) return false;
      if (!open) {
        eventId = counter.eventId("");
        commandId = counter.commandId("");
        beginSample(undefined, undefined);
      }
      const frameId = counter.frameId(toFrame(frame));
      known.addLine(start, buffer[end] === RETURN ? end + 2 : end + 1, frameId);
      counter.push(frameId);
      return true;
    },
    knownFrames(start, limit) {
      const { frames, frameCount, next } = known.readLines(start, limit);
      for (let index = 0; index < frameCount; index++) counter.push(frames[index]);
      return next;
    },
    knownSamples(start, limit) {
      const read = known.readSamples(start, limit);
      const { count, fields, measures, frames } = read;
      for (let index = 0, firstFrame = 0; index < count; index++) {
        const field = 8 * index;
        const measure = 4 * index;
        const depth = fields[field + 3];
        const stackId = counter.countStack(
          frames,
          firstFrame,
          depth,
          fields[field + 2],
          fields[field],
          fields[field + 1],
          measures[measure + 3],
        );
        if (!known.addStack(index, firstFrame, stackId)) {
          takeCounts();
          known.addStack(index, firstFrame, stackId);
        }
        sawTime(measures[measure + 2]);
        firstFrame += depth;
      }
      return read;
    },
    end: endSample,
  });
  return {
    push: (chunk) => scanner.push(chunk),
    finish() {
      const summary = scanner.finish();
      takeCounts();
      return {
        ...counter.finish(),
        ...summary,
        ...(startSeconds <= endSeconds && { startSeconds, endSeconds }),
      };
    },
  };
}
