import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../proto/duration.ts";
import type { AccessOptions } from "./daemon_access.ts";
import { CliError, ExitStatus } from "./exit_status.ts";
import type { CallGraph, RecordOptions } from "./record_options.ts";

/** What a command line asks for. */
export type Invocation =
  | { kind: "profile"; options: ClientOptions }
  | { kind: "fetch"; options: FetchOptions }
  /** `--help` or `--version`: nothing but this text. */
  | { kind: "print"; text: string };

/** The options of one recording. */
export interface ClientOptions extends CommonOptions {
  target: TargetOptions;
  durationSeconds: number;
  recordOptions: RecordOptions;
  /** How long to wait for sampling to start; not there: until it does. */
  queueTimeoutSeconds?: number;
}

/** The options of one download. */
export interface FetchOptions extends CommonOptions {
  recordingId: string;
  daemon: DaemonOptions;
  /** What the file's name begins with. */
  name?: string;
  format: "script" | "data";
}

/** What every command has. */
interface CommonOptions {
  /** `-` for standard output. */
  outputDirectory: string;
  /** How long a lost connection is tried again. */
  patienceSeconds: number;
  quiet: boolean;
  /** The flags that were given and that `fetch` has, too. */
  fetchFlags: string[];
}

/** What to profile, and how to find it. */
export type TargetOptions =
  | {
    kind: "pod";
    pod: string;
    /** Default: the kubeconfig context's. */
    namespace?: string;
    container?: string;
    /** Default: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod it runs in. */
    kubeconfig?: string;
    context?: string;
    necoperfNamespace: string;
    access: AccessOptions;
  }
  | {
    kind: "container";
    /** `host:port` of the daemon. */
    daemonAddress: string;
    containerId: string;
    necoperfNamespace: string;
    access: AccessOptions;
  };

/** The daemon that has a result, and how to find it. */
export type DaemonOptions =
  | {
    kind: "node";
    nodeName: string;
    /** Of the service account. Default: the kubeconfig context's. */
    namespace?: string;
    kubeconfig?: string;
    context?: string;
    necoperfNamespace: string;
    access: AccessOptions;
  }
  | {
    kind: "address";
    /** `host:port` of the daemon. */
    daemonAddress: string;
    necoperfNamespace: string;
    access: AccessOptions;
  };

/** What is used where a command line says nothing. */
const DEFAULTS = {
  durationSeconds: 30,
  patienceSeconds: 60,
  outputDirectory: ".",
  necoperfNamespace: "necoperf",
  daemonPort: 6543,
};

const EXAMPLES = `
Examples:
  necoperf-client -n shop web-7d4b9 -c app -o profiles
  necoperf-client profile web-7d4b9 -d 1m -F 499 --call-graph dwarf
  necoperf-client -n shop web-7d4b9 -o - | less
  necoperf-client -n shop web-7d4b9 --service-account profiler

\`necoperf-client fetch --help\` tells how to get a result whose download was interrupted.
`;

const FETCH_EXAMPLES = `
Examples:
  necoperf-client fetch 6fd1b2c4-8f0e-4c44-9a55-0b9f3f1c2d7e --node node1 -o profiles

What an earlier attempt has left in the output directory is not fetched again. Exit status 3: the
daemon does not keep the result any more, or it was another's. Who has a pod that is called fetch
names it so: necoperf-client profile fetch
`;

/**
 * Reads a command line (without the program's name).
 *
 * Throws a `CliError` (exit status 2) for a command line that is not understood. Limits that a
 * daemon's administrator sets are the daemon's to check.
 */
