import type { Command, Option } from "commander";

/** A command line whose last word is being written. */
export interface UnfinishedLine {
  /** The kind of the last word; `value` with its option. */
  wanted: { kind: "value"; option: Option } | { kind: "operand" } | { kind: "flag" };
  /** What is written of it, without the name of an option before a `=`. */
  prefix: string;
  /** The options before it, with the values of those that take one. */
  given: Map<Option, string>;
  /** The words before it that belong to no option. */
  operands: string[];
}

/**
 * Reads a command line as commander does, as far as it goes. What is wrong in it stays unsaid:
 * the user may still correct it.
 */
export function readLine(command: Command, words: string[]): UnfinishedLine {
  const given = new Map<Option, string>();
  const operands: string[] = [];
  const last = words.at(-1) ?? "";
  /** Its value comes next. */
  let waiting: Option | undefined;
  let onlyOperands = false;
  for (const word of words.slice(0, -1)) {
    if (waiting) {
      given.set(waiting, word);
      waiting = undefined;
    } else if (onlyOperands || !word.startsWith("-") || word === "-") operands.push(word);
    else if (word === "--") onlyOperands = true;
    else waiting = readFlags(command, word, given);
  }
  const line = { prefix: last, given, operands };
  if (waiting) return { ...line, wanted: { kind: "value", option: waiting } };
  if (onlyOperands || !last.startsWith("-")) return { ...line, wanted: { kind: "operand" } };
  const [name, prefix] = last.split(/=(.*)/s);
  const option = findOption(command, name);
  if (prefix !== undefined && option && takesValue(option)) {
    return { ...line, prefix, wanted: { kind: "value", option } };
  }
  return { ...line, wanted: { kind: "flag" } };
}

/**
 * Reads `--name`, `--name=value`, `-abcVALUE` or `-abc=VALUE`; returns the option whose value is
 * the next word.
 */
function readFlags(
  command: Command,
  word: string,
  given: Map<Option, string>,
): Option | undefined {
  if (word.startsWith("--")) {
    const [name, value] = word.split(/=(.*)/s);
    const option = findOption(command, name);
    if (option && takesValue(option) && value === undefined) return option;
    if (option) given.set(option, value ?? "");
    return undefined;
  }
  for (let index = 1; index < word.length; index++) {
    const option = findOption(command, `-${word[index]}`);
    if (!option) return undefined;
    // kubectl also accepts -n=shop.
    const value = word.slice(index + 1).replace(/^=/, "");
    if (takesValue(option) && value === "") return option;
    given.set(option, takesValue(option) ? value : "");
    if (takesValue(option)) return undefined;
  }
}

function findOption(command: Command, name: string): Option | undefined {
  return command.options.find(({ long, short }) => name === long || name === short);
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}
