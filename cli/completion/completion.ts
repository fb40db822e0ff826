import { escapeControls } from "../escape_controls.ts";

/** One way in which the last word of a command line may go on. */
export interface Candidate {
  /** The whole word, or the whole value when it follows `--name=`. */
  value: string;
  description?: string;
}

/** How the last word of a command line may go on. */
export interface Completion {
  candidates: Candidate[];
  /** What else the shell should offer. Default: nothing. */
  files?: "all" | "directories";
  /** The word goes on: no space after it. */
  goesOn?: boolean;
}

/** Bits of cobra's `ShellCompDirective`, which kubectl reads from the completions of plug-ins. */
const DIRECTIVE = { NO_SPACE: 2, NO_FILES: 4, DIRECTORIES: 16 };

/**
 * Writes a completion as cobra's programs do, which the scripts of `shell_scripts.ts` and kubectl
 * read: a candidate a line, its description after a tab, and at the end a colon and a number.
 */
export function writeCompletion({ candidates, files, goesOn }: Completion): string {
  const directive = (goesOn ? DIRECTIVE.NO_SPACE : 0) +
    (files === undefined
      ? DIRECTIVE.NO_FILES
      : files === "directories"
      ? DIRECTIVE.DIRECTORIES
      : 0);
  const lines = candidates
    // Names in a kubeconfig file may be anything; these would be taken for several.
    .filter(({ value }) => value !== "" && value === escapeControls(value))
    .map(({ value, description }) => description ? `${value}\t${oneLine(description)}` : value);
  return [...lines, `:${directive}`].join("\n");
}

function oneLine(text: string): string {
  return escapeControls(text.replaceAll(/\s+/g, " "));
}
