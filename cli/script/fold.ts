import { type ByteTable, createByteTable } from "./byte_table.ts";
import { createHeaderReader } from "./header_reader.ts";
import { createKnownStacks } from "./known_stacks.ts";
import { isOtherRecord } from "./parse.ts";
import { parseFrame, parseHeader, parseOnlyFrame, toFrame } from "./sample.ts";
import { createScanner, type LineMeaning, MAX_LINE_BYTES } from "./scan.ts";
import { createStackCounter } from "./stack_counter.ts";
import type { StackProfile } from "./stack_profile.ts";

const OTHER_RECORD = -1;
const NO_FRAME = -1;

/** So many different lines of stacks are kept, of hundreds of thousands that a text may have. */
const MAX_LINES = 1 << 16;
const SMALL = { maxEntries: 1 << 10, maxBytes: 4 * MAX_LINE_BYTES };

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
  let startSeconds = Infinity;
  let endSeconds = -Infinity;

  const scanner = createScanner((buffer) => {
    // perf prints the same line for the same address. What follows a line mostly is what followed
    // it the last time: its caller, so that most lines are known by comparing them once.
    const frames = createByteTable(buffer, {
      maxEntries: MAX_LINES,
      maxBytes: 4 << 20,
      onForget() {
        followers.fill(0);
        previous = 0;
      },
    });
    const reader = createHeaderReader(buffer);
    const commands = createByteTable(buffer, SMALL);
    const events = createByteTable(buffer, SMALL);
    const onlyFrames = createByteTable(buffer, { maxEntries: MAX_LINES / 4, maxBytes: 1 << 20 });
    const stacks = createKnownStacks(buffer, (stack) => counter.isOf(stack, eventId, commandId));
    const followers = new Int32Array(MAX_LINES);
    let previous = 0;
    let open = false;
    let eventId = 0;
    let commandId = 0;
    let weight = 1;
    /** Not a number when the sample has none. */
    let time = NaN;

    const text = (start: number, end: number) => decoder.decode(buffer.subarray(start, end));
    const findEvent = (event: string) =>
      isOtherRecord(event) ? OTHER_RECORD : counter.eventId(event);
    const findOnlyFrame = (rest: string) => {
      const frame = parseOnlyFrame(rest);
      return frame ? counter.frameId(toFrame(frame)) : NO_FRAME;
    };

    function endSample(): void {
      if (!open) return;
      counter.count(eventId, commandId, weight);
      ended();
    }

    function ended(): void {
      if (time < startSeconds) startSeconds = time;
      if (time > endSeconds) endSeconds = time;
      open = false;
    }

    /** The value of the bytes from `start` to before `end`, which `find` finds out when asked first. */
    function valueOf(
      table: ByteTable,
      start: number,
      end: number,
      find: (text: string) => number,
    ): number {
      const entry = table.find(start, end) || table.add(start, end, find(text(start, end)));
      return table.values[entry];
    }

    function beginSample(timeSeconds: number | undefined, period: number | undefined): void {
      time = timeSeconds ?? NaN;
      weight = period ?? 1;
      open = true;
      previous = 0;
    }

    function wholeSample(frameId: number): LineMeaning {
      counter.push(frameId);
      endSample();
      return "whole sample";
    }

    function usualHeader(end: number): LineMeaning {
      endSample();
      eventId = valueOf(events, reader.eventStart, reader.eventEnd, findEvent);
      if (eventId === OTHER_RECORD) return "record";
      commandId = valueOf(commands, reader.commandStart, reader.commandEnd, counter.commandId);
      beginSample(reader.timeSeconds, reader.period);
      const rest = reader.eventEnd + 1;
      if (end - rest < 2) return "sample";
      const frameId = valueOf(onlyFrames, rest, end, findOnlyFrame);
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

    return {
      header(start, end, strict) {
        return reader.read(start, end) ? usualHeader(end) : anyHeader(start, end, strict);
      },
      knownFrame(start, limit) {
        const entry = followers[previous];
        if (entry === 0 || !frames.isAt(entry, start, limit)) return 0;
        const end = start + frames.lengths[entry];
        if (buffer[end] !== 0x0a || end >= limit) return 0;
        counter.push(frames.values[entry]);
        previous = entry;
        return end + 1;
      },
      knownStack(start, limit) {
        if (!stacks.find(start, limit)) return 0;
        counter.countAgain(stacks.stack, weight);
        ended();
        return stacks.end;
      },
      frame(start, end) {
        let entry = frames.find(start, end);
        if (entry === 0) {
          const frame = parseFrame(text(start, end));
          if (!frame) return false;
          entry = frames.add(start, end, counter.frameId(toFrame(frame)));
        }
        followers[previous] = entry;
        previous = entry;
        if (!open) {
          eventId = counter.eventId("");
          commandId = counter.commandId("");
          beginSample(undefined, undefined);
          previous = entry;
        }
        counter.push(frames.values[entry]);
        return true;
      },
      end(stackStart, stackEnd) {
        const stack = counter.count(eventId, commandId, weight);
        if (stackStart > 0) stacks.add(stackStart, stackEnd, stack);
        ended();
      },
    };
  });
  return {
    push: (chunk) => scanner.push(chunk),
    finish() {
      const summary = scanner.finish();
      return {
        ...counter.finish(),
        ...summary,
        ...(startSeconds <= endSeconds && { startSeconds, endSeconds }),
      };
    },
  };
}