export function parseArguments(args: string[], version: string): Invocation {
  const fetches = args[0] === "fetch";
  let printed = "";
  const command = (fetches ? defineFetch() : defineProfile(version)).exitOverride()
    .configureOutput({
      writeOut: (text) => printed += text,
      writeErr: () => {},
      // Without these commander reads environment names that this program has no permission for.
      getOutHelpWidth: () => Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined!,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  try {
    command.parse(fetches ? args.slice(1) : args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed };
    throw usageError(error.message.replace(/^error: /, ""));
  }
  return fetches
    ? { kind: "fetch", options: toFetchOptions(command) }
    : { kind: "profile", options: toClientOptions(command) };
}

/** The options as commander names and holds them. */
interface ParsedOptions {
  namespace?: string;
  container?: string;
  outputDir: string;
  duration?: number;
  timeout?: number;
  frequency?: number;
  event?: string[];
  callGraph?: CallGraph;
  allUser?: true;
  allKernel?: true;
  inline?: boolean;
  mainProcess?: true;
  format: "script" | "data";
  kubeconfig?: string;
  context?: string;
  necoperfNamespace: string;
  daemon?: string;
  containerId?: string;
  tokenFile?: string;
  serviceAccount?: string;
  insecureSendToken?: true;
  caFile?: string;
  tlsServerName?: string;
  clientCertFile?: string;
  clientKeyFile?: string;
  queueTimeout?: number;
  retryTimeout: number;
  node?: string;
  name?: string;
  quiet?: true;
}

const option = (flags: string, description: string) => new Option(flags, description);
const named = (flags: string, description: string) =>
  option(flags, description).argParser(parseText);

function defineProfile(version: string): Command {
  const command = new Command("necoperf-client")
    .description(
      "Profiles a container of a Kubernetes pod with perf, by the necoperf-daemon on its node.",
    )
    // The word `profile` is what the Go client wants before the pod; it may stand there or not.
    .usage("[profile] [options] POD")
    .argument("[pod...]")
    .optionsGroup("What to profile:")
    .addOption(named("-n, --namespace <name>", "namespace of the pod (default: the context's)"))
    .addOption(
      named("-c, --container <name>", "container of the pod (default: as kubectl picks it)"),
    )
    .option("--main-process", "only the container's first process, not all of them")
    .optionsGroup("How:")
    .addOption(
      option("-d, --duration <time>", "how long, such as 45s or 1m30s (default: 30s)")
        .argParser(parseTime),
    )
    .addOption(
      option("--timeout <time>", "another name of --duration")
        .argParser(parseTime).conflicts("duration"),
    )
    .addOption(
      option("-F, --frequency <hz>", "samples per second and processor (default: 99)")
        .argParser(parseCount),
    )
    .addOption(
      option("-e, --event <names>", "perf events, with commas or repeated (default: perf's own)")
        .argParser(collectEvents),
    )
    .addOption(
      option("--call-graph <method>", "fp, dwarf[,BYTES], lbr or none (default: fp)")
        .argParser(parseCallGraph),
    )
    .addOption(option("--all-user", "only what runs in user space").conflicts("allKernel"))
    .addOption(option("--all-kernel", "only what runs in the kernel"))
    .option("--inline", "name inlined functions, too; slow for large programs")
    .option("--no-inline", "do not (the default)")
    .addOption(
      option("--queue-timeout <time>", "how long to wait for it to start (default: until it does)")
        .argParser(parseTime),
    );
  addResultOptions(command);
  addClusterOptions(command, "; with --container-id")
    .addOption(named("--container-id <id>", "the container as the daemon's runtime names it"));
  return addAccessOptions(command)
    .optionsGroup("About:")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

function defineFetch(): Command {
  const command = new Command("necoperf-client fetch")
    .description(
      "Fetches the result of a recording whose download was interrupted, from the daemon that keeps it.",
    )
    .usage("[options] RECORDING_ID")
    .argument("[id...]")
    .optionsGroup("Where it is:")
    .addOption(named("--node <name>", "the node that the recorded pod ran on"))
    .addOption(
      named("-n, --namespace <name>", "namespace of the service account (default: the context's)"),
    );
  addResultOptions(command)
    .addOption(
      named("--name <name>", "what the file's name begins with (default: the recording's id)"),
    );
  addClusterOptions(command, " and --node");
  return addAccessOptions(command)
    .optionsGroup("About:")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", FETCH_EXAMPLES);
}

function addResultOptions(command: Command): Command {
  return command
    .optionsGroup("Result:")
    .addOption(
      named("-o, --output-dir <dir>", "where the result goes; - for standard output")
        .default(DEFAULTS.outputDirectory),
    )
    .addOption(
      option("--format <format>", "perf script's text, or perf.data itself")
        .choices(["script", "data"]).default("script"),
    )
    .addOption(
      option("--retry-timeout <time>", "how long to try again when the connection is lost")
        .argParser(parseTime).default(DEFAULTS.patienceSeconds, "1m"),
    )
    .option("-q, --quiet", "say nothing but errors");
}

function addClusterOptions(command: Command, daemonTakes: string): Command {
  return command
    .optionsGroup("Cluster:")
    .addOption(
      named("--kubeconfig <file>", "kubeconfig file (default: $KUBECONFIG, ~/.kube/config)"),
    )
    .addOption(named("--context <name>", "context of the kubeconfig file"))
    .addOption(
      named("--necoperf-namespace <name>", "namespace of the daemons")
        .default(DEFAULTS.necoperfNamespace),
    )
    .addOption(
      named("--daemon <host:port>", `call this daemon, without Kubernetes${daemonTakes}`)
        .conflicts(["namespace", "container", "node", "kubeconfig", "context"]),
    );
}

function addAccessOptions(command: Command): Command {
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
        "without a file, ask for a token of this service account in the pod's namespace",
      ).conflicts("daemon"),
    )
    .addOption(
      named(
        "--ca-file <file>",
        "CA certificate of the daemons (default: /var/run/secrets/necoperf/ca.crt if it is there, " +
          "else the ConfigMap necoperf-ca of their namespace); with one, nothing but TLS is spoken",
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
        "send the token without TLS, too: whoever can listen in on the way can take it and profile " +
          "with your rights until it expires",
      ),
    );
}

function toClientOptions(command: Command): ClientOptions {
  const parsed: ParsedOptions = command.opts();
  return {
    ...toCommonOptions(command, parsed),
    target: toTarget(command.args, parsed),
    durationSeconds: parsed.duration ?? parsed.timeout ?? DEFAULTS.durationSeconds,
    recordOptions: {
      frequencyHz: parsed.frequency,
      events: parsed.event,
      callGraph: parsed.callGraph,
      side: parsed.allUser ? "user" : parsed.allKernel ? "kernel" : undefined,
      inline: parsed.inline ?? false,
      format: parsed.format,
      mainProcess: parsed.mainProcess ?? false,
    },
    queueTimeoutSeconds: parsed.queueTimeout,
  };
}

function toFetchOptions(command: Command): FetchOptions {
  const parsed: ParsedOptions = command.opts();
  const [recordingId, another] = command.args;
  if (recordingId === undefined) {
    throw usageError("which recording? Give its id: necoperf-client fetch [options] RECORDING_ID");
  }
  if (another !== undefined) {
    throw usageError(`one recording at a time; '${another}' is one too many`);
  }
  // It becomes part of a file's name.
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(recordingId)) {
    throw usageError(`'${recordingId}' is not the id of a recording`);
  }
  return {
    ...toCommonOptions(command, parsed),
    recordingId,
    daemon: toDaemon(parsed),
    name: parsed.name,
    format: parsed.format,
  };
}

