import { join } from "node:path";

/** What a certificate says that an authority signs. */
interface CertificateOptions {
  name: string;
  /** Below zero: it has expired. */
  validDays?: number;
}

/** The files of a certificate, and what is in them. */
interface CertificateFiles {
  certificateFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

/** An authority that signs certificates with openssl. Its files are gone when it is disposed of. */
export interface Authority extends Disposable {
  directory: string;
  /** Its own certificate. */
  file: string;
  pem: string;
  sign(options: CertificateOptions): Promise<CertificateFiles>;
}

/** Makes an authority. */
export async function createAuthority(name: string): Promise<Authority> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-authority-" });
  const at = (file: string) => join(directory, file);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    ...["req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${name}`],
    ...["-keyout", at("ca.key"), "-out", at("ca.crt")],
  );
  let count = 0;
  return {
    directory,
    file: at("ca.crt"),
    pem: await Deno.readTextFile(at("ca.crt")),
    sign: async ({ name, validDays = 2 }) => {
      const stem = at(`${++count}`);
      await openssl(
        ...["req", ...newKey, "-subj", `/CN=${name}`, "-keyout", `${stem}.key`],
        ...["-out", `${stem}.csr`],
      );
      await Deno.writeTextFile(
        `${stem}.ext`,
        `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth,clientAuth\n`,
      );
      await openssl(
        ...["x509", "-req", "-in", `${stem}.csr`, "-CA", at("ca.crt"), "-CAkey", at("ca.key")],
        ...["-CAcreateserial", "-days", `${validDays}`, "-extfile", `${stem}.ext`],
        ...["-out", `${stem}.crt`],
      );
      return {
        certificateFile: `${stem}.crt`,
        keyFile: `${stem}.key`,
        cert: await Deno.readTextFile(`${stem}.crt`),
        key: await Deno.readTextFile(`${stem}.key`),
      };
    },
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, stdin: "null" }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
