/**
 * Options that more than one command has: where the result goes, the cluster, access to the daemon.
 *
 * @module
 */
import { NECOPERF_NAMESPACE, RETRY_TIMEOUT_SECONDS } from "../../proto/defaults.ts";
import { type Command, Option } from "commander";
import type { AccessOptions } from "../client/daemon/daemon_credentials.ts";
import { type Via, VIAS } from "../client/daemon/daemon_endpoint.ts";
import { CONVERTED_FORMATS, type ConvertedFormat } from "../formats/converted_format.ts";
import type { KubeconfigOptions } from "../client/cluster/kubeconfig.ts";
import {
  parseRequestTimeout,
  parseServerName,
  parseText,
  parseTime,
  parseVerbosity,
  usageError,
} from "./option_values.ts";
import { requireObjectName } from "../client/cluster/object_name.ts";

/** Options of commands that produce a result. */
export interface CommonOptions {
  /** `-` for standard output. */
  outputDirectory: string;
  /** How long a lost connection is tried again. */
  retryTimeoutSeconds: number;
  /** The format to convert perf script's text to; missing where it stays as it is. */
  convertTo?: ConvertedFormat;
  quiet: boolean;
  /** As kubectl's `-v`. */
  verbosity: number;
  /** Prints one JSON object about the result on standard output, in the place of its path. */
  json: boolean;
  /** Counts no thread as idle. */
  idle: boolean;
}

/** Which cluster, and how long it may take to answer. */
export interface ParsedCluster extends KubeconfigOptions {
  /** 0: as long as it takes. */
  requestTimeoutSeconds?: number;
}

/** The shared options as commander names and holds them. */
export interface ParsedCommonOptions {
  namespace?: string;
  outputDir: string;
  format: "script" | "data" | ConvertedFormat;
  retryTimeout: number;
  quiet?: true;
  json?: true;
  idle?: true;
  kubeconfig?: string;
  context?: string;
  requestTimeout?: number;
  v: number;
  necoperfNamespace: string;
  daemon?: string;
  via: Via;
  tokenFile?: string;
  serviceAccount?: string;
  insecureSendToken?: true;
  caFile?: string;
  tlsServerName?: string;
  clientCertFile?: string;
  clientKeyFile?: string;
}

const DEFAULTS = {
  retryTimeoutSeconds: RETRY_TIMEOUT_SECONDS,
  outputDirectory: ".",
  necoperfNamespace: NECOPERF_NAMESPACE,
};

/** An option whose value is checked by what follows. */
export const option = (flags: string, description: string) => new Option(flags, description);
/** An option whose value is any text but an empty one. */
export const named = (flags: string, description: string) =>
  option(flags, description).argParser(parseText);

/** Of commands that show what became of threads' time. */
export function idleOption(): Option {
  return option("--idle", "in threads' time, also count what idle threads wait for");
}

export function addResultOptions(command: Command): Command {
  return command
    .optionsGroup("Result:")
    .addOption(
      named("-o, --output-dir <dir>", "where the result goes; - for standard output")
        .default(DEFAULTS.outputDirectory),
    )
    .addOption(
      option(
        "--format <format>",
        "perf script's text, perf.data, or a format to convert the text to",
      ).choices(["script", "data", ...Object.keys(CONVERTED_FORMATS)]).default("script"),
    )
    .addOption(
      option("--retry-timeout <time>", "how long to retry after the connection is lost")
        .argParser(parseTime).default(DEFAULTS.retryTimeoutSeconds, "1m"),
    )
    .addOption(idleOption())
    .option("--json", "print details of the result as JSON instead of its path")
    .option("-q, --quiet", "print only errors");
}

