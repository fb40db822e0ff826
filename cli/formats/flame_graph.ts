import { type FrameKind, frameKind } from "../script/frame_kind.ts";
import type { EventProfile, Frame, StackProfile } from "../script/stack_profile.ts";
import { THINNED, type TimeKind } from "../script/time_events.ts";
import { timeKind } from "../script/time_kind.ts";
import { type EventUnit, weightUnit } from "./event_unit.ts";
import { frameName } from "./frame_name.ts";
import { hasWaiting, TIME_KIND_NAMES, TIME_KINDS } from "./time_kind.ts";

/** A flame graph's data: one or more trees over the same functions. */
export interface FlameGraph {
  title: string;
  /** The label of the choice between several trees. */
  viewName: string;
  /** Each function once. */
  frames: readonly Frame[];
  views: FlameView[];
  /** Notes about all of it, a sentence each. */
  notes?: string[];
}

/** The stacks of one tree. */
export interface FlameView {
  name: string;
  /** `samples`: no sample stands for more than itself. */
  unit: "samples" | EventUnit;
  /** What is counted, where the unit is `count` or there are kinds. */
  event?: string;
  stacks: FlameStack[];
  /** The kinds of time that the weights are parts of, when each stack is of one of several. */
  kinds?: FlameKind[];
  /** For the comparison with another profile. */
  comparison?: {
    otherName: string;
    /** 1 when the other profile is the earlier one, else -1. */
    direction: 1 | -1;
  };
}

/** A kind of time, which the page has a colour of and can show by itself. */
interface FlameKind {
  /** `idle`: blocked, of threads that did nothing else. */
  kind: TimeKind | "idle";
  name: string;
  /** Whether it is shown only when it is asked for. */
  isHidden?: boolean;
}

/** A stack, and what it counts for. */
interface FlameStack {
  /** Index into the tree's kinds. */
  kind?: number;
  /** The thread's name, which is the tree's first level below all. */
  command: string;
  /** Indices into the functions, the root of the stack first. */
  frames: Uint32Array;
  samples: number;
  weight: number;
  /** The weight of the same stack in the other profile of a comparison. */
  other?: number;
}

/**
 * What a profile's flame graph shows: a tree for each event. What threads' time is made of is one
 * tree, with its kinds.
 */
export function flameGraphOf(profile: StackProfile, title: string): FlameGraph {
  const ofTime = hasWaiting(profile.events)
    ? profile.events.filter(({ event }) => timeKind(event) !== undefined)
    : [];
  const { threads = 0, idleThreads = 0, parkedSeconds = 0 } = profile.threadTimes ?? {};
  const hasIdle = idleThreads > 0 || parkedSeconds > 0;
  const idleName = parkedSeconds > 0
    ? "idle"
    : idleThreads === 1
    ? "1 idle thread"
    : `${idleThreads} idle threads`;
  const hasKinds = hasIdle || new Set(ofTime.map(({ event }) => timeKind(event))).size > 1;
  const others = profile.events.filter((each) => !hasKinds || !ofTime.includes(each));
  return {
    title,
    viewName: "Event",
    notes: profile.thinned?.map((sentence) => `${THINNED}${sentence}`),
    frames: profile.frames,
    views: [
      ...hasKinds ? [timeView(ofTime, threads, hasIdle ? idleName : undefined)] : [],
      ...others.map((each) => ({
        name: each.event || "samples",
        unit: viewUnit(each),
        event: each.event,
        stacks: each.stacks,
      })),
    ],
  };
}

