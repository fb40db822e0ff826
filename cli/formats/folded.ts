import type { Frame, StackProfile } from "../script/stack_profile.ts";

/** A line of it: what was on the stack, and how often. */
const LINE = /^(\S.*) (\d+)$/;

/** Says whether a text that begins so is folded stacks: perf script's text has no such first line. */
export function isFolded(start: string): boolean {
  const first = start.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#"));
  return LINE.test(first?.trimEnd() ?? "");
}

/**
 * Reads folded stacks, `comm;root;...;leaf count`, as a profile of one event without a name. What is
 * no such line is skipped and counted.
 */
export async function readFolded(input: AsyncIterable<Uint8Array>): Promise<StackProfile> {
  const frames: Frame[] = [];
  const ids = new Map<string, number>();
  const idOf = (symbol: string) => {
    if (!ids.has(symbol)) ids.set(symbol, frames.push({ symbol, dso: "" }) - 1);
    return ids.get(symbol)!;
  };
  const event = { event: "", stacks: [], samples: 0, weight: 0 } as StackProfile["events"][number];
  const profile = {
    frames,
    events: [event],
    samples: 0,
    skippedLines: 0,
    truncated: false,
    leftOut: [],
  };
  for await (const line of linesOf(input)) {
    const match = LINE.exec(line.trimEnd());
    if (!match) {
      if (line.trim() !== "") profile.skippedLines++;
      continue;
    }
    const [command, ...names] = match[1].split(";");
    const samples = Number(match[2]);
    event.stacks.push({ command, frames: Uint32Array.from(names, idOf), samples, weight: samples });
    event.samples += samples;
    event.weight += samples;
    profile.samples += samples;
  }
  return profile;
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}
