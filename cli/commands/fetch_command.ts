import type { DaemonCredentials } from "../client/daemon/daemon_credentials.ts";
import { nameResult } from "../client/recording/profile.ts";
import type { Target } from "../client/targets/target.ts";
import { PROGRAM } from "../program_name.ts";

/**
 * The command line that goes on with the download of a result. `flags` are those that the user has
 * given and that `fetch` also has; `access` is that of the recording: a daemon gives a result only
 * to the account that requested it.
 */
export function fetchCommand(
  recordingId: string,
  flags: string[],
  { target, access = target?.access }: { target?: Target; access?: DaemonCredentials } = {},
): string {
  const words = ["fetch", recordingId];
  if (target?.pod) words.push("--node", target.pod.nodeName);
  if (target) words.push("--name", nameResult(target));
  const account = access?.foundServiceAccount;
  if (account) words.push("--service-account", account.name);
  return [PROGRAM, ...[...words, ...flags].map(quoteForShell)].join(" ");
}

/** As a POSIX shell takes it for one word. */
function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
