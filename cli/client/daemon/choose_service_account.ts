import { CliError, ExitStatus } from "../../errors.ts";
import type { ConnectOptions } from "./connection.ts";
import { type DaemonInfo, readDaemonInfo } from "./daemon_info.ts";
import type { DaemonCredentials } from "./daemon_credentials.ts";
import { noneMayProfile, USUAL_SERVICE_ACCOUNT } from "./find_service_account.ts";

/**
 * Asks a daemon which of several service accounts may profile, with a token of each for the
 * daemons, and gives the credentials of the first one; those that were given where there is nothing
 * to choose.
 *
 * Of a daemon that cannot be reached nothing is known: the reason is kept for when it can be.
 * Rejects only with the `CliError` that the user interrupted it.
 */
export async function chooseServiceAccount(options: ConnectOptions): Promise<DaemonCredentials> {
  const { access: { candidates, ...access } } = options;
  if (!candidates) return options.access;
  const { namespace, names, tokenOf } = candidates;
  const as = (name: string): DaemonCredentials => ({
    ...access,
    token: tokenOf(name),
    foundServiceAccount: { namespace, name },
  });
  const asked: string[] = [];
  for (const name of names) {
    const chosen = as(name);
    let info: DaemonInfo;
    try {
      ({ info } = await readDaemonInfo({ ...options, access: chosen, podNamespace: namespace }));
    } catch (error) {
      if (!(error instanceof CliError) || error.exitStatus === ExitStatus.INTERRUPTED) throw error;
      // There is no token of that one.
      if (error.exitStatus === ExitStatus.NOT_ALLOWED) continue;
      return {
        ...access,
        noTokenBecause:
          `which service account may profile (${names.join(", ")}) could not be asked: ` +
          error.message,
      };
    }
    // Of a daemon of an older release.
    if (!info.rights) break;
    if (info.rights.profiles) return chosen;
    asked.push(name);
  }
  // May profile some pods by their names, perhaps; else the daemon says what it lacks.
  if (names.includes(USUAL_SERVICE_ACCOUNT)) return as(USUAL_SERVICE_ACCOUNT);
  return {
    ...access,
    noTokenBecause: asked.length > 0
      ? noneMayProfile(namespace, asked)
      : `neither the API server nor the daemon could say which service account of namespace ` +
        `${namespace} may profile (${names.join(", ")}): choose with --service-account NAME`,
  };
}
