import { Buffer } from "node:buffer";

/** What a token says of itself, in the words of RFC 7519. */
interface TokenClaims {
  /** Whom it is for. */
  aud?: unknown;
  /** When it ends, in seconds since 1970. */
  exp?: unknown;
  /** Whose it is. */
  sub?: unknown;
}

/**
 * What a JSON Web Token claims; `undefined` for other tokens. Nothing is verified: that is for
 * those whom it is shown to.
 */
export function readTokenClaims(token: string): TokenClaims | undefined {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
    return typeof claims === "object" && claims !== null ? claims : undefined;
  } catch {
    return undefined;
  }
}
