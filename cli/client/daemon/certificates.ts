import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { fileError, readSmallFile } from "./small_file.ts";

/** With what a client proves who it is, instead of or beside a token. */
export interface ClientCertificate {
  /** The certificate and those between it and an authority, in this order. */
  certificatePem: string;
  /** The private key of the first of them; a secret. */
  keyPem: string;
}

/** As large as a bundle of all public authorities may get. */
const MAX_PEM_BYTES = 1024 * 1024;

/**
 * Reads the certificates of the authorities that may vouch for a daemon.
 *
 * Throws a `CliError` (exit status 2) that names the file when it cannot be read or holds none.
 */
export async function readAuthorities(path: string): Promise<string> {
  const pem = await readSmallFile("the CA file", path, MAX_PEM_BYTES);
  if (!holdsCertificate(pem)) throw fileError("the CA file", path, "it holds no PEM certificate");
  return pem;
}

/**
 * Reads a client's certificate and its private key.
 *
 * Throws a `CliError` (exit status 2) that names the file which cannot be read, holds something
 * else, or does not belong to the other.
 */
export async function readClientCertificate(
  certificatePath: string,
  keyPath: string,
): Promise<ClientCertificate> {
  const what = { certificate: "the client certificate", key: "the client's private key" };
  const certificatePem = await readSmallFile(what.certificate, certificatePath, MAX_PEM_BYTES);
  const keyPem = await readSmallFile(what.key, keyPath, MAX_PEM_BYTES);
  const [certificate] = parseCertificates(certificatePem);
  if (!certificate) {
    throw fileError(what.certificate, certificatePath, "it holds no PEM certificate");
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch {
    // Without the cause: nobody knows how much of the file its message repeats.
    throw fileError(what.key, keyPath, "it holds no PEM private key, or one with a passphrase");
  }
  if (!certificate.checkPrivateKey(key)) {
    throw fileError(what.key, keyPath, `it is not the key of the certificate ${certificatePath}`);
  }
  return { certificatePem, keyPem };
}

/** Says whether a text has a PEM certificate in it. TLS ignores a text without one, silently. */
export function holdsCertificate(pem: string): boolean {
  return parseCertificates(pem).length > 0;
}

/** The certificates that can be read; a bundle may have others. */
function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
