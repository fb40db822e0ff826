import { basename, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import type { Credentials, CredentialSource } from "./credential_source.ts";
import type { KubeconfigExec } from "./parse_kubeconfig.ts";

/** A credential plug-in, as a kubeconfig file has it, and what it is told. */
interface ExecPlugin extends KubeconfigExec {
  command: string;
  /** What a relative path of the command is relative to. */
  directory: string;
  /** `spec.cluster` of the `ExecCredential`; only for plug-ins with `provideClusterInfo`. */
  clusterInfo?: unknown;
}

/** How a plug-in is run, for tests. */
interface ExecHost {
  /** Whether somebody can type into standard input. */
  isInteractive(): boolean;
  /** Asks for the permission to run a program; says why it is not given. */
  mayRun(path: string, asWritten: string): Promise<boolean>;
}

/** Variables that Deno passes on to a program only when the client may run any program. */
const LOADER_VARIABLES = /^(LD_|DYLD_)/;

/** A plug-in's credentials are replaced this long before they end. */
const RENEW_BEFORE_MS = 10_000;

/**
 * Gives the credentials that a credential plug-in prints, and runs it again when they end or are
 * refused: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 *
 * The plug-in gets the environment of this program but for `LD_*`, which Deno does not pass on. Its
 * standard error is the user's to read. It gets the terminal when its `interactiveMode` allows it.
 */
export function execCredentials(plugin: ExecPlugin, host: ExecHost = TERMINAL): CredentialSource {
  let current: { credentials: Credentials; endsAtMs: number } | undefined;
  let running: Promise<void> | undefined;
  const renew = async (signal?: AbortSignal) => {
    const { status } = await runPlugin(plugin, host, signal);
    const endsAtMs = status.expirationTimestamp === undefined
      ? Infinity
      : Date.parse(status.expirationTimestamp);
    current = {
      credentials: {
        authorization: status.token ? `Bearer ${status.token}` : undefined,
        certificatePem: status.clientCertificateData,
        keyPem: status.clientKeyData,
      },
      endsAtMs,
    };
  };
  return {
    async get(signal) {
      if (current === undefined || Date.now() > current.endsAtMs - RENEW_BEFORE_MS) {
        // One at a time: a plug-in may ask the user something.
        running ??= renew(signal).finally(() => running = undefined);
        await running;
      }
      return current!.credentials;
    },
    refused() {
      current = undefined;
      return true;
    },
  };
}

/** The part of an `ExecCredential` that is read. */
interface ExecCredential {
  status: {
    token?: string;
    clientCertificateData?: string;
    clientKeyData?: string;
    /** RFC 3339. */
    expirationTimestamp?: string;
  };
}

async function runPlugin(
  plugin: ExecPlugin,
  host: ExecHost,
  signal?: AbortSignal,
): Promise<ExecCredential> {
  const interactive = isInteractive(plugin, host);
  const path = await findProgram(plugin);
  if (path === undefined) {
    const hint = plugin.installHint ? `\n${escapeControls(plugin.installHint)}` : "";
    throw failure(plugin, `it is not installed${hint}`);
  }
  if (!await host.mayRun(path, plugin.command)) {
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
  const env: Record<string, string> = {
    ...Deno.env.toObject(),
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  };
  for (const { name, value } of plugin.env ?? []) env[name] = value;
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
  return parseCredential(plugin, new TextDecoder().decode(output.stdout));
}

function parseCredential(plugin: ExecPlugin, text: string): ExecCredential {
  let credential: Partial<ExecCredential> & { kind?: unknown; apiVersion?: unknown };
  try {
    credential = JSON.parse(text);
  } catch (error) {
    throw failure(plugin, "what it printed is not an ExecCredential", error);
  }
  const { kind, apiVersion, status } = credential ?? {};
  if (kind !== "ExecCredential" || typeof status !== "object" || status === null) {
    throw failure(plugin, "what it printed is not an ExecCredential with a status");
  }
  if (apiVersion !== plugin.apiVersion) {
    throw failure(
      plugin,
      `it answered in version ${escapeControls(String(apiVersion))}, and the kubeconfig asks for ` +
        `${plugin.apiVersion}`,
    );
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
  if (!token && !(clientCertificateData && clientKeyData)) {
    throw failure(plugin, "what it printed has no token and no certificate with a key");
  }
  if (expirationTimestamp !== undefined && Number.isNaN(Date.parse(expirationTimestamp))) {
    throw failure(plugin, "what it printed ends at a time that is not RFC 3339");
  }
  return credential as ExecCredential;
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

/**
 * Finds a program as Go's `exec.LookPath` does; a path is relative to the kubeconfig's directory.
 * A command without a path is never taken from the current directory.
 */
async function findProgram({ command, directory }: ExecPlugin): Promise<string | undefined> {
  const windows = Deno.build.os === "windows";
  const endings = windows
    ? ["", ...(process.env.PATHEXT || ".COM;.EXE;.BAT;.CMD").split(";")]
    : [""];
  const directories = /[\\/]/.test(command)
    ? [isAbsolute(command) ? "" : directory]
    : (process.env.PATH ?? "").split(windows ? ";" : ":").filter((each) => isAbsolute(each));
  for (const each of directories) {
    for (const ending of endings) {
      const path = (each === "" ? resolve(command) : join(each, command)) + ending;
      if (await isProgram(path)) return path;
    }
  }
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

/** Asks the person at the terminal, by Deno's own prompt; a program is asked for once. */
const TERMINAL: ExecHost = {
  isInteractive: () => Deno.stdin.isTerminal(),
  async mayRun(path, asWritten) {
    for (const command of [asWritten, path]) {
      const { state } = await Deno.permissions.query({ name: "run", command });
      if (state === "granted") return true;
    }
    if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return false;
    console.error(
      `The kubeconfig gets credentials from the program ${escapeControls(path)}.\n` +
        "Allow it only if you trust the kubeconfig.",
    );
    const { state } = await Deno.permissions.request({ name: "run", command: path });
    return state === "granted";
  },
};

function failure({ command }: ExecPlugin, reason: string, cause?: unknown): CliError {
  return new CliError(
    ExitStatus.NOT_ALLOWED,
    `no credentials for the API server from ${escapeControls(basename(command))}: ${reason}`,
    { cause },
  );
}