function timeView(events: EventProfile[], threads: number, idleName?: string): FlameView {
  const ofEvents = TIME_KINDS.filter((kind) =>
    events.some(({ event }) => timeKind(event) === kind)
  );
  const idle = ofEvents.length;
  const stacks = events.flatMap(({ event, stacks }) => {
    const kind = ofEvents.indexOf(timeKind(event)!);
    return stacks.flatMap((stack) => {
      const { weight, idleWeight = 0 } = stack;
      return [
        { ...stack, kind, weight: weight - idleWeight },
        { ...stack, kind: idle, weight: idleWeight },
      ].filter(({ weight }) => weight > 0);
    });
  });
  const kinds: FlameKind[] = ofEvents.map((kind) => ({ kind, name: TIME_KIND_NAMES[kind] }));
  if (idleName !== undefined) kinds.push({ kind: "idle", name: idleName, isHidden: true });
  const ofThreads = threads === 1 ? "1 thread's time" : `${threads || ""} threads' time`.trim();
  return { name: "threads' time", unit: "nanoseconds", event: ofThreads, stacks, kinds };
}

/** The unit of a tree: a weight of 1 for each sample says no more than that there were so many. */
export function viewUnit(profile: Omit<EventProfile, "stacks">): FlameView["unit"] {
  const { event, samples, weight } = profile;
  return samples === weight || event === "" ? "samples" : weightUnit(profile);
}

/** Frames that are a smaller part of their tree are left out: nobody could see them. */
const MIN_SHARE = 1 / 20_000;
/** What a page holds of each tree, at most; a node takes about 20 bytes. */
const MAX_NODES = 100_000;

/**
 * Writes a flame graph as one HTML file that needs nothing but a browser. It loads nothing, and
 * says so to the browser; names of functions are data in it and never markup.
 */
export async function* flameGraphPage(graph: FlameGraph): AsyncGenerator<string> {
  const [page, style, script] = await Promise.all(
    ["page.html", "page.css", "page.js"].map(readPageFile),
  );
  const values: Record<string, string> = {
    policy: `default-src 'none'; script-src ${await hashOf(script)}; ` +
      `style-src ${await hashOf(style)}; base-uri 'none'; form-action 'none'`,
    title: escapeHtml(graph.title),
    style: `<style>${style}</style>`,
    script: `<script>${script}</script>`,
  };
  for (const [index, part] of page.split(/\{\{ (\w+) \}\}/).entries()) {
    if (index % 2 === 0) yield part;
    else if (part === "data") yield* dataOf(graph);
    else yield values[part];
  }
}

function* dataOf({ title, viewName, frames, views, notes = [] }: FlameGraph): Generator<string> {
  const commands = new Map<string, number>();
  const trees = views.map((view) => {
    const tree = growTree(view, frames, (command) => {
      if (!commands.has(command)) commands.set(command, frames.length + 1 + commands.size);
      return commands.get(command)!;
    });
    const { name, unit, event, kinds, comparison } = view;
    return { name, unit, event, kinds, ...comparison, ...tree };
  });
  const entries = [
    ...frames.map((frame) => [frameName(frame), frame.dso, frameKind(frame)]),
    ["all", "", "unknown"],
    ...Array.from(commands.keys(), (command) => [command, "", "user"]),
  ] as [string, string, FrameKind][];
  yield `<script id="data" type="application/json">`;
  yield `{"title":${json(title)},"viewName":${json(viewName)},"notes":${json(notes)},"frames":[`;
  for (const [index, entry] of entries.entries()) yield `${index > 0 ? "," : ""}${json(entry)}`;
  yield `],"views":[`;
  for (const [index, tree] of trees.entries()) yield `${index > 0 ? "," : ""}${json(tree)}`;
  yield "]}</script>";
}

/** A tree with its nodes in preorder, in columns. */
interface Tree {
  depths: number[];
  /** The name of each node. The first is the root, and the commands are below it. */
  frames: number[];
  samples: number[];
  weights: number[];
  others?: number[];
  /** Of each kind: what of the weights is of it. */
  parts?: number[][];
  total: number;
  otherTotal: number;
  /** Nodes with a smaller share are left out. */
  prunedShare: number;
}

