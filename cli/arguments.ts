import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../proto/duration.ts";
import type { AccessOptions } from "./daemon_access.ts";
import { CliError, ExitStatus } from "./exit_status.ts";
import type { CallGraph, RecordOptions } from "./record_options.ts";

/** What a command line asks for. */
export type Invocation =
  | { kind: "profile"; options: ClientOptions }
  /** `--help` or `--version`: nothing but this text. */
  | { kind: "print"; text: string };

/** The options of one run. */
export interface ClientOptions {
  target: TargetOptions;
  durationSeconds: number;
  recordOptions: RecordOptions;
  /** `-` for standard output. */
  outputDirectory: string;
  quiet: boolean;
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

/** What is used where a command line says nothing. */
const DEFAULTS = {
  durationSeconds: 30,
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
`;

/**
 * Reads a command line (without the program's name).
 *
 * Throws a `CliError` (exit status 2) for a command line that is not understood. Limits that a
 * daemon's administrator sets are the daemon's to check.
 */
export function parseArguments(args: string[], version: string): Invocation {
  let printed = "";
  const command = defineCommand(version).exitOverride().configureOutput({
    writeOut: (text) => printed += text,
    writeErr: () => {},
    // Without these commander reads environment names that this program has no permission for.
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed };
    throw usageError(error.message.replace(/^error: /, ""));
  }
  return { kind: "profile", options: toClientOptions(command.args, command.opts()) };
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
  quiet?: true;
}

function defineCommand(version: string): Command {
  const option = (flags: string, description: string) => new Option(flags, description);
  const named = (flags: string, description: string) =>
    option(flags, description).argParser(parseText);
  return new Command("necoperf-client")
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
    .optionsGroup("Result:")
    .addOption(
      named("-o, --output-dir <dir>", "where the result goes; - for standard output")
        .default(DEFAULTS.outputDirectory),
    )
    .addOption(
      option("--format <format>", "perf script's text, or perf.data itself")
        .choices(["script", "data"]).default("script"),
    )
    .option("-q, --quiet", "say nothing but errors")
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
      named("--daemon <host:port>", "call this daemon, without Kubernetes; with --container-id")
        .conflicts(["namespace", "container", "kubeconfig", "context"]),
    )
    .addOption(named("--container-id <id>", "the container as the daemon's runtime names it"))
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
    )
    .optionsGroup("About:")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

function toClientOptions(operands: string[], parsed: ParsedOptions): ClientOptions {
  return {
    target: toTarget(operands, parsed),
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
    outputDirectory: parsed.outputDir,
    quiet: parsed.quiet ?? false,
  };
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
  if (pods.length > 1) throw usageError(`one pod at a time; '${pods[1]}' is one too many`);
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
