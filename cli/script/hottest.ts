import type { EventProfile, Frame, StackProfile } from "./stack_profile.ts";

/** How much of a profile a function has. */
export interface FunctionShare extends Frame {
  /** By itself, 0 to 1 of what the event counted. */
  self: number;
  /** With what it calls. */
  total: number;
}

/** The event of which there are most samples; of a profile without samples there is none. */
export function mainEvent({ events }: StackProfile): EventProfile | undefined {
  return events.toSorted((a, b) => b.samples - a.samples)[0];
}

/** The functions that have most of an event by themselves, most first, up to so many. */
export function hottestFunctions(
  { frames }: StackProfile,
  { stacks, weight }: EventProfile,
  most: number,
): FunctionShare[] {
  const self = new Float64Array(frames.length);
  const total = new Float64Array(frames.length);
  const seenIn = new Int32Array(frames.length).fill(-1);
  for (const [index, stack] of stacks.entries()) {
    for (const frame of stack.frames) {
      // A function that calls itself is on the stack more than once.
      if (seenIn[frame] !== index) total[frame] += stack.weight;
      seenIn[frame] = index;
    }
    const leaf = stack.frames.at(-1);
    if (leaf !== undefined) self[leaf] += stack.weight;
  }
  const share = (part: number) => part / (weight || 1);
  return frames.map((frame, id) => ({ ...frame, self: share(self[id]), total: share(total[id]) }))
    .filter(({ total }) => total > 0)
    .sort((a, b) => b.self - a.self || b.total - a.total)
    .slice(0, most);
}
