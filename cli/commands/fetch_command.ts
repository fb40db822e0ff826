import { nameResult } from "../client/recording/profile.ts";
import type { Target } from "../client/targets/target.ts";
import { PROGRAM } from "../program_name.ts";

/**
 * The command line that goes on with the download of a result. `flags` are what the user has given
 * of those that `fetch` has, too.
 */
export function fetchCommand(recordingId: string, flags: string[], target?: Target): string {
  const words = ["fetch", recordingId];
  if (target?.pod) words.push("--node", target.pod.nodeName);
  if (target) words.push("--name", nameResult(target));
  return [PROGRAM, ...[...words, ...flags].map(quoteForShell)].join(" ");
}

/** As a POSIX shell takes it for one word. */
function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
