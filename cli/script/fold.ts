import { toFrame } from "./frame_line.ts";
import { findParked } from "./parked_stack.ts";
import { createScriptReader } from "./reader.ts";
import { createStackCounter } from "./stack_counter.ts";
import type { Stack, StackProfile, ThreadTimes } from "./stack_profile.ts";
import { createThinnedNotes } from "./thinned_notes.ts";
import { createThreadTimeCounter } from "./thread_times.ts";
import type { TimeKind } from "./time_events.ts";
import { timeKind } from "./time_kind.ts";
import { createTimeSpans } from "./time_spans.ts";

/** How {@linkcode foldPerfScript} counts. */
export interface FoldOptions {
  /** Counts no thread as idle; see {@linkcode ThreadTimes}. Default: false. */
  idle?: boolean;
}

/**
 * Counts the stacks of what `perf script` printed. Its memory grows with the number of different
 * stacks, and not with the number of samples.
 *
 * Whatever the text is, it does not throw; see {@linkcode StackProfile.leftOut} and
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
export async function foldPerfScript(
  input: AsyncIterable<Uint8Array>,
  options?: FoldOptions,
): Promise<StackProfile> {
  const folder = createScriptFolder(options);
  for await (const chunk of input) folder.push(chunk);
  return folder.finish();
}

/** Counts stacks as `foldPerfScript` does, of text that comes in pieces of any size. */
interface ScriptFolder {
  push(chunk: Uint8Array): void;
  /** Call it once, after the last piece. */
  finish(): StackProfile;
}

export function createScriptFolder({ idle = false }: FoldOptions = {}): ScriptFolder {
  const counter = createStackCounter();
  const spans = createTimeSpans();
  const threadTimes = createThreadTimeCounter();
  const thinned = createThinnedNotes();
  /** By event: the kind of time that its samples stand for. */
  const kinds: (TimeKind | undefined)[] = [];
  const reader = createScriptReader({
    frameId: (frame) => counter.frameId(toFrame(frame)),
    commandId: counter.commandId,
    eventId(event) {
      const id = counter.eventId(event);
      kinds[id] = timeKind(event);
      return id;
    },
    note: thinned.add,
    sample(sample) {
      const { frames, depth, eventId, commandId, period, exactPeriod, timeSeconds, part } = sample;
      const weight = isNaN(period) ? 1 : period;
      const stack = counter.count(frames, depth, eventId, commandId, weight, exactPeriod);
      const kind = kinds[eventId];
      if (kind === undefined) threadTimes.addTime(timeSeconds, part);
      else threadTimes.add(sample, kind, weight, stack);
      spans.add(timeSeconds, part);
    },
  });
  return {
    push: reader.push,
    finish() {
      const summary = reader.finish();
      const times = threadTimes.finish(idle ? undefined : counter.addIdle);
      const counted = counter.finish();
      if (times && !idle) markParked(times, counted);
      return {
        ...counted,
        ...summary,
        ...spans.summary(),
        ...(times && { threadTimes: times }),
        ...thinned.found(),
      };
    },
  };
}

/** Counts as idle what blocked threads that had nothing to run, unless there is nothing else. */
function markParked(
  times: ThreadTimes,
  { events, frames }: Pick<StackProfile, "events" | "frames">,
): void {
  const isParked = findParked(frames);
  const stacks = events.filter(({ event }) => timeKind(event) === "blocked")
    .flatMap(({ stacks }) => stacks)
    .filter(({ frames }) => frames.some((frame) => isParked[frame]));
  const rest = (stack: Stack) => stack.weight - (stack.idleWeight ?? 0);
  const parked = stacks.reduce((sum, stack) => sum + rest(stack), 0);
  const ofTime = events.filter(({ event }) => timeKind(event) !== undefined)
    .flatMap(({ stacks }) => stacks).reduce((sum, stack) => sum + rest(stack), 0);
  if (parked === 0 || parked === ofTime) return;
  for (const stack of stacks) stack.idleWeight = stack.weight;
  times.parkedSeconds = parked / 1e9;
}
