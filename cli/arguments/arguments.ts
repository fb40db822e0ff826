import { type Command, CommanderError } from "commander";
import { defineCompletion, type Shell, toShell } from "./completion.ts";
import { type ConvertOptions, defineConvert, toConvertOptions } from "./convert.ts";
import { defineDiff, type DiffOptions, toDiffOptions } from "./diff.ts";
import { defineDoctor, toDoctorOptions } from "./doctor.ts";
import { defineFetch, type FetchOptions, toFetchOptions } from "./fetch.ts";
import { usageError } from "./option_values.ts";
import { defineProfile, type ProfileOptions, toProfileOptions } from "./profile.ts";
import type { DoctorOptions } from "../doctor/doctor.ts";
import { CliError } from "../errors.ts";
import { PROGRAM } from "../program_name.ts";

/** What a command line asks for. */
export type Invocation =
  | { kind: "profile"; options: ProfileOptions }
  | { kind: "fetch"; options: FetchOptions }
  | { kind: "convert"; options: ConvertOptions }
  | { kind: "diff"; options: DiffOptions }
  | { kind: "doctor"; options: DoctorOptions & { verbosity: number } }
  | { kind: "completion"; shell: Shell }
  /** What the scripts of `completion` run; the last of the words is to be completed. */
  | { kind: "complete"; words: string[] }
  /** `--help` or `--version`: nothing but this text. */
  | { kind: "print"; text: string };

/** In columns, on every terminal: the text is made before it is known where it is shown. */
const HELP_WIDTH = 80;

/** The commands whose names go before everything else; without one it is `profile`. */
const COMMANDS: Record<string, { define(): Command; toInvocation(command: Command): Invocation }> =
  {
    completion: {
      define: defineCompletion,
      toInvocation: (command) => ({ kind: "completion", shell: toShell(command) }),
    },
    convert: {
      define: defineConvert,
      toInvocation: (command) => ({ kind: "convert", options: toConvertOptions(command) }),
    },
    diff: {
      define: defineDiff,
      toInvocation: (command) => ({ kind: "diff", options: toDiffOptions(command) }),
    },
    doctor: {
      define: defineDoctor,
      toInvocation: (command) => ({ kind: "doctor", options: toDoctorOptions(command) }),
    },
    fetch: {
      define: defineFetch,
      toInvocation: (command) => ({ kind: "fetch", options: toFetchOptions(command) }),
    },
  };

/** The commands, by their names. */
export function defineCommands(version: string): Record<string, Command> {
  const commands = Object.entries(COMMANDS).map(([name, { define }]) => [name, define()]);
  return { profile: defineMain(version), ...Object.fromEntries(commands) };
}

/** The command without a name, whose help lists the others. */
function defineMain(version: string): Command {
  return defineProfile(version).addHelpText("after", () => {
    const lines = Object.entries(COMMANDS)
      .map(([name, { define }]) => `  ${name.padEnd(12)}${define().description()}`);
    return ["Other commands (each has its own --help):", ...lines].join("\n");
  });
}

function findNamed(name = "") {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

/**
 * Reads a command line (without the program's name).
 *
 * Throws a `CliError` (exit status 2) for a command line that is not understood. Limits that a
 * daemon's administrator sets are the daemon's to check.
 */
export function parseArguments(args: string[], version: string): Invocation {
  try {
    return parse(args, version);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const command = findNamed(args[0]) ? `${PROGRAM} ${args[0]}` : PROGRAM;
    const message = `${error.message}\n\`${command} --help\` lists the options`;
    throw new CliError(error.exitStatus, message, { cause: error });
  }
}

function parse(args: string[], version: string): Invocation {
  // As programs have it that are made with cobra, such as kubectl.
  if (args[0] === "__complete") return { kind: "complete", words: args.slice(1) };
  const named = findNamed(args[0]);
  let printed = "";
  const command = (named ? named.define() : defineMain(version)).exitOverride()
    .configureOutput({
      writeOut: (text) => printed += text,
      writeErr: () => {},
      // Without these commander reads environment names that this program has no permission for.
      getOutHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  // kubectl also accepts -n=shop.
  const words = args.slice(named ? 1 : 0).map((word) => word.replace(/^(-[A-Za-z])=/, "$1"));
  try {
    command.parse(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed };
    throw usageError(error.message.replace(/^error: /, ""));
  }
  if (named) return named.toInvocation(command);
  return { kind: "profile", options: toProfileOptions(command) };
}