function toDaemon(parsed: ParsedOptions): DaemonOptions {
  const { node, daemon } = parsed;
  const common = {
    necoperfNamespace: parseName("a namespace", parsed.necoperfNamespace),
    access: toAccess(parsed),
  };
  if (daemon !== undefined) {
    return { kind: "address", daemonAddress: parseDaemonAddress(daemon), ...common };
  }
  if (node === undefined) throw usageError("where is the result? Name the node with --node");
  return {
    kind: "node",
    nodeName: parseName("a node", node),
    namespace: parsed.namespace && parseName("a namespace", parsed.namespace),
    kubeconfig: parsed.kubeconfig,
    context: parsed.context,
    ...common,
  };
}

function toCommonOptions(command: Command, parsed: ParsedOptions): CommonOptions {
  return {
    outputDirectory: parsed.outputDir,
    patienceSeconds: parsed.retryTimeout,
    quiet: parsed.quiet ?? false,
    fetchFlags: toFetchFlags(command),
  };
}

function toFetchFlags(command: Command): string[] {
  return defineFetch().options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== "cli") return [];
    return option.isBoolean() ? [option.long!] : [option.long!, `${command.getOptionValue(name)}`];
  });
}

function toTarget(operands: string[], parsed: ParsedOptions): TargetOptions {
  const access = toAccess(parsed);
  const necoperfNamespace = parseName("a namespace", parsed.necoperfNamespace);
  const pods = operands[0] === "profile" ? operands.slice(1) : operands;
  if (parsed.daemon !== undefined || parsed.containerId !== undefined) {
    if (parsed.daemon === undefined || parsed.containerId === undefined) {
      throw usageError("--daemon and --container-id need each other");
    }
    if (pods.length > 0) {
      throw usageError(`--container-id says what to profile; '${pods[0]}' is one too many`);
    }
    return {
      kind: "container",
      daemonAddress: parseDaemonAddress(parsed.daemon),
      containerId: withoutRuntime(parsed.containerId),
      necoperfNamespace,
      access,
    };
  }
  if (pods.length === 0) {
    throw usageError("which pod? Give its name: necoperf-client [options] POD");
  }
  if (pods.length > 1) {
    const hint = pods[0] === "fetch" ? "; the word fetch goes before all options" : "";
    throw usageError(`one pod at a time; '${pods[1]}' is one too many${hint}`);
  }
  return {
    kind: "pod",
    pod: parseName("a pod", pods[0].replace(/^(pods?|po)\//, "")),
    namespace: parsed.namespace && parseName("a namespace", parsed.namespace),
    container: parsed.container,
    kubeconfig: parsed.kubeconfig,
    context: parsed.context,
    necoperfNamespace,
    access,
  };
}

function toAccess(parsed: ParsedOptions): AccessOptions {
  const { clientCertFile, clientKeyFile, serviceAccount } = parsed;
  if ((clientCertFile === undefined) !== (clientKeyFile === undefined)) {
    throw usageError("--client-cert-file and --client-key-file need each other");
  }
  return {
    tokenFile: parsed.tokenFile,
    serviceAccount: serviceAccount && parseName("a service account", serviceAccount),
    caFile: parsed.caFile,
    tlsServerName: parsed.tlsServerName,
    clientCertificateFile: clientCertFile,
    clientKeyFile,
    insecureSendToken: parsed.insecureSendToken ?? false,
  };
}

function parseText(text: string): string {
  // What `-n "$NAMESPACE"` gives when the variable is not set.
  if (text.trim() === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

function parseTime(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as RangeError).message}.`);
  }
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 0xffff_ffff) {
    throw new InvalidArgumentError("It must be a whole number above zero.");
  }
  return count;
}

function collectEvents(text: string, before: string[] = []): string[] {
  // A comma between slashes belongs to the event: cpu/event=0x3c,umask=0/.
  const events = text.split(/,(?=(?:[^/]*\/[^/]*\/)*[^/]*$)/).map((event) => event.trim());
  if (events.includes("")) throw new InvalidArgumentError("An event's name is empty.");
  return [...before, ...events];
}

function parseCallGraph(text: string): CallGraph {
  const [method, size] = text.split(/,(.*)/);
  if (method === "dwarf") {
    return size === undefined ? { method } : { method, stackSizeBytes: parseCount(size) };
  }
  if (size === undefined && (method === "fp" || method === "lbr" || method === "none")) {
    return { method };
  }
  throw new InvalidArgumentError("It must be fp, dwarf, dwarf,BYTES, lbr or none.");
}

/** Names go into the API server's paths: `..` or a slash would ask for something else there. */
function parseName(what: string, name: string): string {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.length > 253) {
    throw usageError(
      `'${name}' is not the name of ${what}: these are of lower case letters, digits, - and .`,
    );
  }
  return name;
}

function parseServerName(text: string): string {
  // TLS sends it along, and takes no addresses for that.
  if (!/^(?=.*[A-Za-z])[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError("It must be a DNS name, as in a certificate.");
  }
  return text;
}

function parseDaemonAddress(text: string): string {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (!host || Number(port) > 65535 || Number(port) === 0) {
    throw usageError(`'${text}' is not the address of a daemon: HOST:PORT, or [IPv6 address]:PORT`);
  }
  return `${host}:${port ?? DEFAULTS.daemonPort}`;
}

/** `kubectl get pod -o yaml` shows `containerd://ID`. */
function withoutRuntime(containerId: string): string {
  return containerId.replace(/^[a-z-]+:\/\//, "");
}

function usageError(message: string): CliError {
  return new CliError(
    ExitStatus.USAGE,
    `${message}\n\`necoperf-client --help\` lists the options`,
  );
}
