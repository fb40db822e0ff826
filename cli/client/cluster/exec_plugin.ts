import { basename } from "node:path";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import {
  type CredentialSource,
  type PassingCredentials,
  renewedCredentials,
} from "./credential_source.ts";
import { parseExecCredential } from "./exec_credential.ts";
import { findProgram } from "./find_program.ts";
import type { KubeconfigExec } from "./parse_kubeconfig.ts";

/** A credential plug-in, as a kubeconfig file has it, and what it is told. */
interface ExecPlugin extends KubeconfigExec {
  command: string;
  /** The directory that a relative path of the command starts from. */
  directory: string;
  /** `spec.cluster` of the `ExecCredential`; only for plug-ins with `provideClusterInfo`. */
  clusterInfo?: unknown;
}

/** How a plug-in is run, for tests. */
interface ExecHost {
  /** Whether somebody can type into standard input. */
  isInteractive(): boolean;
  /** Asks for the permission to run a program; says why it is not given. */
  mayRun(path: string): Promise<boolean>;
}

/** Variables that Deno passes on to a program only when the client may run any program. */
const LOADER_VARIABLES = /^(LD_|DYLD_)/;

/**
 * Gives the credentials that a credential plug-in prints, and runs it again when they end or are
 * refused:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 *
 * The plug-in gets the environment of this program but for `LD_*`, which Deno does not pass on. Its
 * standard error is the user's to read. It gets the terminal when its `interactiveMode` allows it.
 */
export function execCredentials(plugin: ExecPlugin, host: ExecHost = TERMINAL): CredentialSource {
  return renewedCredentials((signal) => runPlugin(plugin, host, signal));
}

async function runPlugin(
  plugin: ExecPlugin,
  host: ExecHost,
  signal?: AbortSignal,
): Promise<PassingCredentials> {
  const interactive = isInteractive(plugin, host);
  const path = await findProgram(plugin.command, plugin.directory);
  if (path === undefined) {
    const hint = plugin.installHint ? `\n${escapeControls(plugin.installHint)}` : "";
    throw failure(plugin, `it is not installed${hint}`);
  }
  if (!await host.mayRun(path)) {
    throw failure(
      plugin,
      `${path} is not one of the credential plug-ins that run without a question, and nobody at a ` +
        "terminal has allowed it; run necoperf-client in a terminal, or use a kubeconfig with a token",
    );
  }
  const info = {
    kind: "ExecCredential",
    apiVersion: plugin.apiVersion,
    spec: { interactive, cluster: plugin.provideClusterInfo ? plugin.clusterInfo : undefined },
  };
  const env = Deno.env.toObject();
  for (const { name, value } of plugin.env ?? []) env[name] = value;
  env.KUBERNETES_EXEC_INFO = JSON.stringify(info);
  for (const name of Object.keys(env)) if (LOADER_VARIABLES.test(name)) delete env[name];
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(path, {
      args: plugin.args ?? [],
      clearEnv: true,
      env,
      stdin: interactive ? "inherit" : "null",
      stdout: "piped",
      stderr: "inherit",
      signal,
    }).output();
  } catch (error) {
    throw failure(plugin, escapeControls((error as Error).message), error);
  }
  if (!output.success) throw failure(plugin, `it ended with exit status ${output.code}`);
  try {
    return parseExecCredential(output.stdout, plugin.apiVersion ?? "");
  } catch (error) {
    const reason = escapeControls((error as Error).message);
    throw failure(plugin, `what it printed ${reason}`, error);
  }
}

/** Whether a plug-in gets the terminal. Throws a `CliError` when it needs one and there is none. */
function isInteractive(plugin: ExecPlugin, host: ExecHost): boolean {
  if (plugin.interactiveMode === "Never") return false;
  const interactive = host.isInteractive();
  if (plugin.interactiveMode === "Always" && !interactive) {
    throw failure(plugin, "it wants to ask something, and standard input is not a terminal");
  }
  return interactive;
}

/** Asks the person at the terminal, by Deno's own prompt; a program is asked for once. */
const TERMINAL: ExecHost = {
  isInteractive: () => Deno.stdin.isTerminal(),
  async mayRun(path) {
    const permission = { name: "run", command: path } as const;
    if ((await Deno.permissions.query(permission)).state === "granted") return true;
    if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return false;
    console.error(
      `The kubeconfig gets credentials from the program ${escapeControls(path)}.\n` +
        "Allow it only if you trust the kubeconfig.",
    );
    return (await Deno.permissions.request(permission)).state === "granted";
  },
};

function failure({ command }: ExecPlugin, reason: string, cause?: unknown): CliError {
  return new CliError(
    ExitStatus.NOT_ALLOWED,
    `no credentials for the API server from ${escapeControls(basename(command))}: ${reason}`,
    { cause },
  );
}