/** Which cluster, and where the daemons are in it. */
export function addKubeconfigOptions(command: Command): Command {
  return command
    .addOption(
      named("--kubeconfig <file>", "kubeconfig file (default: $KUBECONFIG, ~/.kube/config)"),
    )
    .addOption(named("--context <name>", "context of the kubeconfig file"))
    .addOption(
      option(
        "--request-timeout <time>",
        "how long to wait for the API server's answer; 0 means no limit (default: 10s)",
      ).argParser(parseRequestTimeout),
    )
    .addOption(
      option("-v, --v <level>", "6 and above: print each request to the API server")
        .argParser(parseVerbosity).default(0),
    )
    .addOption(
      named("--necoperf-namespace <name>", "namespace of the daemons")
        .default(DEFAULTS.necoperfNamespace),
    )
    .addOption(
      option(
        "--via <way>",
        "reach the daemons at their pods' addresses (direct), through the API server (port-forward), " +
          "or through the API server when an address does not answer within a second (auto)",
      ).choices(VIAS).default("auto"),
    );
}

export function addClusterOptions(command: Command, daemonTakes: string): Command {
  return addKubeconfigOptions(command.optionsGroup("Cluster:"))
    .addOption(
      named("--daemon <host:port>", `call this daemon, without Kubernetes${daemonTakes}`)
        .conflicts([
          ...["namespace", "container", "selector", "fieldSelector", "all", "node"],
          ...["kubeconfig", "context", "requestTimeout", "via"],
        ]),
    );
}

export function addAccessOptions(command: Command): Command {
  return command
    .optionsGroup("Access to the daemon:")
    .addOption(
      named(
        "--token-file <file>",
        "bearer token for the audience necoperf (default: /var/run/secrets/necoperf/token if it " +
          "is there)",
      ).conflicts("serviceAccount"),
    )
    .addOption(
      named(
        "--service-account <name>",
        "without a token file, request a token of this service account in the pod's namespace " +
          "(default: necoperf-client, or another one that you may use and that may profile)",
      ).conflicts("daemon"),
    )
    .addOption(
      named(
        "--ca-file <file>",
        "CA certificate of the daemons (default: /var/run/secrets/necoperf/ca.crt if it is there, " +
          "else the ConfigMap necoperf-ca of their namespace); with a CA, only TLS is used",
      ),
    )
    .addOption(
      named(
        "--tls-server-name <name>",
        "name in the daemons' certificate (default: necoperf-daemon.NAMESPACE.svc, with the " +
          "daemons' namespace)",
      ).argParser(parseServerName),
    )
    .addOption(named("--client-cert-file <file>", "client certificate, for daemons that want one"))
    .addOption(named("--client-key-file <file>", "its private key"))
    .addOption(
      option(
        "--insecure-send-token",
        "send the token even without TLS: anyone on the network path can read it and profile with " +
          "your rights until it expires",
      ),
    );
}

export function toCommonOptions(parsed: ParsedCommonOptions): CommonOptions {
  const { format } = parsed;
  if (parsed.json && parsed.outputDir === "-") {
    throw usageError("--json and the result itself (-o -) cannot both go to standard output");
  }
  return {
    convertTo: format === "script" || format === "data" ? undefined : format,
    outputDirectory: parsed.outputDir,
    retryTimeoutSeconds: parsed.retryTimeout,
    quiet: parsed.quiet ?? false,
    verbosity: parsed.v,
    json: parsed.json ?? false,
    idle: parsed.idle ?? false,
  };
}

export function toCluster(
  { kubeconfig, context, requestTimeout }: ParsedCommonOptions,
): ParsedCluster {
  return { kubeconfig, context, requestTimeoutSeconds: requestTimeout };
}

export function toAccess(parsed: ParsedCommonOptions): AccessOptions {
  const { clientCertFile, clientKeyFile, serviceAccount } = parsed;
  if ((clientCertFile === undefined) !== (clientKeyFile === undefined)) {
    throw usageError("--client-cert-file and --client-key-file go together: give both");
  }
  return {
    tokenFile: parsed.tokenFile,
    serviceAccount: serviceAccount && requireObjectName("a service account", serviceAccount),
    caFile: parsed.caFile,
    tlsServerName: parsed.tlsServerName,
    clientCertificateFile: clientCertFile,
    clientKeyFile,
    insecureSendToken: parsed.insecureSendToken ?? false,
  };
}