function growTree(
  view: FlameView,
  frames: readonly Frame[],
  commandId: (command: string) => number,
): Tree {
  const ranks = rankByName(frames);
  const stacks = [...view.stacks].sort((a, b) => compareStacks(a, b, ranks));
  for (let minShare = MIN_SHARE;; minShare *= 2) {
    const tree = growFromSorted(view, stacks, { all: frames.length, commandId, minShare });
    if (tree.depths.length <= MAX_NODES) return tree;
  }
}

/** Stacks that begin alike are neighbours, so that each node is complete before the next begins. */
function growFromSorted(
  { comparison, kinds = [] }: FlameView,
  stacks: FlameStack[],
  { all, commandId, minShare }: {
    all: number;
    commandId: (command: string) => number;
    minShare: number;
  },
): Tree {
  const sum = (of: (stack: FlameStack) => number) => stacks.reduce((sum, s) => sum + of(s), 0);
  const total = sum(({ weight }) => weight);
  const otherTotal = sum(({ other = 0 }) => other);
  const depths: number[] = [];
  const frames: number[] = [];
  const samples: number[] = [];
  const weights: number[] = [];
  const others: number[] = [];
  const parts: number[][] = kinds.map(() => []);
  /** A kind of which there is little is not too small to be seen when it is shown by itself. */
  const partTotals = kinds.map((_, kind) => sum((stack) => stack.kind === kind ? stack.weight : 0));
  const columns = [depths, frames, samples, weights, others, ...parts];
  /** The nodes that are open, by their depth. */
  const path: number[] = [];
  let isPruned = false;
  const close = () => {
    const node = path.pop()!;
    const isSeen = kinds.length > 0
      ? parts.some((part, kind) => part[node] > 0 && part[node] >= partTotals[kind] * minShare)
      : weights[node] >= total * minShare;
    if (isSeen) return;
    isPruned = true;
    for (const column of columns) column.length = node;
  };
  for (const stack of stacks) {
    const names = [all, commandId(stack.command), ...stack.frames];
    let common = 0;
    while (common < path.length && frames[path[common]] === names[common]) common++;
    while (path.length > common) close();
    for (let depth = common; depth < names.length; depth++) {
      path.push(depths.length);
      for (const [index, column] of columns.entries()) {
        column.push([depth, names[depth]][index] ?? 0);
      }
    }
    for (const node of path) {
      samples[node] += stack.samples;
      weights[node] += stack.weight;
      others[node] += stack.other ?? 0;
      if (stack.kind !== undefined) parts[stack.kind][node] += stack.weight;
    }
  }
  while (path.length > 0) close();
  return {
    depths,
    frames,
    samples,
    weights,
    others: comparison && others,
    parts: kinds.length > 0 ? parts : undefined,
    total,
    otherTotal,
    prunedShare: isPruned ? minShare : 0,
  };
}

function rankByName(frames: readonly Frame[]): Uint32Array {
  const names = frames.map(({ symbol, dso }) => `${symbol}\n${dso}`);
  const sorted = [...names.keys()].sort((a, b) => names[a] < names[b] ? -1 : 1);
  const ranks = new Uint32Array(frames.length);
  for (const [rank, frame] of sorted.entries()) ranks[frame] = rank;
  return ranks;
}

function compareStacks(a: FlameStack, b: FlameStack, ranks: Uint32Array): number {
  if (a.command !== b.command) return a.command < b.command ? -1 : 1;
  const common = Math.min(a.frames.length, b.frames.length);
  for (let i = 0; i < common; i++) {
    if (a.frames[i] !== b.frames[i]) return ranks[a.frames[i]] - ranks[b.frames[i]];
  }
  return a.frames.length - b.frames.length;
}

async function readPageFile(name: string): Promise<string> {
  const path = `flame_graph_page/${name}`;
  if (import.meta.dirname) return await Deno.readTextFile(`${import.meta.dirname}/${path}`);
  // The library was imported from a URL.
  const url = new URL(path, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot read ${url}: HTTP ${response.status}`);
  return await response.text();
}

/** As a content security policy names the one script or style that may be used. */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}

/** JSON that stays data in a script element, whatever is in it. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
