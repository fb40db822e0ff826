import { resolve } from "node:path";
import process from "node:process";
import { type Dispatcher, request } from "undici";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import { type CredentialSource, renewedCredentials } from "./credential_source.ts";
import { openDispatcher } from "./dispatcher.ts";
import { isHeaderValue } from "./header_text.ts";
import { kubeconfigError, reasonOf } from "./kubeconfig_error.ts";
import { readCertificates, readPem } from "./kubeconfig_pem.ts";
import { systemAuthorities } from "./kubeconfig_server.ts";
import { proxyFromEnvironment } from "./proxy_from_environment.ts";
import { readTokenClaims } from "./token_claims.ts";

/** `config` of kubectl's own `auth-provider` for OpenID Connect, and where it stands. */
interface OidcProvider {
  config: Record<string, string>;
  /** The kubeconfig file. */
  file: string;
  /** Whose it is, for messages. */
  what: string;
}

interface Tokens {
  idToken: string;
  refreshToken: string;
}

/**
 * Gives the ID token that kubectl's own OpenID Connect login has left in a kubeconfig file, which
 * IBM Cloud's still have. One that has ended is renewed with the refresh token, and new tokens are
 * written to the file, as by kubectl: an identity provider may take each refresh token once.
 *
 * Throws a `CliError` (exit status 2) when the configuration is of no use. The credentials reject
 * with one (exit status 4) when there are none: a token that has ended is not shown.
 */
export async function oidcCredentials(provider: OidcProvider): Promise<CredentialSource> {
  const { config, file, what } = provider;
  if (!config["id-token"] && !config["refresh-token"]) {
    throw kubeconfigError(file, `${what} has an auth-provider without an id-token: log in again`);
  }
  if (!isHeaderValue(config["id-token"] ?? "")) {
    throw kubeconfigError(file, `${what} has an id-token with line breaks or control characters`);
  }
  const where = `${what}: idp-certificate-authority`;
  const path = config["idp-certificate-authority"];
  const authorities = await readPem(
    config["idp-certificate-authority-data"],
    path && resolve(path),
    file,
    where,
  );
  const caPem = authorities === undefined
    ? await systemAuthorities()
    : readCertificates(authorities, file, where);
  let tokens: Tokens = {
    idToken: config["id-token"] ?? "",
    refreshToken: config["refresh-token"] ?? "",
  };
  const source = renewedCredentials(async (signal) => {
    if (!tokens.idToken || endOf(tokens.idToken) <= Date.now() + LEEWAY_MS) {
      tokens = await renew(provider, tokens, { caPem, signal });
    }
    return {
      credentials: { authorization: `Bearer ${tokens.idToken}` },
      endsAtMs: endOf(tokens.idToken),
    };
  });
  return { ...source, refused: () => false };
}

/** A token is not shown this long before it ends; client-go's. */
const LEEWAY_MS = 10_000;

/**
 * When a JSON Web Token ends, in milliseconds since 1970; what does not say so may be good for
 * ever.
 */
function endOf(idToken: string): number {
  const exp = readTokenClaims(idToken)?.exp;
  return typeof exp === "number" ? exp * 1000 : Infinity;
}

async function renew(
  provider: OidcProvider,
  tokens: Tokens,
  { caPem, signal }: { caPem?: string; signal?: AbortSignal },
): Promise<Tokens> {
  const { refreshToken } = tokens;
  if (!refreshToken) {
    throw failure(provider, "its id-token has ended, and it has no refresh-token: log in again");
  }
  for (const name of ["idp-issuer-url", "client-id"]) {
    if (!provider.config[name]) {
      throw failure(provider, `its id-token cannot be renewed: its auth-provider has no ${name}`);
    }
  }
  let renewed: Tokens;
  try {
    renewed = await askIssuer(provider.config, refreshToken, { caPem, signal });
  } catch (error) {
    throw failure(provider, `its id-token cannot be renewed: ${reasonOf(error)}`, error);
  }
  try {
    await save(provider.file, tokens, renewed);
  } catch (error) {
    throw failure(provider, `new tokens cannot be written to it: ${reasonOf(error)}`, error);
  }
  return renewed;
}

