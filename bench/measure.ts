/** What repeated runs gave. */
export interface Measured {
  median: number;
  /** The least and the most of all runs. */
  min: number;
  max: number;
  runs: number;
}

/** Numbers that one run gives, by their names. */
type Sample<Name extends string = string> = Record<Name, number>;

/**
 * Runs the sides one after the other, over and over, so that what else the machine does meets all
 * of them, and each goes first as often as the others. How often each runs may differ. Returns what
 * each gave, by side and name; nothing of one that does not run.
 *
 * Rejects with what a run rejects with.
 */
export async function interleave<Side extends string, Name extends string>(
  sides: Record<Side, () => Promise<Sample<Name>>>,
  repeats: number | Record<Side, number>,
): Promise<Record<Side, Record<Name, Measured>>> {
  const names = Object.keys(sides) as Side[];
  const samples = Object.fromEntries(names.map((side) => [side, [] as Sample<Name>[]]));
  const times = (side: Side) => typeof repeats === "number" ? repeats : repeats[side];
  for (let repeat = 0; repeat < Math.max(...names.map(times)); repeat++) {
    for (const [index] of names.entries()) {
      const side = names[(index + repeat) % names.length];
      if (repeat < times(side)) samples[side].push(await sides[side]());
    }
  }
  const summarized = names.map((side) => [side, summarizeAll(samples[side])]);
  return Object.fromEntries(summarized);
}

/** Median and spread of what several runs gave. */
export function summarize(values: readonly number[]): Measured {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1)!, runs: sorted.length };
}

function summarizeAll<Name extends string>(samples: Sample<Name>[]): Record<Name, Measured> {
  const names = Object.keys(samples[0] ?? {}) as Name[];
  const summarized = names.map((name) => [name, summarize(samples.map((each) => each[name]))]);
  return Object.fromEntries(summarized);
}
