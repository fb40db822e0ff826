/**
 * The real daemon behind TLS, with certificates of a test's own.
 *
 * @module
 */
import { grpc } from "../../proto/grpc.ts";
import { createAuthority, type TestAuthority } from "./certificates.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "./daemon.ts";

/** The name in the certificates of daemons. */
export const SERVER_NAME = "necoperf-daemon";

/** Where such a daemon finds its certificates. */
export const CONFIG_DIR = "/etc/necoperf";

/** How a client connects that trusts an authority. */
interface EncryptedConnection {
  credentials: grpc.ChannelCredentials;
  clientOptions: grpc.ChannelOptions;
}

/** Runs a test with a directory of certificates that the daemon finds at /etc/necoperf. */
export async function withAuthority<T>(
  test: (authority: TestAuthority, directory: string) => Promise<T>,
): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-tls-" });
  try {
    return await test(await createAuthority(directory, "authority"), directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Starts a daemon with the certificate `NAME.crt` of the directory. */
export function startEncrypted(
  directory: string,
  name: string,
  options: TestDaemonOptions = {},
): Promise<TestDaemon> {
  const { args = ["--container-lookup", "pid"], ...rest } = options;
  return startDaemon({
    ...rest,
    binds: { [CONFIG_DIR]: directory, ...options.binds },
    args: [
      ...args,
      ...["--tls-cert-file", `${CONFIG_DIR}/${name}.crt`],
      ...["--tls-key-file", `${CONFIG_DIR}/${name}.key`],
    ],
  });
}

/** Connects to a daemon whose certificate an authority has issued; with a certificate, too. */
export function encryptedTo(
  authority: { cert: Uint8Array },
  certificate?: { cert: Uint8Array; key: Uint8Array },
): EncryptedConnection {
  const [ca, key, cert] = [authority.cert, certificate?.key, certificate?.cert]
    .map((bytes) => bytes ? Buffer.from(bytes) : null);
  return {
    credentials: grpc.credentials.createSsl(ca, key, cert),
    clientOptions: { "grpc.ssl_target_name_override": SERVER_NAME },
  };
}