/** Gets new tokens for a refresh token: OpenID Connect Core 1.0, section 12. */
async function askIssuer(
  config: Record<string, string>,
  refreshToken: string,
  { caPem, signal }: { caPem?: string; signal?: AbortSignal },
): Promise<Tokens> {
  const issuer = config["idp-issuer-url"].replace(/\/$/, "");
  const proxy = proxyFromEnvironment(new URL(issuer), (name) => process.env[name]);
  const dispatcher = openDispatcher(caPem === undefined ? {} : { ca: caPem }, proxy);
  const giveUp = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...signal ? [signal] : []]);
  const ask = (url: string, options: Parameters<typeof request>[1] = {}) =>
    askFor(url, { ...options, dispatcher, signal: giveUp });
  try {
    const { token_endpoint: endpoint } = await ask(`${issuer}/.well-known/openid-configuration`);
    if (typeof endpoint !== "string") throw new Error("the issuer names no token_endpoint");
    const [id, secret] = [config["client-id"], config["client-secret"] ?? ""];
    const grant = { grant_type: "refresh_token", refresh_token: refreshToken };
    const post = (fields: Record<string, string>, headers: Record<string, string>) =>
      ask(endpoint, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
        body: new URLSearchParams(fields).toString(),
      });
    // As client-go's library does, which finds out which of the two the issuer takes.
    const basic = [id, secret].map((text) => new URLSearchParams([["", text]]).toString().slice(1))
      .join(":");
    const answer = await post(grant, { authorization: `Basic ${btoa(basic)}` })
      .catch(() => post({ ...grant, client_id: id, ...secret && { client_secret: secret } }, {}));
    const { id_token: idToken, refresh_token: next } = answer;
    if (typeof idToken !== "string" || !isHeaderValue(idToken)) {
      throw new Error("the issuer's answer has no id_token");
    }
    return { idToken, refreshToken: typeof next === "string" && next ? next : refreshToken };
  } finally {
    await dispatcher.destroy();
  }
}

const TIMEOUT_MS = 30_000;
/** An answer of an issuer that means well is some KB. */
const MAX_ANSWER_BYTES = 1024 * 1024;

async function askFor(
  url: string,
  options: Parameters<typeof request>[1] & { dispatcher: Dispatcher },
): Promise<Record<string, unknown>> {
  const { statusCode, body } = await request(url, options);
  let text = "";
  for await (const chunk of body) {
    text += chunk;
    if (text.length > MAX_ANSWER_BYTES) throw new Error(`the answer of ${url} is too large`);
  }
  if (statusCode !== 200) {
    throw new Error(`${url} answers with HTTP ${statusCode}: ${text.slice(0, 80)}`);
  }
  const answer = JSON.parse(text);
  if (typeof answer !== "object" || answer === null) throw new Error(`${url} answers no object`);
  return answer;
}

/**
 * Puts new tokens in the place of the others in a kubeconfig file, and leaves all else as it is.
 * Rejects when they are not found there as they are.
 */
async function save(file: string, from: Tokens, to: Tokens): Promise<void> {
  const text = await Deno.readTextFile(file);
  let changed = text;
  for (const name of ["idToken", "refreshToken"] as const) {
    if (from[name] === to[name]) continue;
    const parts = changed.split(from[name]);
    if (from[name] === "" || parts.length === 1) {
      throw new Error(
        `its ${name === "idToken" ? "id-token" : "refresh-token"} is not found in it`,
      );
    }
    changed = parts.join(to[name]);
  }
  if (changed !== text) await Deno.writeTextFile(file, changed);
}

function failure({ file, what }: OidcProvider, reason: string, cause?: unknown): CliError {
  return new CliError(
    ExitStatus.NOT_ALLOWED,
    `no credentials for the API server from kubeconfig ${file}: ${what}: ${escapeControls(reason)}`,
    { cause },
  );
}
