import { Command } from "commander";
import { PROGRAM } from "../program_name.ts";
import { usageError } from "./option_values.ts";
import { idleOption, named, option } from "./shared_options.ts";

/** What to compare, how that is shown, and where it goes. */
export interface DiffOptions {
  before: string;
  after: string;
  format: "table" | "flamegraph" | "json";
  /** A directory or a new file; `-` for standard output. */
  output: string;
  /** Counts no thread as idle. */
  idle: boolean;
}

const EXAMPLES = `
Examples:
  ${PROGRAM} diff monday.perf.txt tuesday.perf.txt
  ${PROGRAM} diff monday.perf.txt tuesday.perf.txt --format flamegraph -o slower.html

The files are perf script's text or folded stacks, of the same event, and may be compressed with
gzip. To profile a pod named "diff", run: ${PROGRAM} profile diff
`;

export function defineDiff(): Command {
  return new Command(`${PROGRAM} diff`)
    .description("Shows what got slower or faster from one profile to another.")
    .usage("[options] BEFORE AFTER")
    .argument("[files...]")
    .addOption(
      option("--format <format>", "how to show it")
        .choices(["table", "flamegraph", "json"]).default("table"),
    )
    .addOption(
      named(
        "-o, --output <path>",
        "a directory or a new file; - for standard output (default: -, for a flame graph .)",
      ),
    )
    .addOption(idleOption())
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

export function toDiffOptions(command: Command): DiffOptions {
  const [before, after, another] = command.args;
  if (after === undefined) {
    throw usageError(`name the files of two profiles: ${PROGRAM} diff BEFORE AFTER`);
  }
  if (another !== undefined) throw usageError(`diff takes two profiles (got '${another}' as well)`);
  const { format, output, idle = false } = command.opts<
    Pick<DiffOptions, "format"> & Partial<DiffOptions>
  >();
  return { before, after, format, output: output ?? (format === "flamegraph" ? "." : "-"), idle };
}
