import { basename, resolve } from "node:path";
import { CliError, ExitStatus } from "../../errors.ts";

/** A kubeconfig user's `exec`: a program that prints credentials for the API server. */
export interface CredentialPlugin {
  command: string;
  apiVersion?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
}

/** What a plugin gave. */
export interface Credentials {
  token?: string;
  certificatePem?: string;
  keyPem?: string;
}

/**
 * Runs a credential plugin and reads what it prints. Its standard error is the user's to read: some
 * plugins ask to log in there. `directory` is what a relative path is relative to.
 *
 * Throws a `CliError` (exit status 4) when the plugin may not be run or fails.
 */
export async function runCredentialPlugin(
  plugin: CredentialPlugin,
  directory: string,
): Promise<Credentials> {
  const apiVersion = plugin.apiVersion ?? "client.authentication.k8s.io/v1";
  const info = { kind: "ExecCredential", apiVersion, spec: { interactive: false } };
  const env: Record<string, string> = { KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  for (const { name, value } of plugin.env ?? []) env[name] = value;
  const command = /[\\/]/.test(plugin.command)
    ? resolve(directory, plugin.command)
    : plugin.command;

  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, {
      args: plugin.args ?? [],
      env,
      stdin: "null",
      stderr: "inherit",
    }).output();
  } catch (error) {
    throw failure(
      plugin,
      error instanceof Deno.errors.NotCapable
        ? "this program runs the plugins of well-known providers only; use a token instead"
        : error instanceof Deno.errors.NotFound
        ? "it is not installed"
        : (error as Error).message,
      error,
    );
  }
  if (!output.success) throw failure(plugin, `it ended with exit status ${output.code}`);
  try {
    const { status } = JSON.parse(new TextDecoder().decode(output.stdout));
    return {
      token: status.token,
      certificatePem: status.clientCertificateData,
      keyPem: status.clientKeyData,
    };
  } catch (error) {
    throw failure(plugin, "what it printed is not an ExecCredential", error);
  }
}

function failure(plugin: CredentialPlugin, reason: string, cause?: unknown): CliError {
  return new CliError(
    ExitStatus.NOT_ALLOWED,
    `no credentials for the API server from ${basename(plugin.command)}: ${reason}`,
    { cause },
  );
}
