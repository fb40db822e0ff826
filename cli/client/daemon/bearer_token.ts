import { TOKEN_AUDIENCE } from "../../../proto/defaults.ts";
import type { IssuedToken } from "../cluster/kubernetes.ts";
import { readTokenClaims } from "../cluster/token_claims.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { fileError, readSmallFile } from "./small_file.ts";

/**
 * Gives the token for the next call. Rejects with a `CliError` that carries no token when there is
 * none, or with an abort of `signal`.
 */
export type TokenSource = (signal?: AbortSignal) => Promise<string>;

/** With these a metadata entry stays below what gRPC servers take by default. */
const MAX_TOKEN_BYTES = 8192;

/** After this part of its lifetime a token is replaced. */
const USABLE_PART = 0.8;

/**
 * Reads a token from a file, anew for each call: the kubelet replaces projected tokens long before
 * they expire.
 *
 * The source rejects with a `CliError` that names the file and never its content: it is missing,
 * too large or does not hold exactly one token (exit status 2), or the token is one for somebody
 * else, such as the API server (4): anyone who gets such a token can act as its owner there.
 */
export function tokenFromFile(path: string): TokenSource {
  return async () => {
    const text = await readSmallFile("the token file", path, MAX_TOKEN_BYTES);
    const token = text.trim();
    const flaw = findFlaw(token);
    if (flaw) throw fileError("the token file", path, flaw);
    if (!isForNecoPerf(token)) {
      throw new CliError(
        ExitStatus.NOT_ALLOWED,
        `the token file ${path}: this token is not for the audience '${TOKEN_AUDIENCE}' and was not ` +
          `sent; \`kubectl create token NAME --audience ${TOKEN_AUDIENCE}\` makes one, and so does a ` +
          "projected volume of a pod",
      );
    }
    return token;
  };
}

/**
 * Has tokens made, one at a time, and uses each for most of its lifetime. `first` was made just
 * now. `now` is a clock in milliseconds that only goes forward.
 */
export function tokenOnRequest(
  request: (signal?: AbortSignal) => Promise<IssuedToken>,
  { first, now = () => performance.now() }: { first?: IssuedToken; now?: () => number } = {},
): TokenSource {
  const keep = ({ token, lifetimeSeconds }: IssuedToken, askedAtMs: number) => {
    if (findFlaw(token)) {
      throw new CliError(ExitStatus.OTHER, "the API server made a token that cannot be sent");
    }
    return { token, replaceAtMs: askedAtMs + lifetimeSeconds * USABLE_PART * 1000 };
  };
  let current = first && keep(first, now());
  let lock = Promise.resolve();
  return async (signal) => {
    // Concurrent callers take the token that is being made, or request one when that fails.
    const before = lock;
    const { promise, resolve: unlock } = Promise.withResolvers<void>();
    lock = promise;
    await before;
    using _ = { [Symbol.dispose]: unlock };
    if (!current || now() >= current.replaceAtMs) {
      // From before the request, and by the own clock: the server's may differ.
      const askedAtMs = now();
      current = keep(await request(signal), askedAtMs);
    }
    return current.token;
  };
}

/** What makes a text something else than one token; nothing when it is one. */
function findFlaw(token: string): string | undefined {
  if (token === "") return "it is empty";
  if (token.length > MAX_TOKEN_BYTES) return `it is larger than ${MAX_TOKEN_BYTES} bytes`;
  // RFC 6750's b68token and no more would refuse what some issuers make.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    return "it does not hold one token: there are spaces, line breaks or other characters in it " +
      "that no token has";
  }
}

/**
 * Says whether a token may be sent to a daemon. Tokens that are not JSON Web Tokens say nothing:
 * the daemon decides on them.
 */
function isForNecoPerf(token: string): boolean {
  const claims = readTokenClaims(token);
  // A service account's old kind of token names no audience: it is for the API server.
  return claims === undefined || [claims.aud].flat().includes(TOKEN_AUDIENCE);
}

/**
 * The user that a token names; `undefined` for one that is not a JSON Web Token. Nothing is
 * verified: servers do that.
 */
export function tokenSubject(token: string): string | undefined {
  const subject = readTokenClaims(token)?.sub;
  return typeof subject === "string" ? subject : undefined;
}
