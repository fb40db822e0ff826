import { createHash } from "node:crypto";
import type { Caller, ClientCertificate, Credentials } from "../caller.ts";
import { ExpiringCache } from "./expiring_cache.ts";
import type { KubernetesApi } from "./kubernetes_api.ts";
import { quote } from "../quote.ts";
import { StatusError } from "../status_error.ts";

/** A service account's token has one to two KB. */
const MAX_TOKEN_LENGTH = 16 << 10;
/** How long a deleted service account may go on, and how long the API server is left in peace. */
const GOOD_MS = 10_000;
const BAD_MS = 2_000;
const MAX_CACHED = 1024;

/** Finds out who calls. */
export interface Authenticator {
  /** Rejects with `UNAUTHENTICATED` and words that say what to do, or with `UNAVAILABLE`. */
  authenticate(credentials: Credentials): Promise<Caller>;

  /**
   * Whether credentials that were good are so no longer because somebody took them back, as with
   * the service account of a token. What has merely expired since then was not taken back: a
   * recording may wait and run for longer than a token lives. Rejects with `UNAVAILABLE`.
   */
  isRevoked(credentials: Credentials): Promise<boolean>;
}

/** How long answers stand; the defaults are for the daemon, others for tests. */
interface AuthenticatorOptions {
  /** Whom tokens must be meant for. */
  audience: string;
  now?: () => number;
  maxCached?: number;
}

/**
 * Authenticates by a bearer token, which the API server reviews, or by the client certificate of
 * the connection. A token counts more: a program may hold a connection for several users.
 */
export function createAuthenticator(
  api: Pick<KubernetesApi, "reviewToken">,
  { audience, now, maxCached = MAX_CACHED }: AuthenticatorOptions,
): Authenticator {
  const cache = new ExpiringCache<Caller | undefined>(maxCached, now);

  function review(token: string): Promise<Caller | undefined> {
    // Hashed, so that no token rests in memory longer than its call.
    const key = createHash("sha256").update(token).digest("base64");
    return cache.get(key, async () => {
      const value = await api.reviewToken(token, audience);
      return { value, validMs: value ? GOOD_MS : BAD_MS };
    });
  }

  return {
    async authenticate({ authorization, certificate }) {
      if (authorization.length === 0) {
        if (certificate) return callerOf(certificate);
        throw unauthenticated(
          `no token came with the call: send one for the audience "${audience}" as metadata ` +
            "`authorization: Bearer <token>` (necoperf-client: --token-file)",
        );
      }
      const token = tokenOf(authorization);
      const caller = await review(token);
      if (!caller) throw unauthenticated(describeRefused(token, audience));
      return caller;
    },

    async isRevoked({ authorization }) {
      // Nothing takes a client certificate back but its authority.
      if (authorization.length === 0) return false;
      const token = tokenOf(authorization);
      return await review(token) === undefined && !hasExpired(token);
    },
  };
}

/** Takes the token out of the header, whose text is never repeated in a message. */
function tokenOf(authorization: string[]): string {
  if (authorization.length > 1) {
    throw unauthenticated("the call has more than one metadata `authorization`");
  }
  if (authorization[0].length > MAX_TOKEN_LENGTH) {
    throw unauthenticated(`the token is longer than ${MAX_TOKEN_LENGTH} characters`);
  }
  // The characters of RFC 6750; Kubernetes' tokens have no others.
  const match = /^Bearer +([A-Za-z0-9._~+\/-]+=*)$/i.exec(authorization[0]);
  if (match) return match[1];
  throw unauthenticated(
    "metadata `authorization` is not of the form `Bearer <token>` with the characters of a token",
  );
}

/**
 * Says what is wrong with a token that the API server refused, as far as its own claims show. They
 * are not verified, so they make words only.
 */
function describeRefused(token: string, audience: string): string {
  const { aud } = claimsOf(token);
  const audiences = [aud ?? []].flat().map(String);
  if (audiences.length > 0 && !audiences.includes(audience)) {
    const theirs = audiences.slice(0, 3).map((each) => quote(each)).join(", ");
    return `the token is for the audience ${theirs} and not for "${audience}": request one for ` +
      `that (necoperf-client does so by itself), and keep this one to yourself`;
  }
  if (hasExpired(token)) return "the token has expired: send a new one";
  return `the API server does not accept the token for the audience "${audience}": it was not made ` +
    "for it, was made by another cluster, or its service account or pod is gone";
}

/** Whether a token says so itself. */
function hasExpired(token: string): boolean {
  const { exp } = claimsOf(token);
  return typeof exp === "number" && exp * 1000 < Date.now();
}

function claimsOf(token: string): { aud?: unknown; exp?: unknown } {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}

/** As Kubernetes does it: the common name is the user, each organization a group. */
function callerOf({ subject, validUntil }: ClientCertificate): Caller {
  if (validUntil.getTime() < Date.now()) {
    // It was good when the connection was made, which may be long ago.
    throw unauthenticated("the client certificate has expired: connect again with a new one");
  }
  const { CN: user, O: organizations = [] } = subject;
  const groups = [organizations].flat();
  if (typeof user !== "string" || ![user, ...groups].every(isName)) {
    throw unauthenticated(
      "the client certificate must have one CN, the user, and names of printable ASCII",
    );
  }
  return { user, uid: "", groups: [...groups, "system:authenticated"], extra: {} };
}

function isName(text: string): boolean {
  // Others come from Deno in a wrong encoding (2.9.6: UTF-8 taken for Latin-1).
  return /^[\x20-\x7e]+$/.test(text);
}

function unauthenticated(message: string): StatusError {
  return new StatusError("UNAUTHENTICATED", message);
}
