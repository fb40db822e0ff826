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
   * Hears that the API server does not accept what `get` gave. Returns whether other credentials may
   * be had by asking again.
   */
  refused(): boolean;
}

/** Credentials that do not change. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { get: () => Promise.resolve(credentials), refused: () => false };
}
