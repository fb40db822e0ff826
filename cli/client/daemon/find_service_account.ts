import { CliError, ExitStatus } from "../../errors.ts";
import type { Cluster, IssuedToken, ResourceAccess } from "../cluster/kubernetes.ts";
import { isObjectName } from "../cluster/object_name.ts";
import { forEachConcurrent } from "../for_each_concurrent.ts";

/** The service account that `deploy/tenant` makes. */
export const USUAL_SERVICE_ACCOUNT = "necoperf-client";

/** Every namespace has it, for pods that name none. */
const DEFAULT_SERVICE_ACCOUNT = "default";

/** A namespace has a few; each that is looked at takes a request. */
const MAX_ACCOUNTS = 32;

/** Reviews that are under way at once. */
const MAX_REVIEWS = 8;

/** A service account with its first token, or why there is none. */
export type FoundServiceAccount =
  | { name: string; issued: IssuedToken }
  | { missing: string };

/** What is asked of a cluster. */
type AskedCluster = Pick<
  Cluster,
  "mayServiceAccountAccess" | "readTokenRights" | "listServiceAccounts"
>;

/**
 * Finds the service account of a namespace as which the caller can call the daemons: one that the
 * caller may request tokens of and that may profile in the namespace. That is `necoperf-client`, else
 * the first by its name. `request` requests a token of one, for the daemons alone.
 *
 * Where the caller may not ask what an account may do, the daemon decides: about `necoperf-client`,
 * and about the only other one there is. Of several the caller has to name one.
 *
 * Nothing here is a reason not to call the daemon: failures of the API server, too, are why there is
 * no token. Rejects only with the `CliError` that the user interrupted it.
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
  if (takeUsual && usualMay !== false) return takeUsual;

  const { any, names } = await cluster.readTokenRights(namespace);
  const listed = any ? await cluster.listServiceAccounts(namespace, MAX_ACCOUNTS) : [];
  const others = [...new Set([...names, ...listed ?? []])].filter((name) =>
    // Names of rules are anybody's words, and become part of a path and of messages.
    isObjectName(name) && name !== USUAL_SERVICE_ACCOUNT
  ).sort().slice(0, MAX_ACCOUNTS);
  const isKnown = usualMay !== undefined;
  const candidates = isKnown ? await filterConcurrent(others, mayProfile) : withoutDefault(others);
  if (isKnown || candidates.length === 1) {
    for (const name of candidates) {
      const issued = await tryRequest(name);
      if (issued) return { name, issued };
    }
  }
  // May profile some pods by their names, perhaps; else the daemon says what it lacks.
  if (takeUsual) return takeUsual;
  return {
    missing: explain(namespace, {
      others,
      isListed: listed !== undefined,
      any,
      isKnown,
      candidates,
    }),
  };
}

/** Nobody means the `default` one where there is another. */
function withoutDefault(names: string[]): string[] {
  const others = names.filter((name) => name !== DEFAULT_SERVICE_ACCOUNT);
  return others.length > 0 ? others : names;
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

function explain(
  namespace: string,
  { others, isListed, any, isKnown, candidates }: {
    others: string[];
    isListed: boolean;
    any: boolean;
    isKnown: boolean;
    /** Those that may profile, or could be the one. */
    candidates: string[];
  },
): string {
  if (!isKnown && candidates.length > 1) {
    return `you may not ask which service account of namespace ${namespace} may profile ` +
      `(${candidates.join(", ")}): choose with --service-account NAME`;
  }
  if (isKnown && others.length > 0 && candidates.length === 0) {
    return `of the service accounts of namespace ${namespace} that you may request tokens of, none ` +
      `may profile (${
        others.join(", ")
      }). A Role in namespace ${namespace} with this rule, bound to ` +
      "one of them, allows it: {apiGroups: [necoperf.cybozu.io], resources: [profiles], verbs: " +
      "[create]}";
  }
  const inOtherWays = any && !isListed
    ? ", and you may not list the others to find one: name it with --service-account NAME"
    : "";
  return `you may not request a token of the service account ${USUAL_SERVICE_ACCOUNT} in namespace ` +
    `${namespace}, or it does not exist${inOtherWays}. deploy/tenant makes it, and a Role in ` +
    `namespace ${namespace} with this rule, bound to you, allows it: {apiGroups: [""], resources: ` +
    `[serviceaccounts/token], resourceNames: [${USUAL_SERVICE_ACCOUNT}], verbs: [create]}`;
}
