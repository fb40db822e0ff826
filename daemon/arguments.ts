import { Command, CommanderError } from "commander";
import { OPTION_TABLE, type OptionValues, toOptionValues } from "./option_table.ts";
import type { Limits } from "./recordings/recording_options.ts";
import type { CertificatePaths } from "./service/certificate_files.ts";

/** How callers are authenticated and authorized. */
type AuthOptions =
  /** Not at all. */
  | { kind: "none" }
  | {
    kind: "kubernetes";
    tokenAudience: string;
    serviceAccountDir: string;
    /** `https://host:port`; default: where Kubernetes says to every pod that it is. */
    apiServer?: string;
    /** Given where containers are found without the runtime. */
    nodeName?: string;
  };

/** The values of flags that only make up others of the daemon's options. */
type Ingredients =
  | keyof Limits
  | "auth"
  | "tokenAudience"
  | "serviceAccountDir"
  | "kubeApi"
  | "nodeName"
  | "tlsCertFile"
  | "tlsKeyFile"
  | "clientCaFile";

/** The daemon's options. */
export interface DaemonOptions extends Omit<OptionValues, Ingredients> {
  auth: AuthOptions;
  /** Without, the gRPC service is not encrypted. */
  tls?: CertificatePaths;
  limits: Limits;
}

/** What a command line asks for. */
export type Invocation =
  | { kind: "start"; options: DaemonOptions }
  /** `--help` or `--version`: nothing but this text. */
  | { kind: "print"; text: string };

/** A command line that is not understood. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"];

/** Reads a command line (without the program's name). Throws a `UsageError`. */
export function parseArguments(args: string[], version: string): Invocation {
  let printed = "";
  let invocation: Invocation | undefined;
  const command = new Command("necoperf-daemon");
  command
    .description("Profiles containers of this node with perf, for callers over gRPC.")
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => printed += text,
      writeErr: (text) => printed += text,
      // Without these commander reads environment names that this program has no permission for.
      getOutHelpWidth: () => Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined!,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  const start = command.command("start").description("start the daemon");
  for (const { option } of Object.values(OPTION_TABLE)) start.addOption(option);
  start.action((parsed) => {
    invocation = { kind: "start", options: toDaemonOptions(toOptionValues(parsed)) };
  });
  try {
    if (args.length === 0) throw new UsageError("a command is missing: necoperf-daemon start");
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new UsageError(error.message.replace(/^error: /, ""));
  }
  return invocation ?? { kind: "print", text: printed };
}

function toDaemonOptions(values: OptionValues): DaemonOptions {
  if (values.containerLookup === "pid" && !LOOPBACK.includes(values.address)) {
    throw new UsageError(
      "--container-lookup=pid lets every caller profile every process of this machine: it goes " +
        `with --address 127.0.0.1 only (got ${values.address})`,
    );
  }
  const { maxDurationSeconds, maxFrequencyHz, maxStackSizeBytes, maxThreads } = values;
  const { threadTimeBytesPerSecond, allowedEvents } = values;
  return {
    ...values,
    auth: toAuthOptions(values),
    tls: toCertificatePaths(values),
    limits: {
      maxDurationSeconds,
      maxFrequencyHz,
      maxStackSizeBytes,
      maxThreads,
      threadTimeBytesPerSecond,
      allowedEvents,
    },
  };
}

function toAuthOptions(values: OptionValues): AuthOptions {
  // A process id belongs to no pod, so nothing can say who may profile it.
  const development = values.containerLookup === "pid";
  const auth = values.auth ?? (development ? "none" : "kubernetes");
  if (auth === "none") {
    if (values.clientCaFile === undefined) return { kind: "none" };
    throw new UsageError("--client-ca-file has no effect with --auth=none: leave it out");
  }
  if (development) throw new UsageError("--container-lookup=pid needs --auth=none");
  const { tokenAudience, serviceAccountDir, kubeApi: apiServer, nodeName } = values;
  if (tokenAudience === "") throw new UsageError("--token-audience may not be empty");
  if (values.containerLookup === "cgroup" && !nodeName) {
    throw new UsageError(
      "--node-name is missing: with --container-lookup=cgroup the API server is asked which pods " +
        "own the node's containers (or, for development, --auth=none)",
    );
  }
  return { kind: "kubernetes", tokenAudience, serviceAccountDir, apiServer, nodeName };
}

function toCertificatePaths(values: OptionValues): CertificatePaths | undefined {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, clientCaFile } = values;
  if (certFile && keyFile) return { certFile, keyFile, clientCaFile };
  if (certFile || keyFile) {
    throw new UsageError("--tls-cert-file and --tls-key-file go together: one is missing");
  }
  if (clientCaFile) {
    throw new UsageError("--client-ca-file needs --tls-cert-file and --tls-key-file");
  }
}
