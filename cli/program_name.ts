import { basename } from "node:path";
import process from "node:process";

/** The file that a user has started: `necoperf-client`, or `kubectl-necoperf` as a plug-in of kubectl. */
export const EXECUTABLE = /^kubectl-./.test(basename(process.argv0))
  ? basename(process.argv0)
  : "necoperf-client";

/** What a user writes to start this program, for help and messages. */
export const PROGRAM = nameProgram(EXECUTABLE);

/** Says how a program is started: kubectl runs a file `kubectl-a-b_c` for the words `kubectl a b-c`. */
export function nameProgram(executable: string): string {
  return executable.startsWith("kubectl-")
    ? executable.replaceAll("-", " ").replaceAll("_", "-")
    : executable;
}
