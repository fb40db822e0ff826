import { basename } from "node:path";
import {
  compareProfiles,
  type Comparison,
  type FunctionChange,
  growth,
  isBeyondChance,
} from "./comparison.ts";
import type { Side } from "./compared_side.ts";
import { openConvertedOutput, openText } from "./convert.ts";
import { interrupted } from "../errors.ts";
import { textChunks } from "../formats/chunks.ts";
import {
  type FlameGraph,
  flameGraphPage,
  type FlameView,
  viewUnit,
} from "../formats/flame_graph.ts";
import { isFolded, readFolded } from "../formats/folded.ts";
import { peek } from "../formats/peek.ts";
import { describeLeftOut, openScriptText, requireSamples } from "../formats/script_text.ts";
import { TIME_KINDS, timeKindFrame } from "../formats/time_kind.ts";
import { foldPerfScript } from "../script/fold.ts";
import type { StackProfile } from "../script/stack_profile.ts";
import { THINNED } from "../script/time_events.ts";
import { findThreadTime } from "./thread_time.ts";
import { describeThreadTime } from "./thread_time_text.ts";

/** What to compare, and where the comparison goes. */
export interface DiffRequest {
  /** Files with perf script's text or folded stacks, compressed with gzip or not. */
  before: string;
  after: string;
  format: "table" | "flamegraph" | "json";
  /** A directory that is there, or a file that is not; `-` for standard output. */
  output: string;
  /** Counts no thread as idle. Default: false. */
  idle?: boolean;
}

const EXTENSIONS = { table: ".txt", flamegraph: ".html", json: ".json" };
/** How many functions the table has of each kind. */
const TABLE_ROWS = 20;
/** Enough to have lines of it, whatever is before them. */
const PEEK_BYTES = 64 * 1024;

/**
 * Compares two profiles. Shares are of all that was sampled in each, so that they may be of
 * different lengths. Returns the path of the result, if it has one. `warn` is told what of the
 * texts was left out.
 *
 * Rejects with a `CliError`, and leaves no file: an input cannot be read or is something else, they
 * count nothing alike, the output is there already or cannot be written (exit status 2), there
 * is no sample (6), or the user gave up by `signal` (130).
 */
export async function diffFiles(
  { before, after, format, output: path, idle }: DiffRequest,
  signal?: AbortSignal,
  warn?: (text: string) => void,
): Promise<string | undefined> {
  const stem = [after, before].map((path) => basename(path).replace(/\..*/, "")).join("-against-");
  const output = await openConvertedOutput(path, stem, EXTENSIONS[format]);
  try {
    const profiles = {
      before: await readProfile(before, { idle, signal }),
      after: await readProfile(after, { idle, signal }),
    };
    const names = { before, after };
    for (const side of SIDES) {
      const leftOut = describeLeftOut(profiles[side]);
      if (leftOut) warn?.(`${names[side]}: left out ${leftOut}`);
      for (const sentence of profiles[side].thinned ?? []) {
        warn?.(`${names[side]}: ${THINNED}${sentence}`);
      }
    }
    const comparison = compareProfiles(profiles.before, profiles.after);
    if (comparison.note) warn?.(comparison.note);
    const text = format === "flamegraph"
      ? flameGraphPage(flameGraphOf(comparison, names))
      : [(format === "json" ? json : table)(comparison, names, profiles)];
    for await (const chunk of textChunks(text)) await output.write(chunk);
    return await output.commit();
  } catch (error) {
    await output.discard();
    throw signal?.aborted ? interrupted() : error;
  }
}

async function readProfile(
  path: string,
  { idle, signal }: { idle?: boolean; signal?: AbortSignal },
): Promise<StackProfile> {
  const text = await openScriptText(await openText(path, signal), path);
  const { start, whole } = await peek(text, PEEK_BYTES);
  const profile = isFolded(new TextDecoder().decode(start))
    ? await readFolded(whole, path)
    : await foldPerfScript(whole, { idle });
  requireSamples(profile, path);
  return profile;
}

const SIDES = ["before", "after"] as const;
type Sides<T> = Record<typeof SIDES[number], T>;
type Names = Sides<string>;

