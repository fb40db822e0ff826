import { createPrivateKey, X509Certificate } from "node:crypto";
import type { PassingCredentials } from "./credential_source.ts";
import { loadYaml } from "./go_yaml.ts";
import { isHeaderValue } from "./header_text.ts";

/**
 * Reads the `ExecCredential` that a credential plug-in prints, JSON or YAML, as kubectl does. It
 * has to be of the version that the kubeconfig asks for.
 *
 * Throws an `Error` whose words say what is wrong with it: without credentials nothing is asked.
 */
export function parseExecCredential(output: Uint8Array, apiVersion: string): PassingCredentials {
  let printed: unknown;
  try {
    printed = loadYaml(output);
  } catch (error) {
    throw new Error("is not an ExecCredential", { cause: error });
  }
  if (!isMap(printed) || !["", "ExecCredential"].includes(textOf(printed, "kind"))) {
    throw new Error("is not an ExecCredential");
  }
  const version = textOf(printed, "apiVersion");
  if (version !== apiVersion) {
    throw new Error(`is of version '${version}', and the kubeconfig asks for ${apiVersion}`);
  }
  const { status } = printed;
  if (!isMap(status)) throw new Error("is an ExecCredential without a status");
  const token = textOf(status, "token");
  const certificatePem = textOf(status, "clientCertificateData");
  const keyPem = textOf(status, "clientKeyData");
  if (!token && !certificatePem && !keyPem) {
    throw new Error("has no token and no certificate with a key");
  }
  if (!isHeaderValue(token)) {
    throw new Error("has a token with line breaks or control characters");
  }
  if (!certificatePem !== !keyPem) {
    throw new Error("has a certificate or a key without the other");
  }
  if (certificatePem) checkPair(certificatePem, keyPem);
  return {
    credentials: {
      authorization: token ? `Bearer ${token}` : undefined,
      certificatePem: certificatePem || undefined,
      keyPem: keyPem || undefined,
    },
    endsAtMs: endOf(status),
  };
}

function checkPair(certificatePem: string, keyPem: string): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    throw new Error("has a certificate or a key that is not PEM", { cause: error });
  }
  if (!fits) throw new Error("has a certificate with the key of another");
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)$/;

function endOf(status: Record<string, unknown>): number {
  const { expirationTimestamp: end } = status;
  if (end === undefined || end === null) return Infinity;
  const endsAtMs = typeof end === "string" && RFC_3339.test(end)
    ? Date.parse(end.replace(",", "."))
    : NaN;
  if (Number.isNaN(endsAtMs)) throw new Error("ends at a time that is not RFC 3339");
  return endsAtMs;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(fields: Record<string, unknown>, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value === "string") return value;
  throw new Error(`has a ${name} that is not a string`);
}
