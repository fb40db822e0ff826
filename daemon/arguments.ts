import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { formatDuration, parseDuration } from "../proto/duration.ts";
import type { CertificatePaths } from "./service/certificate_files.ts";
import { LOOKUP_NAMES, type LookupName } from "./containers/lookup_names.ts";
import { DEFAULT_LIMITS, type Limits } from "./recordings/recording_options.ts";
import { formatSize, parseSize } from "./size.ts";

/** How callers are told apart, and told what they may do. */
export type AuthOptions =
  /** Not at all. */
  | { kind: "none" }
  | {
    kind: "kubernetes";
    tokenAudience: string;
    serviceAccountDir: string;
    /** `https://host:port`; unless told, where Kubernetes says to every pod that it is. */
    apiServer?: string;
    /** Given where containers are found without the runtime. */
    nodeName?: string;
  };

/** What the daemon is started with. */
export interface DaemonOptions {
  /** The address to listen on, without a port. */
  address: string;
  port: number;
  metricsPort: number;
  auth: AuthOptions;
  /** Without, the gRPC service is not encrypted. */
  tls?: CertificatePaths;
  maxConnections: number;
  containerLookup: LookupName;
  runtimeEndpoint: string;
  procDir: string;
  workDir: string;
  limits: Limits;
  maxConcurrent: number;
  maxQueue: number;
  conversionTimeoutSeconds: number;
  maxRecordResponseBytes: number;
  maxResultsBytes: number;
  maxResultBytes: number;
  resultRetentionSeconds: number;
  stallSeconds: number;
  shutdownGraceSeconds: number;
  maxMemoryBytes: number;
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

const AUTH_NAMES = ["kubernetes", "none"] as const;

const GI = 2 ** 30;

const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"];

interface ParsedOptions {
  address: string;
  port: number;
  metricsPort: number;
  containerLookup: LookupName;
  runtimeEndpoint: string;
  procDir: string;
  workDir: string;
  maxDuration: number;
  maxFrequency: number;
  maxStackSize: number;
  allowedEvents: string[];
  maxConcurrent: number;
  maxQueue: number;
  conversionTimeout: number;
  maxRecordResponse: number;
  maxResultsSize: number;
  maxResultSize: number;
  resultRetention: number;
  stallTimeout: number;
  shutdownGrace: number;
  maxMemory: number;
  auth?: typeof AUTH_NAMES[number];
  tokenAudience: string;
  tlsCertFile?: string;
  tlsKeyFile?: string;
  clientCaFile?: string;
  nodeName?: string;
  kubeApi?: string;
  serviceAccountDir: string;
  maxConnections: number;
}

/** Reads a command line (without the program's name). Throws a `UsageError`. */
export function parseArguments(args: string[], version: string): Invocation {
  let printed = "";
  let invocation: Invocation | undefined;
  const command = new Command("necoperf-daemon");
  command
    .description("Profiles containers of this node with perf, for those who ask over gRPC.")
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
  defineStart(command).action((parsed: ParsedOptions) => {
    invocation = { kind: "start", options: toDaemonOptions(parsed) };
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

function defineStart(command: Command): Command {
  const option = (flags: string, description: string) => new Option(flags, description);
  const start = command.command("start").description("start the daemon");
  const options = [
    option("--address <address>", "address to listen on").default("0.0.0.0"),
    option("--port <port>", "port of the gRPC service").argParser(parsePort).default(6543),
    option("--metrics-port <port>", "port of /metrics, /healthz and /readyz (HTTP)")
      .argParser(parsePort).default(6541),
    option(
      "--auth <way>",
      "who may profile: those whom Kubernetes lets create profiles.necoperf.cybozu.io in the " +
        "namespace of the container's pod (the default), or, for development, everybody",
    ).choices(AUTH_NAMES),
    option("--token-audience <name>", "audience that tokens must be made for").default("necoperf"),
    option("--tls-cert-file <file>", "certificate of the gRPC service, with those above it; PEM"),
    option("--tls-key-file <file>", "key of the certificate; PEM"),
    option(
      "--client-ca-file <file>",
      "authorities of client certificates, another way to show who calls: the CN is the user, " +
        "each O a group. They can name anybody: give none that others get certificates from",
    ),
    option("--node-name <name>", "this node's name, by which its pods are looked up"),
    option("--kube-api <url>", "the API server, as https://host:port").argParser(parseApiServer)
      .hideHelp(),
    option("--service-account-dir <directory>", "holds the daemon's own token and ca.crt")
      .default("/var/run/secrets/kubernetes.io/serviceaccount"),
    option("--max-connections <number>", "connections at a time")
      .argParser(parseCount).default(512),
    option(
      "--container-lookup <way>",
      "how containers are found: by the cgroups of all processes, by the runtime's CRI socket, " +
        "or (development, loopback only) by process id",
    ).choices(LOOKUP_NAMES).default("cri"),
    option("--runtime-endpoint <endpoint>", "the runtime's CRI socket")
      .default("unix:///run/containerd/containerd.sock"),
    option("--proc-dir <directory>", "where the host's /proc is mounted").default("/host/proc"),
    option("--work-dir <directory>", "where results rest").default("/var/necoperf"),
    duration(
      option("--max-duration <time>", "longest recording"),
      DEFAULT_LIMITS.maxDurationSeconds,
    ),
    option("--max-frequency <hz>", "highest sampling frequency")
      .argParser(parseCount).default(DEFAULT_LIMITS.maxFrequencyHz),
    option("--max-stack-size <bytes>", "largest stack copied with a sample")
      .argParser(parseCount).default(DEFAULT_LIMITS.maxStackSizeBytes),
    option("--allowed-events <names>", "events that may be sampled, with commas")
      .argParser(parseNames)
      .default(DEFAULT_LIMITS.allowedEvents, DEFAULT_LIMITS.allowedEvents.join()),
    option("--max-concurrent <number>", "recordings that run at a time")
      .argParser(parseCount).default(4),
    option("--max-queue <number>", "recordings that wait for one to end")
      .argParser(parseCount).default(32),
    duration(
      option("--conversion-timeout <time>", "how long perf script may go on when sampling is over"),
      600,
    ),
    size(
      option(
        "--max-record-response <size>",
        "largest answer of Record; all that wait to be taken: twice that",
      ),
      16 << 20,
    ),
    size(
      option("--max-results-size <size>", "room for all results in the work directory, compressed"),
      2 * GI,
    ),
    size(option("--max-result-size <size>", "room for one result, compressed"), GI),
    duration(option("--result-retention <time>", "how long results wait to be fetched"), 300),
    duration(
      option("--stall-timeout <time>", "how long a caller may take nothing of an answer"),
      300,
    ),
    duration(option("--shutdown-grace <time>", "how long recordings may go on after SIGTERM"), 630),
    size(
      option(
        "--max-memory <size>",
        "resident memory above which the daemon, when nothing is under way, ends with status 0, to " +
          "be started afresh",
      ),
      400 * 2 ** 20,
    ),
  ];
  for (const each of options) start.addOption(each);
  return start;
}

function toDaemonOptions(parsed: ParsedOptions): DaemonOptions {
  if (parsed.containerLookup === "pid" && !LOOPBACK.includes(parsed.address)) {
    throw new UsageError(
      "--container-lookup=pid lets every caller profile every process of this machine: it goes " +
        `with --address 127.0.0.1 only, not with ${parsed.address}`,
    );
  }
  return {
    address: parsed.address,
    port: parsed.port,
    metricsPort: parsed.metricsPort,
    auth: toAuthOptions(parsed),
    tls: toCertificatePaths(parsed),
    maxConnections: parsed.maxConnections,
    containerLookup: parsed.containerLookup,
    runtimeEndpoint: parsed.runtimeEndpoint,
    procDir: parsed.procDir,
    workDir: parsed.workDir,
    limits: {
      maxDurationSeconds: parsed.maxDuration,
      maxFrequencyHz: parsed.maxFrequency,
      maxStackSizeBytes: parsed.maxStackSize,
      allowedEvents: parsed.allowedEvents,
    },
    maxConcurrent: parsed.maxConcurrent,
    maxQueue: parsed.maxQueue,
    conversionTimeoutSeconds: parsed.conversionTimeout,
    maxRecordResponseBytes: parsed.maxRecordResponse,
    maxResultsBytes: parsed.maxResultsSize,
    maxResultBytes: parsed.maxResultSize,
    resultRetentionSeconds: parsed.resultRetention,
    stallSeconds: parsed.stallTimeout,
    shutdownGraceSeconds: parsed.shutdownGrace,
    maxMemoryBytes: parsed.maxMemory,
  };
}

function toAuthOptions(parsed: ParsedOptions): AuthOptions {
  // Processes are no pod's: nothing can say who may profile one.
  const development = parsed.containerLookup === "pid";
  const auth = parsed.auth ?? (development ? "none" : "kubernetes");
  if (auth === "none") {
    if (parsed.clientCaFile === undefined) return { kind: "none" };
    throw new UsageError("--client-ca-file is of no use with --auth=none: nobody is asked");
  }
  if (development) throw new UsageError("--container-lookup=pid goes with --auth=none only");
  const { tokenAudience, serviceAccountDir, kubeApi: apiServer, nodeName } = parsed;
  if (tokenAudience === "") throw new UsageError("--token-audience may not be empty");
  if (parsed.containerLookup === "cgroup" && !nodeName) {
    throw new UsageError(
      "--node-name is missing: with --container-lookup=cgroup the API server is asked whose the " +
        "containers of the node are (or, for development, --auth=none)",
    );
  }
  return { kind: "kubernetes", tokenAudience, serviceAccountDir, apiServer, nodeName };
}

function toCertificatePaths(parsed: ParsedOptions): CertificatePaths | undefined {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, clientCaFile } = parsed;
  if (certFile && keyFile) return { certFile, keyFile, clientCaFile };
  if (certFile || keyFile) {
    throw new UsageError("--tls-cert-file and --tls-key-file go together: one is missing");
  }
  if (clientCaFile) {
    throw new UsageError("--client-ca-file goes with --tls-cert-file and --tls-key-file only");
  }
}

function duration(option: Option, seconds: number): Option {
  return option.argParser(orInvalid(parseDuration)).default(seconds, formatDuration(seconds));
}

function size(option: Option, bytes: number): Option {
  return option.argParser(orInvalid(parseSize)).default(bytes, formatSize(bytes));
}

function orInvalid(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

function parseCount(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError(`'${text}' is not a whole number above zero.`);
  }
  return number;
}

function parseApiServer(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "https:" && `${url.origin}/` === url.href) return url.origin;
  throw new InvalidArgumentError(`'${text}' is not of the form https://host:port.`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new InvalidArgumentError(`'${text}' is not a port number from 0 to 65535.`);
  }
  return port;
}

/** Event names as perf spells them: what is allowed here reaches perf's command line. */
function parseNames(text: string): string[] {
  const names = text.split(",").filter((name) => name !== "");
  for (const name of names) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_:.\/=-]*$/.test(name)) {
      throw new InvalidArgumentError(`'${name}' is not the name of an event.`);
    }
  }
  return names;
}
