import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Log } from "../operations/log.ts";

/** The files that hold a server's certificate. */
export interface CertificatePaths {
  certFile: string;
  keyFile: string;
  /** The authorities of client certificates. */
  clientCaFile?: string;
}

/** What the files hold, in the form that TLS takes it: PEM. */
export interface Certificates {
  cert: string;
  key: string;
  ca?: string;
}

/** How often the files are looked at. */
const POLL_INTERVAL_MS = 2000;

/**
 * Reads the files and checks that key and certificate belong together. Rejects with words for an
 * administrator that name the file.
 */
export async function readCertificates(paths: CertificatePaths): Promise<Certificates> {
  const chain = parseCertificates(await read(paths.certFile), paths.certFile);
  const key = await read(paths.keyFile);
  if (!belongTogether(chain[0], parseKey(key, paths.keyFile))) {
    throw new Error(`${paths.keyFile} is not the key of the certificate in ${paths.certFile}`);
  }
  // What was read, not the files' text: what is around it others may read in another way.
  const certificates: Certificates = { cert: toPem(chain), key };
  if (paths.clientCaFile !== undefined) {
    const authorities = parseCertificates(await read(paths.clientCaFile), paths.clientCaFile);
    certificates.ca = toPem(authorities);
  }
  return certificates;
}

/** When a certificate expires, in seconds since 1970. */
export function expirySeconds({ cert }: Certificates): number {
  return new Date(new X509Certificate(cert).validTo).getTime() / 1000;
}

/**
 * Looks at the files every few seconds and calls back when what they hold has changed. What does
 * not fit together is told in the log once, and nothing changes then: the program that writes the
 * files may be between one and the next. By content, because Kubernetes replaces a directory above
 * the files.
 */
export function watchCertificates(
  paths: CertificatePaths,
  current: Certificates,
  log: Log,
  onChange: (certificates: Certificates) => void,
  intervalMs = POLL_INTERVAL_MS,
): Disposable {
  let known = JSON.stringify(current);
  let lastFailure = "";
  const look = async () => {
    try {
      const certificates = await readCertificates(paths);
      lastFailure = "";
      const text = JSON.stringify(certificates);
      if (stopped || text === known) return;
      onChange(certificates);
      known = text;
      log.info("TLS certificate replaced", {
        expires: new Date(expirySeconds(certificates) * 1000).toISOString(),
      });
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastFailure) {
        log.error("the TLS files cannot be used; the certificate from before stays", {
          error: message,
        });
      }
      lastFailure = message;
    }
  };
  let stopped = false;
  let timer = setTimeout(poll, intervalMs);
  async function poll() {
    await look();
    if (!stopped) timer = setTimeout(poll, intervalMs);
  }
  return {
    [Symbol.dispose]() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Checked here because Deno takes any text for a certificate and fails in each handshake only. */
function parseCertificates(text: string, path: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const certificates = blocks.map((block) => new X509Certificate(block));
    // Deno reads some parts only when they are asked for, and fails only then.
    const readable = certificates.every(({ validTo }) => !Number.isNaN(Date.parse(validTo)));
    if (certificates.length > 0 && readable) return certificates;
  } catch {
    // Said below.
  }
  throw new Error(`${path} holds no certificate in PEM`);
}

function toPem(certificates: X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join("");
}

function belongTogether(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    // A public key in the certificate that is none.
    return false;
  }
}

function parseKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // The library's words may quote the key.
    throw new Error(`${path} holds no private key in PEM`);
  }
}
