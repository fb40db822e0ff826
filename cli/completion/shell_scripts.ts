import type { Shell } from "../arguments/completion.ts";

/**
 * Reads the script that makes a shell, or kubectl, complete the command lines of `executable`.
 *
 * The scripts know nothing of them: each runs `EXECUTABLE __complete WORDS` and reads what
 * `writeCompletion` writes. They are this project's own because the packages that make such scripts
 * do not fit: @bomb.sh/tab completes with what is known without waiting only, needs the package
 * bash-completion and has bash run at each TAB what is in `$(...)` on the line; omelette shows no
 * descriptions; @pnpm/tabtab wants to write into the files that shells start with.
 */
export async function readShellScript(shell: Shell, executable: string): Promise<string> {
  const script = await Deno.readTextFile(`${import.meta.dirname}/shell_scripts/${shell}`);
  return script.replaceAll("necoperf-client", executable)
    .replaceAll("necoperf_client", executable.replaceAll(/\W/g, "_"));
}
