import { KNOWN_TEXT_WASM } from "./gen/known_text.ts";

/**
 * What of a perf script is known by its bytes, because it was there before: most of it. Samples that
 * are known as a whole are read as numbers, by WebAssembly (`assembly/known_text.ts`), and nothing
 * else is said of them here; what is not known the caller finds out and adds.
 *
 * It has a fixed size, and forgets when it is full.
 */
export interface KnownText {
  /** Where the text is. Places in it are what `start`, `end` and `limit` are everywhere. */
  readonly buffer: Uint8Array<ArrayBuffer>;

  /**
   * Reads samples from `start` on, as long as each is known as a whole, has the usual form, and ends
   * at `limit` or before. Those whose stacks were added it counts; what it returns are the others,
   * and is there until the next call.
   */
  readSamples(start: number, limit: number): ReadSamples;
  /**
   * Adds the stack of one of the samples that were read last, so that its like are counted, as
   * `stackId`. False when there is no room before the counts are taken.
   */
  addStack(index: number, firstFrame: number, stackId: number): boolean;
  /** Hands over what was counted, and forgets the stacks. The times are those of all so far. */
  takeCounts(take: (stackId: number, samples: number, weight: number) => void): CountedTimes;

  /**
   * Reads lines of a stack from `start` on, as long as they are known and end at `limit` or before.
   * What it returns is there until the next call.
   */
  readLines(start: number, limit: number): ReadFrames;
  /** Adds a line of a stack, from its tab to `next`, where the next line starts. */
  addLine(start: number, next: number, frameId: number): void;

  /**
   * Reads the first line of a sample, `comm pid/tid [cpu] time: period event:`, if it has that form
   * in ASCII; the processor and the period may be missing. Returns where the colon behind the event
   * is, or 0. `parseHeader` says the same of what it does read.
   */
  readHeader(start: number): number;
  /** What it read. The numbers of command and event are what `find` found when asked first. */
  timeSeconds(): number;
  /** The period, or 1. */
  weight(): number;
  commandId(find: (text: string) => number): number;
  eventId(find: (text: string) => number): number;

  /** The number of what is behind an event, from `start` to before `end`; by `find`, when asked first. */
  onlyFrameId(start: number, end: number, find: (text: string) => number): number;
}

/** Functions of stacks, each stack from its leaf on. */
export interface ReadFrames {
  /** Where the first line starts that was not read. */
  next: number;
  frames: Int32Array;
  frameCount: number;
}

/** The earliest and the latest of samples, in seconds; infinite when there were none. */
export interface CountedTimes {
  startSeconds: number;
  endSeconds: number;
}

/** Samples, one after another, with the functions of all of them. */
export interface ReadSamples extends ReadFrames {
  count: number;
  /** Eight numbers of each: event, command, the hash of it all, its depth; and its measures. */
  fields: Int32Array;
  /** Four numbers of each, of which the third is the time in seconds and the fourth the weight. */
  measures: Float64Array;
  /** Whether an empty line was behind one of them, or of those that were counted. */
  sawEmptyLine: boolean;
}

/** What `assembly/known_text.ts` exports. */
interface Exports {
  memory: WebAssembly.Memory;
  TEXT_BYTES: Global;
  MAX_SAMPLES: Global;
  MAX_FRAMES: Global;
  SAMPLES: Global;
  FRAMES: Global;
  COMMANDS: Global;
  EVENTS: Global;
  ONLY_FRAMES: Global;
  samplesUsed: Global;
  framesUsed: Global;
  emptyLines: Global;
  stackCount: Global;
  startSeconds: Global;
  endSeconds: Global;
  commandStart: Global;
  commandEnd: Global;
  commandEntry: Global;
  eventStart: Global;
  eventEnd: Global;
  eventEntry: Global;
  timeSeconds: Global;
  weight: Global;
  start(randomSeed: bigint, stackHashSeed: number): void;
  find(table: number, start: number, end: number): number;
  add(table: number, start: number, end: number, value: number): number;
  valueOf(table: number, entry: number): number;
  readHeader(start: number): number;
  addLine(start: number, next: number, frameId: number): void;
  readLines(start: number, limit: number): number;
  readSamples(start: number, limit: number): number;
  addStack(index: number, firstFrame: number, id: number): number;
  stackId(index: number): number;
  samplesOf(index: number): number;
  weightOf(index: number): number;
  forgetStacks(): void;
}

