import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Log } from "./log.ts";

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
  const certificates: Certificates = {
    cert: await read(paths.certFile),
    key: await read(paths.keyFile),
  };
  const [leaf] = parseCertificates(certificates.cert, paths.certFile);
  if (!leaf.checkPrivateKey(parseKey(certificates.key, paths.keyFile))) {
    throw new Error(`${paths.keyFile} is not the key of the certificate in ${paths.certFile}`);
  }
  if (paths.clientCaFile !== undefined) {
    certificates.ca = await read(paths.clientCaFile);
    parseCertificates(certificates.ca, paths.clientCaFile);
  }
  return certificates;
}

/** When a certificate expires, in seconds since 1970. */
export function expirySeconds({ cert }: Certificates): number {
  return new Date(new X509Certificate(cert).validTo).getTime() / 1000;
}

/**
 * Looks at the files every few seconds and calls back when what they hold has changed. What does not
 * fit together is told in the log once, and nothing changes then: whoever writes the files may be
 * between one and the next. By content, because Kubernetes replaces a directory above the files.
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
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // Said below.
  }
  throw new Error(`${path} holds no certificate in PEM`);
}

function parseKey(text: string, path: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(text);
  } catch {
    // The library's words may quote the key.
    throw new Error(`${path} holds no private key in PEM`);
  }
}
