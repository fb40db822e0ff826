import type { V1SubjectRulesReviewStatus } from "@kubernetes/client-node";

/** Of which service accounts of a namespace a caller may request tokens. */
export interface TokenRights {
  /** Perhaps of every account. */
  any: boolean;
  /** Of these accounts, which may not be there. */
  names: string[];
}

/** The user that a service account is to the API server. */
export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/**
 * The groups of a user that is a service account, as the API server adds them when it sees a token
 * of it; an access review knows only those that it is given. `undefined` for other users, whose
 * groups nobody but their authenticator knows.
 */
export function serviceAccountGroups(user: string): string[] | undefined {
  const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(user) ?? [];
  if (namespace === undefined) return undefined;
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
}

/**
 * Finds in an API server's answer which tokens may be requested, with RBAC's wildcards. Where an
 * authorizer cannot list its rules (a webhook, such as GKE's), it may be any: who asks hears it.
 */
export function toTokenRights(
  { resourceRules, incomplete }: Pick<V1SubjectRulesReviewStatus, "resourceRules" | "incomplete">,
): TokenRights {
  const has = (list: string[] | undefined, ...wanted: string[]) =>
    list?.some((each) => each === "*" || wanted.includes(each)) ?? false;
  const fitting = resourceRules.filter(({ verbs, apiGroups, resources }) =>
    has(verbs, "create") && has(apiGroups, "") && has(resources, "serviceaccounts/token", "*/token")
  );
  return {
    any: incomplete || fitting.some(({ resourceNames = [] }) => resourceNames.length === 0),
    names: fitting.flatMap(({ resourceNames = [] }) => resourceNames),
  };
}
