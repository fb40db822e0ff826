import type { Frame, Stack, StackProfile } from "./stack_profile.ts";

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
 * sorted by their names from the root on. As stackcollapse-perf.pl does, it writes `_` for the
 * spaces of a thread's name.
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
  const stacks = profile.events.filter((each) => event === undefined || each.event === event)
    .flatMap((each) => each.stacks);
  const [names, frameRanks] = ranked(profile.frames, (frame) => name(frame).replaceAll(";", ":"));
  const commands = [...new Set(stacks.map(({ command }) => command))];
  const [roots, ranks] = ranked(
    commands,
    (command) => command.replaceAll(";", ":").replaceAll(/[ \n]/g, "_"),
  );
  const rootRanks = new Map(commands.map((command, index) => [command, ranks[index]]));
  const rootOf = ({ command }: Stack) => rootRanks.get(command)!;

  // The lines are made one by one: all of them take far more room than the stacks.
  const compare = (a: Stack, b: Stack): number => {
    let difference = rootOf(a) - rootOf(b);
    const depth = Math.min(a.frames.length, b.frames.length);
    for (let at = 0; at < depth && difference === 0; at++) {
      difference = frameRanks[a.frames[at]] - frameRanks[b.frames[at]];
    }
    return difference || a.frames.length - b.frames.length;
  };
  stacks.sort(compare);
  let sum = 0;
  for (const [index, stack] of stacks.entries()) {
    sum += stack[count];
    const next = stacks[index + 1];
    if (next && compare(stack, next) === 0) continue;
    const functions = Array.from(stack.frames, (frame) => names[frameRanks[frame]]);
    yield `${[roots[rootOf(stack)], ...functions].join(";")} ${sum}\n`;
    sum = 0;
  }
}

/** The different texts of things, sorted, and which of them is each thing's. */
function ranked<T>(things: T[], textOf: (thing: T) => string): [texts: string[], ranks: number[]] {
  const ofThings = things.map(textOf);
  const texts = [...new Set(ofThings)].sort();
  const rankOf = new Map(texts.map((text, rank) => [text, rank]));
  return [texts, ofThings.map((text) => rankOf.get(text)!)];
}

function symbolOf({ symbol }: Frame): string {
  return symbol;
}
