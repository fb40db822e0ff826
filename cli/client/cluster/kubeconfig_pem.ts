import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
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
    // As Go reads it: line breaks are left out, and nothing else.
    const base64 = data.replace(/[\r\n]/g, "");
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
      throw kubeconfigError(
        file,
        `${what}-data is not base64`,
      );
    }
    const text = Buffer.from(base64, "base64").toString();
    if (/^(DATA\+OMITTED|REDACTED)$/.test(base64)) {
      throw kubeconfigError(
        file,
        `${what}-data was left out; \`kubectl config view --raw\` prints it`,
      );
    }
    return text;
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

/** Throws a `CliError` unless a text holds one certificate or several, and each can be read. */
export function checkCertificates(pem: string, file: string, what: string): void {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw kubeconfigError(file, `${what} holds no certificate in PEM`);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw kubeconfigError(file, `${what} holds a certificate that cannot be read`, error);
    }
  }
}
