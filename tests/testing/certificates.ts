/**
 * Certificates for tests, made by openssl.
 *
 * @module
 */

/** A certificate and its key as files, and what is in them. */
export interface TestCertificate {
  certFile: string;
  keyFile: string;
  cert: Uint8Array;
  key: Uint8Array;
}

/** What a certificate is to say. */
interface TestCertificateOptions {
  /** As openssl writes it: `/O=team/CN=name`. */
  subject?: string;
  /** DNS name of a server. */
  dnsName?: string;
  /** Its time is over already. */
  expired?: boolean;
}

/** An authority of a test's own. */
export interface TestAuthority extends TestCertificate {
  issue(name: string, options?: TestCertificateOptions): Promise<TestCertificate>;
}

/** Makes an authority, whose files and those of all it issues are in a directory. */
export async function createAuthority(directory: string, name: string): Promise<TestAuthority> {
  const file = (name: string) => `${directory}/${name}`;
  await openssl([
    ...["req", "-x509", ...NEW_KEY, "-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)],
    ...["-subj", `/CN=${name}`, "-days", "30"],
  ]);
  const own = await load(directory, name);
  return { ...own, issue: (leaf, options) => issueCertificate(own, directory, leaf, options) };
}

/** Has an authority issue a certificate, whose files are in a directory. */
export async function issueCertificate(
  authority: Pick<TestCertificate, "certFile" | "keyFile">,
  directory: string,
  leaf: string,
  { subject = `/CN=${leaf}`, dnsName = leaf, expired = false }: TestCertificateOptions = {},
): Promise<TestCertificate> {
  const file = (name: string) => `${directory}/${name}`;
  await Deno.writeTextFile(file("extensions"), `subjectAltName=DNS:${dnsName}\n`);
  await openssl([
    ...["req", ...NEW_KEY, "-keyout", file(`${leaf}.key`), "-out", file(`${leaf}.csr`)],
    ...["-subj", subject],
  ]);
  await openssl([
    ...["x509", "-req", "-in", file(`${leaf}.csr`), "-out", file(`${leaf}.crt`)],
    ...["-CA", authority.certFile, "-CAkey", authority.keyFile],
    ...["-CAcreateserial", "-CAserial", file("serial")],
    ...["-days", expired ? "-1" : "30", "-extfile", file("extensions")],
  ]);
  return await load(directory, leaf);
}

async function load(directory: string, name: string): Promise<TestCertificate> {
  const [certFile, keyFile] = [`${directory}/${name}.crt`, `${directory}/${name}.key`];
  return {
    ...{ certFile, keyFile },
    cert: await Deno.readFile(certFile),
    key: await Deno.readFile(keyFile),
  };
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

async function openssl(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, stdin: "null" }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
