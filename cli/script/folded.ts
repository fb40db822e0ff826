import type { Frame, StackProfile } from "./stack_profile.ts";

/** How {@linkcode foldedLines} writes. */
export interface FoldedOptions {
  /** What is counted: `samples`, or the sum of their periods. Default: `samples`. */
  count?: "samples" | "weight";
  /** The event to write; default: all of them, their counts added. */
  event?: string;
  /** How a function is written. Default: its symbol, with `:` for `;`. */
  name?(frame: Frame): string;
}

/**
 * The folded form that flame graph tools read, `comm;root;...;leaf count`: a line for each stack,
 * sorted. As stackcollapse-perf.pl does, it writes `_` for the spaces of a thread's name.
 *
 * ```ts
 * import { foldedLines, foldPerfScript } from "@necoperf/necoperf";
 * import { deepStrictEqual } from "node:assert";
 *
 * const text = "web 7/7 12.5: 10101 cycles: \n\t55d0 work+0x10 (/web)\n\t55f0 main+0x8 (/web)\n\n";
 * const profile = await foldPerfScript(new Blob([text]).stream());
 * deepStrictEqual([...foldedLines(profile)], ["web;main;work 1\n"]);
 * ```
 */
export function* foldedLines(
  profile: StackProfile,
  options: FoldedOptions = {},
): Generator<string> {
  const { count = "samples", event, name = symbolOf } = options;
  const names = profile.frames.map((frame) => name(frame).replaceAll(";", ":"));
  const counts = new Map<string, number>();
  for (const { event: of, stacks } of profile.events) {
    if (event !== undefined && of !== event) continue;
    for (const { command, frames, [count]: times } of stacks) {
      const root = command.replaceAll(";", ":").replaceAll(" ", "_");
      const line = [root, ...Array.from(frames, (frame) => names[frame])].join(";");
      counts.set(line, (counts.get(line) ?? 0) + times);
    }
  }
  for (const line of [...counts.keys()].sort()) yield `${line} ${counts.get(line)}\n`;
}

function symbolOf({ symbol }: Frame): string {
  return symbol;
}
