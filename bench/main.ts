/**
 * Measures what `docs/performance.md` claims, each claim against what it is compared with in the
 * same run, and prints one table:
 *
 *     deno task bench [--quick] [--json FILE] [--table] [ROW...]
 *
 * Needs root, perf and gcc; some rows need the test cluster (`KUBECONFIG`). The same goes to
 * `FILE` (`bench/results.json`) as JSON, where rows that were not run keep what they were. With
 * `--table` nothing is measured, and the table is that of the file.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Measured } from "./measure.ts";
import { isReached, type Line, ratioOf, type Row } from "./row.ts";

import { cost } from "./rows/cost.ts";
import { api } from "./rows/api.ts";
import { clients } from "./rows/clients.ts";
import { fold } from "./rows/fold.ts";
import { latency } from "./rows/latency.ts";
import { memory } from "./rows/memory.ts";
import { size } from "./rows/size.ts";
import { startup } from "./rows/startup.ts";
import { threadTime } from "./rows/thread_time.ts";

const ROWS: Row[] = [
  latency(99),
  latency(999),
  memory,
  cost,
  clients,
  startup,
  api,
  fold,
  size,
  threadTime,
];

/** What is written of a row. */
interface RowResult {
  title: string;
  goal: string;
  /** When, on what and how it was measured. */
  measured: { at: string; quick: boolean; kernel: string; processors: number; deno: string };
  lines: (Line & { ratio?: number; reached?: boolean })[];
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      table: { type: "boolean", default: false },
      json: { type: "string", default: join(import.meta.dirname!, "results.json") },
    },
  });
  const unknown = positionals.find((name) => !ROWS.some((row) => row.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no row '${unknown}', but ${ROWS.map(({ name }) => name).join(", ")}`);
  }
  const chosen = ROWS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results = await readResults(values.json);
  for (const row of values.table ? [] : chosen) {
    console.error(`bench: ${row.name}: ${row.title}`);
    const lines: RowResult["lines"] = [];
    await row.run({
      quick: values.quick,
      report: (line) => {
        lines.push({ ...line, ratio: ratioOf(line), reached: isReached(line) });
        console.error(`bench:   ${describe(line).join("  ")}`);
      },
      log: (words) => console.error(`bench:   ${words}`),
    });
    results[row.name] = { title: row.title, goal: row.goal, measured: measuredNow(), lines };
    await Deno.writeTextFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
  }
  printTable(chosen.map(({ name }) => results[name]).filter((result) => result !== undefined));

  function measuredNow(): RowResult["measured"] {
    return {
      at: new Date().toISOString(),
      quick: values.quick,
      kernel: Deno.osRelease(),
      processors: navigator.hardwareConcurrency,
      deno: Deno.version.deno,
    };
  }
}

async function readResults(path: string): Promise<Record<string, RowResult>> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** Prints the table in the form of Markdown, as the documentation has it. */
function printTable(results: RowResult[]): void {
  const head = ["case", "this", "compared with", "ratio", "to reach"];
  for (const { title, goal, lines } of results) {
    const cells = [head, ...lines.map(describe)];
    const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    const format = (row: string[]) =>
      `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
    const rule = format(widths.map((width) => "-".repeat(width)));
    console.log(`\n${title}. To reach: ${goal}.\n`);
    console.log([format(head), rule, ...cells.slice(1).map(format)].join("\n"));
  }
}

function describe(line: Line): string[] {
  const { what, unit, ours, other, goal } = line;
  const ratio = ratioOf(line);
  const reached = isReached(line);
  const bound = goal && ("atMost" in goal ? `<= ${goal.atMost}` : `>= ${goal.atLeast}`);
  return [
    what,
    format(ours, unit),
    other ? `${format(other.measured, unit)}, ${other.name}` : "",
    ratio === undefined ? "" : ratio.toFixed(ratio < 0.1 ? 3 : 2),
    bound ? `${bound}: ${reached ? "yes" : "NO"}` : "",
  ];
}

/** For example `1.23 s (1.20 to 1.31)`. */
function format({ median, min, max, runs }: Measured, unit: Line["unit"]): string {
  const number = (value: number) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 3);
  const spread = runs > 1 ? ` (${number(min)} to ${number(max)})` : "";
  return `${number(median)} ${unit}${spread}`;
}

try {
  await main(Deno.args);
} catch (error) {
  console.error(`bench: ${(error as Error).stack}`);
  Deno.exit(1);
}
