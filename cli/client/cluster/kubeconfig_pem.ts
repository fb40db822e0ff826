import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { dirname, resolve } from "node:path";
import { kubeconfigError, reasonOf } from "./kubeconfig_error.ts";

/** PEM out of base64, else out of a file. `what` says whose it is, for messages. */
export async function readPem(
  data: string | undefined,
  path: string | undefined,
  file: string,
  what: string,
): Promise<string | undefined> {
  if (data && path) throw kubeconfigError(file, `${what} and ${what}-data are there: remove one`);
  if (data) {
    if (/^(DATA\+OMITTED|REDACTED)\s*$/.test(data)) {
      throw kubeconfigError(
        file,
        `${what}-data was left out; \`kubectl config view --raw\` prints it`,
      );
    }
    return Buffer.from(data, "base64").toString();
  }
  if (!path) return undefined;
  try {
    return await Deno.readTextFile(resolve(dirname(file), path));
  } catch (error) {
    throw kubeconfigError(
      file,
      `${what} names a file that cannot be read: ${reasonOf(error)}`,
      error,
    );
  }
}

/**
 * The certificates in a text, without what else it holds. Go leaves out authorities' that it cannot
 * read, and so does this, unless `all` have to be good. Throws a `CliError` when there is none.
 */
export function readCertificates(
  pem: string,
  file: string,
  what: string,
  { all = false }: { all?: boolean } = {},
): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw kubeconfigError(file, `${what} holds no certificate in PEM`);
  const broken = blocks.filter((block) => !isCertificate(block));
  if (broken.length === blocks.length || (all && broken.length > 0)) {
    throw kubeconfigError(file, `${what} holds a certificate that cannot be read`);
  }
  return blocks.filter((block) => !broken.includes(block)).join("\n");
}

function isCertificate(block: string): boolean {
  try {
    new X509Certificate(block);
    return true;
  } catch {
    return false;
  }
}

/**
 * The first private key in a text. Throws a `CliError` when there is none, or one with a password.
 */
export function readPrivateKey(pem: string, file: string, what: string): string {
  const [block = ""] = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^]*?-----END \1-----/.exec(pem) ?? [];
  try {
    createPrivateKey(block);
    return block;
  } catch (error) {
    throw kubeconfigError(file, `${what} holds no private key in PEM`, error);
  }
}