function table(comparison: Comparison, names: Names, profiles: Sides<StackProfile>): string {
  const { event, functions, before, after, kinds } = comparison;
  const count = (samples: number) => samples.toLocaleString("en");
  const samples = ({ samples, events }: Side) =>
    `${count(samples)} samples${isOneEvent(comparison) ? "" : ` of ${events.join(", ")}`}`;
  const hasIdle = SIDES.some((side) => profiles[side].threadTimes?.idleThreads);
  const whatOf = (side: typeof SIDES[number]) => {
    const time = kinds && findThreadTime(profiles[side]);
    return time ? describeThreadTime(time) : samples(comparison[side]);
  };
  const lines = [
    `before: ${names.before}, ${whatOf("before")}`,
    `after:  ${names.after}, ${whatOf("after")}`,
    kinds
      ? `Shares are of all threads' time on each side${hasIdle ? ", without idle threads" : ""}.`
      : `Shares are of all ${event ? `of ${event}` : "samples"} on each side.`,
  ];
  // By itself or, if that may be chance, with what it calls.
  const changed = functions.flatMap((row) => {
    const change = [row.self, row.total].find((change) => isBeyondChance(change, comparison));
    return change ? [{ row, sign: Math.sign(growth(change)) }] : [];
  });
  const titles = kinds ? ["More", "Less"] : ["Slower", "Faster"];
  for (const [title, wanted] of [[titles[0], 1], [titles[1], -1]] as const) {
    const rows = changed.filter(({ sign }) => sign === wanted);
    lines.push("", `${title}:`);
    if (rows.length === 0) lines.push("  nothing");
    else {
      const kind = kinds ? "KIND     " : "";
      lines.push(`     SELF  BEFORE   AFTER    TOTAL  BEFORE   AFTER  ${kind}FUNCTION`);
    }
    for (const { row } of rows.slice(0, TABLE_ROWS)) lines.push(tableRow(row));
    if (rows.length > TABLE_ROWS) {
      lines.push(`  and ${rows.length - TABLE_ROWS} more, less changed`);
    }
  }
  const unsure = functions.filter(({ self, total }) => growth(self) !== 0 || growth(total) !== 0)
    .length - changed.length;
  if (unsure > 0) {
    lines.push(
      "",
      kinds
        ? `${unsure} more changed by no more than could be chance.`
        : `${unsure} more changed by no more than chance makes of ${count(before.samples)} and ` +
          `${count(after.samples)} samples.`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function tableRow({ name, self, total, kind }: FunctionChange): string {
  const columns = [self, total].map((change) => {
    const points = growth(change) * 100;
    return [
      `${points < 0 ? "" : "+"}${points.toFixed(2)}`.padStart(9),
      `${(change.before * 100).toFixed(2)}%`.padStart(8),
      `${(change.after * 100).toFixed(2)}%`.padStart(8),
    ].join("");
  });
  return `${columns.join("")}  ${kind ? `${kind.padEnd(7)}  ` : ""}${name}`;
}

/** Whether both sides have nothing but the event that the comparison is called after. */
function isOneEvent({ event, before, after }: Comparison): boolean {
  return [...before.events, ...after.events].every((each) => each === event || each === "");
}

function json(
  comparison: Comparison,
  names: Names,
  profiles: Sides<StackProfile>,
): string {
  const side = (name: keyof Names) => {
    const { events, ...counts } = comparison[name];
    const { leftOut } = profiles[name];
    return {
      file: names[name],
      ...counts,
      threadTime: findThreadTime(profiles[name]),
      events: isOneEvent(comparison) ? undefined : events,
      leftOut: leftOut.length > 0 ? leftOut : undefined,
    };
  };
  const { event, note, functions } = comparison;
  const object = { event, note, before: side("before"), after: side("after"), functions };
  return `${JSON.stringify(object, undefined, 2)}\n`;
}

/** The stacks of each side, as wide as there, in the colour of what became of them. */
function flameGraphOf(comparison: Comparison, names: Names): FlameGraph {
  const { stacks, kinds } = comparison;
  const frames = [...comparison.frames];
  // The kind of time is on top of the stack, as in folded stacks.
  const frameOf = new Map(
    TIME_KINDS.map((kind) =>
      kind === "running"
        ? [kind, undefined]
        : [kind, frames.push({ symbol: timeKindFrame(kind), dso: "" }) - 1]
    ),
  );
  const withKind = ({ frames, kind }: Comparison["stacks"][number]) => {
    const top = kind && frameOf.get(kind);
    return top === undefined ? frames : Uint32Array.of(...frames, top);
  };
  const view = (name: "after" | "before", otherName: "after" | "before"): FlameView => ({
    name,
    unit: kinds ? "nanoseconds" : viewUnit({ event: comparison.event, ...comparison[name] }),
    event: comparison.event,
    stacks: stacks.map((stack) => ({
      command: stack.command,
      frames: withKind(stack),
      ...stack[name],
      other: stack[otherName].weight,
    })),
    comparison: { otherName, direction: name === "after" ? 1 : -1 },
  });
  return {
    title: `${basename(names.after)} against ${basename(names.before)}`,
    viewName: "Widths of",
    notes: comparison.note ? [comparison.note] : undefined,
    frames,
    views: [view("after", "before"), view("before", "after")],
  };
}