interface Global {
  value: number;
}

const NEWLINE = 0x0a;

let compiled: WebAssembly.Module | undefined;

/** `stackHashSeed` is that of the stacks' hashes, which are those of {@linkcode mixed}. */
export function createKnownText(stackHashSeed: number): KnownText {
  compiled ??= new WebAssembly.Module(
    Uint8Array.from(atob(KNOWN_TEXT_WASM), (char) => char.charCodeAt(0)),
  );
  const wasm = new WebAssembly.Instance(compiled).exports as unknown as Exports;
  wasm.start(crypto.getRandomValues(new BigInt64Array(1))[0], stackHashSeed);
  const { buffer: memory } = wasm.memory as { buffer: ArrayBuffer };
  const bytes = new Uint8Array(memory);
  const decoder = new TextDecoder();
  const read: ReadSamples = {
    next: 0,
    frameCount: 0,
    count: 0,
    sawEmptyLine: false,
    fields: new Int32Array(memory, wasm.SAMPLES.value, wasm.MAX_SAMPLES.value * 8),
    measures: new Float64Array(memory, wasm.SAMPLES.value, wasm.MAX_SAMPLES.value * 4),
    frames: new Int32Array(memory, wasm.FRAMES.value, wasm.MAX_FRAMES.value),
  };
  const commands = wasm.COMMANDS.value;
  const events = wasm.EVENTS.value;
  const onlyFrames = wasm.ONLY_FRAMES.value;

  function begin(limit: number): void {
    bytes[limit] = NEWLINE;
    wasm.samplesUsed.value = 0;
    wasm.framesUsed.value = 0;
    wasm.emptyLines.value = 0;
  }

  function idOf(
    table: number,
    entry: number,
    start: number,
    end: number,
    find: (text: string) => number,
  ): number {
    if (entry > 0) return wasm.valueOf(table, entry);
    const id = find(decoder.decode(bytes.subarray(start, end)));
    wasm.add(table, start, end, id);
    return id;
  }

  return {
    buffer: new Uint8Array(memory, 0, wasm.TEXT_BYTES.value),
    readSamples(start, limit) {
      begin(limit);
      read.next = wasm.readSamples(start, limit);
      read.count = wasm.samplesUsed.value;
      read.frameCount = wasm.framesUsed.value;
      read.sawEmptyLine = wasm.emptyLines.value > 0;
      return read;
    },
    addStack: (index, firstFrame, stackId) => wasm.addStack(index, firstFrame, stackId) !== 0,
    takeCounts(take) {
      for (let index = 0; index < wasm.stackCount.value; index++) {
        const samples = wasm.samplesOf(index);
        if (samples > 0) take(wasm.stackId(index), samples, wasm.weightOf(index));
      }
      wasm.forgetStacks();
      return { startSeconds: wasm.startSeconds.value, endSeconds: wasm.endSeconds.value };
    },
    readLines(start, limit) {
      begin(limit);
      read.next = wasm.readLines(start, limit);
      read.frameCount = wasm.framesUsed.value;
      return read;
    },
    addLine: (start, next, frameId) => wasm.addLine(start, next, frameId),
    readHeader: (start) => wasm.readHeader(start),
    timeSeconds: () => wasm.timeSeconds.value,
    weight: () => wasm.weight.value,
    commandId: (find) =>
      idOf(
        commands,
        wasm.commandEntry.value,
        wasm.commandStart.value,
        wasm.commandEnd.value,
        find,
      ),
    eventId: (find) =>
      idOf(events, wasm.eventEntry.value, wasm.eventStart.value, wasm.eventEnd.value, find),
    onlyFrameId: (start, end, find) =>
      idOf(onlyFrames, wasm.find(onlyFrames, start, end), start, end, find),
  };
}
