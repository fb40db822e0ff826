/** The file that a user has started: `necoperf-client`, or `kubectl-necoperf` as a plug-in of kubectl. */
export const EXECUTABLE = toExecutable(basename(await findArgv0()));

/** What a user writes to start this program, for help and messages. */
export const PROGRAM = nameProgram(EXECUTABLE);

/**
 * The name by which this process was started: of a symbolic link, if it was one, which
 * `Deno.execPath()` is not. bash and zsh leave what they start in the variable `_`. When that is
 * this program, it need not load Node.js's `process`, which takes as long as the rest of `--help`.
 */
async function findArgv0(): Promise<string> {
  const startedByShell = Deno.env.get("_");
  return startedByShell && basename(startedByShell) === basename(Deno.execPath())
    ? startedByShell
    : (await import("node:process")).default.argv0;
}

function toExecutable(name: string): string {
  return /^kubectl-./.test(name) ? name : "necoperf-client";
}

/** Says how a program is started: kubectl runs a file `kubectl-a-b_c` for the words `kubectl a b-c`. */
export function nameProgram(executable: string): string {
  return executable.startsWith("kubectl-")
    ? executable.replaceAll("-", " ").replaceAll("_", "-")
    : executable;
}

/** `node:path` is a module that `--help` has no other use for. */
function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
