import type { Measured } from "./measure.ts";

/** A group of lines of the table that are measured together. */
export interface Row {
  /** By which it is chosen on the command line. */
  name: string;
  /** What is measured, and what it is compared with. */
  title: string;
  goal: string;
  /** Measures and reports each line when it is known. */
  run(context: RowContext): Promise<void>;
}

/** How a row is run. */
export interface RowContext {
  /** Short: fewer repeats, smaller inputs. */
  quick: boolean;
  report(line: Line): void;
  /** Says what goes on, on standard error. */
  log(words: string): void;
}

/** A line of the table: both sides, measured in the same run. */
export interface Line {
  /** Which case of the row. */
  what: string;
  unit: Unit;
  ours: Measured;
  /** What `ours` is compared with; nothing where the goal is about `ours` alone. */
  other?: { name: string; measured: Measured };
  /** The goal for this line; its ratio is `ours` by `other`. */
  goal?: { atMost: number } | { atLeast: number };
}

/** Units, with how many decimals make sense. */
type Unit = "s" | "ms" | "MB" | "kB" | "MB/s" | "%" | "CPU ms/s" | "1/s" | "requests" | "x";

/** The ratio of both sides' medians. */
export function ratioOf({ ours, other }: Line): number | undefined {
  return other && ours.median / other.measured.median;
}

/** Whether a line reaches its goal; `undefined` when it has none. */
export function isReached(line: Line): boolean | undefined {
  const ratio = ratioOf(line);
  if (!line.goal || ratio === undefined) return undefined;
  return "atMost" in line.goal ? ratio <= line.goal.atMost : ratio >= line.goal.atLeast;
}
