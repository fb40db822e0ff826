import { Argument, Command } from "commander";
import { EXECUTABLE, PROGRAM } from "../program_name.ts";

/** The shells that can complete command lines of this program. */
export type Shell = "bash" | "zsh" | "fish" | "kubectl";

const SHELLS: Shell[] = ["bash", "zsh", "fish", "kubectl"];

const HOW_TO_LOAD = `
To load it, in bash:
  source <(${PROGRAM} completion bash)
  ${PROGRAM} completion bash > ~/.bash_completion.d/${EXECUTABLE}  # or where your bash looks

In zsh, after compinit:
  source <(${PROGRAM} completion zsh)
  ${PROGRAM} completion zsh > "\${fpath[1]}/_${EXECUTABLE}"        # for each new shell

In fish:
  ${PROGRAM} completion fish | source
  ${PROGRAM} completion fish > ~/.config/fish/completions/${EXECUTABLE}.fish

For \`kubectl necoperf\` (the client by the name kubectl-necoperf), anywhere on the PATH, where kubectl
1.26 and later looks for it:
  ${PROGRAM} completion kubectl > ~/bin/kubectl_complete-necoperf
  chmod +x ~/bin/kubectl_complete-necoperf
`;

export function defineCompletion(): Command {
  return new Command(`${PROGRAM} completion`)
    .description("Prints a script with which a shell completes command lines.")
    .usage("SHELL")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", HOW_TO_LOAD);
}

export function toShell(command: Command): Shell {
  return command.args[0] as Shell;
}
