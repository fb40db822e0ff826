import { Command } from "commander";
import { CONVERTED_FORMATS, type ConvertedFormat } from "../formats/converted_format.ts";
import { PROGRAM } from "../program_name.ts";
import { usageError } from "./option_values.ts";
import { idleOption, named, option } from "./shared_options.ts";

/** What to convert, to what, and where that goes. */
export interface ConvertOptions {
  /** A file; `-` for standard input. */
  input: string;
  format: ConvertedFormat;
  /** A directory or a new file; `-` for standard output. */
  output: string;
  /** Counts no thread as idle. */
  idle?: boolean;
}

const EXAMPLES = `
Examples:
  ${PROGRAM} convert web-0-app-20250131T235958Z.perf.txt --format flamegraph
  perf script | ${PROGRAM} convert - --format speedscope -o web.speedscope.json

The text may be compressed with gzip. No file is overwritten. To profile a
pod named "convert", run: ${PROGRAM} profile convert
`;

export function defineConvert(): Command {
  return new Command(`${PROGRAM} convert`)
    .description("Converts perf script's text to a format for viewing.")
    .usage("[options] FILE")
    .argument("[file...]", "perf script's text; - for standard input")
    .addOption(
      option("--format <format>", "what to convert it to")
        .choices(Object.keys(CONVERTED_FORMATS)).makeOptionMandatory(),
    )
    .addOption(
      named("-o, --output <path>", "a directory or a new file; - for standard output").default("."),
    )
    .addOption(idleOption())
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

export function toConvertOptions(command: Command): ConvertOptions {
  const [input, another] = command.args;
  if (input === undefined) {
    throw usageError("name the file to convert, or - for standard input");
  }
  if (another !== undefined) throw usageError(`convert takes one file (got '${another}' as well)`);
  return { input, ...command.opts<Omit<ConvertOptions, "input">>() };
}
