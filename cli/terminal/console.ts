import type { ClusterOptions } from "../client/cluster/kubernetes.ts";
import { escapeControls, escapeJson, escapeLines } from "../escape_controls.ts";
import { PROGRAM } from "../program_name.ts";

/**
 * Writes a message to standard error, each line with the program's name before it. Standard output
 * is for results.
 */
export function logError(text: string): void {
  for (const line of escapeLines(text).split("\n")) console.error(`${PROGRAM}: ${line}`);
}

/** Writes a line to standard error without the program's name, for the lines of a table. */
export function logLine(line: string): void {
  console.error(escapeControls(line));
}

/** Writes lines that a user asked for to standard output. */
export function print(text: string): void {
  console.log(escapeLines(text));
}

/** Writes a value as JSON to standard output. */
export function printJson(value: unknown): void {
  console.log(escapeJson(JSON.stringify(value, null, 2)));
}

/**
 * Writes the path of a result to standard output: as it is for a script, and without control
 * characters for a terminal.
 */
export function printPath(path: string): void {
  console.log(Deno.stdout.isTerminal() ? escapeControls(path) : path);
}

/** The options with which a cluster's requests are logged, at kubectl's level for that. */
export function requestLog(
  verbosity: number,
  log: (text: string) => void,
): Pick<ClusterOptions, "onRequest"> {
  return verbosity < 6 ? {} : {
    onRequest: ({ method, url, outcome, milliseconds }) =>
      log(`${method} ${url} ${outcome} in ${milliseconds} milliseconds`),
  };
}
