import { CliError, ExitStatus } from "../errors.ts";
import { parseHeader } from "../script/header.ts";
import type { EventProfile, Frame, LeftOut, StackProfile } from "../script/stack_profile.ts";
import { TIME_EVENTS, type TimeKind } from "../script/time_events.ts";
import { timeKindFrame } from "./time_kind.ts";

/** By the function on top of a stack: what its thread did. */
const KIND_OF = new Map(
  (["blocked", "waiting"] as const).map((kind) => [timeKindFrame(kind), kind]),
);

/** A line of it: what was on the stack, and how often. Some tools write decimals. */
const LINE = /^(\S.*) (\d+(?:\.\d*)?)$/;

/**
 * Says whether a text that begins so is folded stacks: some lines are, and none is of perf script's
 * text, which may have anything before its first sample.
 */
export function isFolded(start: string): boolean {
  const lines = start.split("\n").map((line) => line.trimEnd());
  return lines.some(isFoldedLine) && !lines.some(isScriptLine);
}

function isFoldedLine(line: string): boolean {
  return !line.startsWith("#") && LINE.test(line);
}

function isScriptLine(line: string): boolean {
  if (line.startsWith("\t")) return true;
  const header = line.startsWith("#") ? undefined : parseHeader(line);
  return header === "other record" || header?.timeSeconds !== undefined;
}

/**
 * Reads folded stacks, `comm;root;...;leaf count`, as a profile of one event without a name. Stacks
 * with what their thread did on top, as `convertScript` writes them, are threads' time, of an event
 * for each kind. Other lines are skipped and counted.
 *
 * Rejects with a `CliError` (exit status 2) when the lines have two counts, of two profiles.
 */
export async function readFolded(
  input: AsyncIterable<Uint8Array>,
  name: string,
): Promise<StackProfile> {
  const frames: Frame[] = [];
  const ids = new Map<string, number>();
  const idOf = (symbol: string) => {
    if (!ids.has(symbol)) ids.set(symbol, frames.push({ symbol, dso: "" }) - 1);
    return ids.get(symbol)!;
  };
  const eventOf = (event: string): EventProfile => ({ event, stacks: [], samples: 0, weight: 0 });
  const all = eventOf("");
  const ofKinds = { blocked: eventOf(""), waiting: eventOf("") };
  const unknown: LeftOut = { kind: "unknown line", lines: 0, firstLine: 0 };
  let lineNumber = 0;
  let lines = 0;
  let withTwoCounts = 0;
  for await (const line of linesOf(input)) {
    lineNumber++;
    const match = LINE.exec(line.trimEnd());
    if (line.startsWith("#") || !match) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      unknown.lines++;
      unknown.firstLine ||= lineNumber;
      continue;
    }
    if (LINE.test(match[1])) withTwoCounts++;
    lines++;
    const [command, ...names] = match[1].split(";");
    const samples = Number(match[2]);
    const kind = KIND_OF.get(names.at(-1) ?? "");
    const event = kind === undefined ? all : ofKinds[kind];
    if (kind !== undefined) names.pop();
    event.stacks.push({ command, frames: Uint32Array.from(names, idOf), samples, weight: samples });
    event.weight = event.samples = sumOf(event.samples, samples);
  }
  if (withTwoCounts > 0 && withTwoCounts === lines) {
    throw new CliError(
      ExitStatus.USAGE,
      `${name} has two counts in each line, as difffolded.pl writes them; give the folded stacks ` +
        "that it was made of",
    );
  }
  const { blocked, waiting } = ofKinds;
  const events = blocked.samples + waiting.samples === 0
    ? [all]
    : Object.entries({ running: all, blocked, waiting })
      .map(([kind, each]) => ({ ...each, event: TIME_EVENTS[kind as TimeKind] }))
      .filter(({ samples }) => samples > 0);
  return {
    frames,
    events,
    samples: events.reduce((sum, { samples }) => sumOf(sum, samples), 0),
    skippedLines: unknown.lines,
    truncated: false,
    leftOut: unknown.lines > 0 ? [unknown] : [],
  };
}

/** The sum of two numbers of few decimals, without what binary fractions add to it. */
function sumOf(a: number, b: number): number {
  const sum = a + b;
  return Number.isInteger(a) && Number.isInteger(b) ? sum : Number(sum.toPrecision(15));
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
