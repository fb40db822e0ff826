import process from "node:process";

/**
 * The file that a user has started: `necoperf-client`, or `kubectl-necoperf` as a plug-in of
 * kubectl. The process's own name for itself is that of a symbolic link, if it was started by one.
 */
export const EXECUTABLE = toExecutable(process.argv0);

/** What a user writes to start this program, for help and messages. */
export const PROGRAM = nameProgram(EXECUTABLE);

/** Takes a program's name from its path, which has an extension on Windows. */
export function toExecutable(path: string): string {
  const name = path.replace(/^.*[/\\]/s, "").replace(/\.exe$/i, "");
  return /^kubectl-./.test(name) ? name : "necoperf-client";
}

/**
 * Says how a program is started: kubectl runs a file `kubectl-a-b_c` for the words `kubectl a b-c`.
 */
export function nameProgram(executable: string): string {
  return executable.startsWith("kubectl-")
    ? executable.replaceAll("-", " ").replaceAll("_", "-")
    : executable;
}
