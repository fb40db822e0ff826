import { CliError, ExitStatus } from "../../errors.ts";
import type { Cluster, IssuedToken, ResourceAccess } from "../cluster/kubernetes.ts";
import { isObjectName } from "../cluster/object_name.ts";
import { forEachConcurrent } from "../for_each_concurrent.ts";

/** The service account that `deploy/tenant` makes. */
export const USUAL_SERVICE_ACCOUNT = "necoperf-client";

/** A namespace has a few; each that is looked at takes a request. */
const MAX_ACCOUNTS = 32;

/** Reviews that are under way at once. */
const MAX_REVIEWS = 8;

/**
 * A service account with its first token; several, of which a daemon can say whether they may
 * profile, and the first token of `necoperf-client` if it is one of them; or why there is none.
 */
export type FoundServiceAccount =
  | { name: string; issued: IssuedToken }
  | { candidates: string[]; usual?: IssuedToken }
  | { missing: string };

/** What is asked of a cluster. */
type AskedCluster = Pick<
  Cluster,
  "mayServiceAccountAccess" | "readTokenRights" | "listServiceAccounts"
>;

/**
 * Finds the service account of a namespace as which the caller can call the daemons: one that the
 * caller may request tokens of and that may profile in the namespace. That is `necoperf-client`,
 * else the first by its name. `request` requests a token of one, for the daemons alone.
 *
 * No failure here is a reason not to call the daemon, not even one of the API server: it only
 * explains why there is no token. Rejects only with the `CliError` of an interruption by the user.
 */
export async function findServiceAccount(
  cluster: AskedCluster,
  namespace: string,
  request: (name: string) => Promise<IssuedToken>,
): Promise<FoundServiceAccount> {
  try {
    return await search(cluster, namespace, request);
  } catch (error) {
    if (!(error instanceof CliError) || error.exitStatus === ExitStatus.INTERRUPTED) throw error;
    return { missing: `no service account was found to request a token of: ${error.message}` };
  }
}

async function search(
  cluster: AskedCluster,
  namespace: string,
  request: (name: string) => Promise<IssuedToken>,
): Promise<FoundServiceAccount> {
  const tryRequest = async (name: string) => {
    try {
      return await request(name);
    } catch (error) {
      // Not allowed, or there is no such account.
      if (error instanceof CliError && error.exitStatus === ExitStatus.NOT_ALLOWED) return;
      throw error;
    }
  };
  const profiling: ResourceAccess = {
    verb: "create",
    group: "necoperf.cybozu.io",
    resource: "profiles",
    namespace,
  };
  const mayProfile = async (name: string) => {
    try {
      return await cluster.mayServiceAccountAccess(profiling, name);
    } catch (error) {
      // The token may be had all the same, and the daemon decides.
      if (error instanceof CliError && error.exitStatus !== ExitStatus.INTERRUPTED) return;
      throw error;
    }
  };
  const [usual, usualMay] = await Promise.all([
    tryRequest(USUAL_SERVICE_ACCOUNT),
    mayProfile(USUAL_SERVICE_ACCOUNT),
  ]);
  const takeUsual = usual && { name: USUAL_SERVICE_ACCOUNT, issued: usual };
  if (takeUsual && usualMay) return takeUsual;

  let others: string[];
  let isOneUnknown: boolean;
  try {
    ({ others, isOneUnknown } = await listOthers(cluster, namespace));
  } catch (error) {
    if (takeUsual && !isInterrupted(error)) return takeUsual;
    throw error;
  }
  if (usualMay === undefined) {
    // The caller may not ask the API server what accounts may do.
    const candidates = takeUsual ? [USUAL_SERVICE_ACCOUNT, ...others] : others;
    if (candidates.length > 1) return { candidates, usual };
  }
  const fitting = usualMay === undefined ? others : await filterConcurrent(others, mayProfile);
  for (const name of fitting) {
    const issued = await tryRequest(name);
    if (issued) return { name, issued };
  }
  // May profile some pods by their names, perhaps; else the daemon says what it lacks.
  if (takeUsual) return takeUsual;
  if (fitting.length === 0 && others.length > 0) {
    return { missing: noneMayProfile(namespace, others) };
  }
  return { missing: noToken(namespace, isOneUnknown) };
}

function isInterrupted(error: unknown): boolean {
  return error instanceof CliError && error.exitStatus === ExitStatus.INTERRUPTED;
}

/**
 * Names of other accounts of which the caller may request tokens, and whether there may be more.
 */
async function listOthers(
  cluster: AskedCluster,
  namespace: string,
): Promise<{ others: string[]; isOneUnknown: boolean }> {
  const { any, names } = await cluster.readTokenRights(namespace);
  const listed = any ? await cluster.listServiceAccounts(namespace, MAX_ACCOUNTS) : [];
  const others = [...new Set([...names, ...listed ?? []])].filter((name) =>
    // Names of rules are anybody's words, and become part of a path and of messages.
    isObjectName(name) && name !== USUAL_SERVICE_ACCOUNT
  );
  return { others: others.sort().slice(0, MAX_ACCOUNTS), isOneUnknown: listed === undefined };
}

async function filterConcurrent(
  names: string[],
  test: (name: string) => Promise<boolean | undefined>,
): Promise<string[]> {
  const fitting = new Set<string>();
  await forEachConcurrent(names, MAX_REVIEWS, async (name) => {
    if (await test(name)) fitting.add(name);
  });
  return names.filter((name) => fitting.has(name));
}

/** Why there is no token where the accounts of which there are some may not profile. */
export function noneMayProfile(namespace: string, names: string[]): string {
  return `of the service accounts of namespace ${namespace} that you may request tokens of, none may ` +
    `profile (${
      names.join(", ")
    }). A Role in namespace ${namespace} with this rule, bound to one of ` +
    "them, allows it: {apiGroups: [necoperf.cybozu.io], resources: [profiles], verbs: [create]}";
}

/** Why there is no token where none may be requested of the accounts that are known. */
function noToken(namespace: string, isOneUnknown: boolean): string {
  const inOtherWays = isOneUnknown
    ? ", and you may not list the others to find one: name it with --service-account NAME"
    : "";
  return `you may not request a token of the service account ${USUAL_SERVICE_ACCOUNT} in namespace ` +
    `${namespace}, or it does not exist${inOtherWays}. deploy/tenant makes it, and a Role in ` +
    `namespace ${namespace} with this rule, bound to you, allows it: {apiGroups: [""], resources: ` +
    `[serviceaccounts/token], resourceNames: [${USUAL_SERVICE_ACCOUNT}], verbs: [create]}`;
}
