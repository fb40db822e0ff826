import assert from "node:assert/strict";
import type { PeerCertificate } from "node:tls";
import { checkServerName } from "../../../../cli/client/cluster/check_server_name.ts";

function check(host: string, subjectaltname?: string): Error | undefined {
  return checkServerName(
    host,
    { subject: { CN: "api.example" }, subjectaltname } as unknown as PeerCertificate,
  );
}

// As crypto/x509 of Go has it: VerifyHostname.
const GOOD: [host: string, names: string][] = [
  ["api.example", "DNS:api.example"],
  ["API.example.", "DNS:other, DNS:api.Example"],
  ["api.internal", "DNS:*.internal"],
  ["a.b.example", "DNS:*.b.example"],
  ["10.1.2.3", "DNS:x, IP Address:10.1.2.3"],
  ["fd12::1", "IP Address:FD12:0:0:0:0:0:0:1"],
];

const BAD: [host: string, names?: string][] = [
  ["api.example"],
  ["api.example", ""],
  ["api.example", "DNS:example"],
  ["a.b.example", "DNS:*.example"],
  ["example", "DNS:*.example"],
  ["a.b.example", "DNS:a.*.example"],
  ["api.example", "DNS:a*.example"],
  ["api.example", 'DNS:"x, DNS:api.example"'],
  ["10.1.2.3", "DNS:10.1.2.3"],
  ["10.1.2.3", "DNS:*.1.2.3"],
  ["10.1.2.3", "IP Address:10.1.2.4"],
  ["10.1.2.3", "IP Address:"],
];

Deno.test("checkServerName: a certificate is good for its alternative names, by Go's rules", () => {
  for (const [host, names] of GOOD) assert.equal(check(host, names), undefined, `${host} ${names}`);
});

Deno.test("checkServerName: it is not good for another name, nor for its subject's", () => {
  for (const [host, names] of BAD) assert(check(host, names), `${host} ${names}`);
  assert.match(check("api.example")!.message, /no subject alternative name for api\.example/);
  assert.match(check("b", "DNS:a")!.message, /is for DNS:a, not for b/);
});
