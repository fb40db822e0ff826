import { createHash } from "node:crypto";
import type { Caller } from "../caller.ts";
import { ExpiringCache } from "./expiring_cache.ts";
import type { AccessQuestion, KubernetesApi } from "./kubernetes_api.ts";

/** How long a right that is taken away, or given, may take to count. */
const GOOD_MS = 10_000;
const BAD_MS = 2_000;
const MAX_CACHED = 1024;

/** Finds out what a caller may do. */
export interface Authorizer {
  /** Rejects with `UNAVAILABLE` when nobody can tell. */
  allows(caller: Caller, question: AccessQuestion): Promise<boolean>;
}

/** Asks the API server, and keeps its answers for seconds. */
export function createAuthorizer(
  api: Pick<KubernetesApi, "reviewAccess">,
  { now, maxCached = MAX_CACHED }: { now?: () => number; maxCached?: number } = {},
): Authorizer {
  const cache = new ExpiringCache<boolean>(maxCached, now);
  return {
    allows(caller, question) {
      const { user, uid, groups, extra } = caller;
      const { resource, namespace, name } = question;
      const asked = JSON.stringify([user, uid, groups, extra, resource, namespace, name]);
      // Hashed, because a user's groups and extras may be long.
      const key = createHash("sha256").update(asked).digest("base64");
      return cache.get(key, async () => {
        const value = await api.reviewAccess(caller, question);
        return { value, validMs: value ? GOOD_MS : BAD_MS };
      });
    },
  };
}
