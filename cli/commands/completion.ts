import type { Shell } from "../arguments/completion.ts";
import { readShellScript } from "../completion/shell_scripts.ts";
import { ExitStatus } from "../errors.ts";
import { EXECUTABLE } from "../program_name.ts";

/** `necoperf-client completion`. */
export async function runCompletion(shell: Shell): Promise<ExitStatus> {
  // kubectl runs a plug-in by this name alone.
  const executable = shell === "kubectl" ? "kubectl-necoperf" : EXECUTABLE;
  console.log((await readShellScript(shell, executable)).trimEnd());
  return ExitStatus.DONE;
}
