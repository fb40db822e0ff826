import { isIP } from "node:net";
import type { PeerCertificate } from "node:tls";

/**
 * Says what is wrong with a server's certificate for a host, by Go's rules: the name is among the
 * alternative ones, never the subject's; a `*` stands for one whole first label, also right below a
 * top-level domain (`*.internal`), where Node.js takes none.
 */
export function checkServerName(host: string, certificate: PeerCertificate): Error | undefined {
  const names = (certificate.subjectaltname ?? "").split(", ").filter((name) => name);
  if (names.length === 0) {
    return new Error(`the server's certificate has no subject alternative name for ${host}`);
  }
  const isGood = isIP(host) === 0
    ? names.some((name) => name.startsWith("DNS:") && matches(name.slice(4), host))
    : names.some((name) => name.startsWith("IP Address:") && isSameAddress(name.slice(11), host));
  return isGood
    ? undefined
    : new Error(`the server's certificate is for ${names.join(", ")}, not for ${host}`);
}

function matches(pattern: string, host: string): boolean {
  const [wanted, given] = [pattern, host].map((name) =>
    name.toLowerCase().replace(/\.$/, "").split(".")
  );
  return wanted.length === given.length &&
    wanted.every((label, at) => label === given[at] || (at === 0 && label === "*"));
}

function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [one, other].map((address) =>
    URL.parse(`http://${isIP(address) === 6 ? `[${address}]` : address}`)?.hostname
  );
  return a !== undefined && a === b;
}
