/** What shows an API server who asks. */
export interface Credentials {
  /** For example `Bearer ...`; a secret. */
  authorization?: string;
  /** A client certificate with those above it, PEM. */
  certificatePem?: string;
  /** The private key of the certificate, PEM; a secret. */
  keyPem?: string;
}

/** Gives the credentials for the next request. */
export interface CredentialSource {
  /** Rejects with a `CliError` when there are none. */
  get(signal?: AbortSignal): Promise<Credentials>;
  /**
   * Hears that the API server does not accept what `get` gave before a request was sent, at that
   * moment of `performance.now()`. Returns whether other credentials may be had by asking again, or
   * have been since.
   */
  refused(sentAtMs: number): boolean;
}

/** Credentials that do not change. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { get: () => Promise.resolve(credentials), refused: () => false };
}

/** Credentials, and when they end. */
export interface PassingCredentials {
  credentials: Credentials;
  /** In milliseconds since 1970; `Infinity` when they say nothing of it. */
  endsAtMs: number;
}

/** Credentials are replaced this long before they end. */
const RENEW_BEFORE_MS = 10_000;

/**
 * Credentials that end: `obtain` gives new ones, when the others end or are refused, for all that
 * wait for them at once.
 */
export function renewedCredentials(
  obtain: (signal?: AbortSignal) => Promise<PassingCredentials>,
): CredentialSource {
  let current: PassingCredentials & { sinceMs: number } | undefined;
  let obtaining: Promise<void> | undefined;
  const renew = async (signal?: AbortSignal) => {
    current = { ...await obtain(signal), sinceMs: performance.now() };
  };
  return {
    async get(signal) {
      if (current === undefined || Date.now() > current.endsAtMs - RENEW_BEFORE_MS) {
        // One at a time: a plug-in may ask its user something.
        obtaining ??= renew(signal).finally(() => obtaining = undefined);
        await obtaining;
      }
      return current!.credentials;
    },
    refused(sentAtMs) {
      if (current !== undefined && current.sinceMs <= sentAtMs) current = undefined;
      return true;
    },
  };
}
