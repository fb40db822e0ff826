import { InvalidArgumentError, Option } from "commander";
import { DAEMON_PORT, TOKEN_AUDIENCE } from "../proto/defaults.ts";
import { formatDuration, parseDuration } from "../proto/duration.ts";
import { LOOKUP_NAMES } from "./containers/lookup_names.ts";
import { DEFAULT_LIMITS } from "./recordings/recording_options.ts";
import { formatSize, parseSize } from "./size.ts";

/** A flag, and the type of its value. */
interface Row<Value> {
  readonly option: Option;
  /** Holds no value: it only names the type. */
  readonly value?: Value;
}

/**
 * Every flag of `necoperf-daemon start`, said once: the parser, the help, the reference page and
 * the types of the values come from here.
 */
export const OPTION_TABLE = {
  address: text("--address <address>", "IP address to listen on", "0.0.0.0"),
  port: value("--port <port>", "port of the gRPC service", parsePort, DAEMON_PORT),
  metricsPort: value(
    "--metrics-port <port>",
    "port of /metrics, /healthz and /readyz (HTTP)",
    parsePort,
    6541,
  ),
  auth: choice(
    "--auth <mode>",
    "who may profile: users that Kubernetes allows to create profiles.necoperf.cybozu.io in the " +
      "namespace of the container's pod (the default), or, for development, everybody",
    ["kubernetes", "none"],
  ),
  tokenAudience: text("--token-audience <name>", "audience that tokens must have", TOKEN_AUDIENCE),
  tlsCertFile: text("--tls-cert-file <file>", "certificate chain of the gRPC service; PEM"),
  tlsKeyFile: text("--tls-key-file <file>", "private key of the certificate; PEM"),
  clientCaFile: text(
    "--client-ca-file <file>",
    "authorities of client certificates, another way to identify callers: the CN is the user, " +
      "each O a group. These authorities can name anybody, so use ones that issue for nothing else",
  ),
  nodeName: text("--node-name <name>", "name of this node, by which its pods are looked up"),
  kubeApi: hidden(
    value("--kube-api <url>", "the API server, as https://host:port", parseApiServer),
  ),
  serviceAccountDir: text(
    "--service-account-dir <directory>",
    "directory with the daemon's own token and ca.crt",
    "/var/run/secrets/kubernetes.io/serviceaccount",
  ),
  maxConnections: count("--max-connections <number>", "limit of concurrent connections", 512),
  containerLookup: choice(
    "--container-lookup <method>",
    "how containers are found: by the cgroups of all processes, by the runtime's CRI socket, " +
      "or (development, loopback only) by process id",
    LOOKUP_NAMES,
    "cri",
  ),
  runtimeEndpoint: text(
    "--runtime-endpoint <endpoint>",
    "the runtime's CRI socket",
    "unix:///run/containerd/containerd.sock",
  ),
  procDir: text("--proc-dir <directory>", "where the host's /proc is mounted", "/host/proc"),
  cgroupDir: text(
    "--cgroup-dir <directory>",
    "where the node's /sys/fs/cgroup is mounted, to say what CPU limits did to a container; optional",
    "/host/cgroup",
  ),
  workDir: text("--work-dir <directory>", "directory for results", "/var/necoperf"),
  maxDurationSeconds: duration(
    "--max-duration <time>",
    "longest recording",
    DEFAULT_LIMITS.maxDurationSeconds,
  ),
  maxFrequencyHz: count(
    "--max-frequency <hz>",
    "highest sampling frequency",
    DEFAULT_LIMITS.maxFrequencyHz,
  ),
  maxStackSizeBytes: count(
    "--max-stack-size <bytes>",
    "largest stack copied with a sample",
    DEFAULT_LIMITS.maxStackSizeBytes,
  ),
  maxThreads: count(
    "--max-threads <number>",
    "limit of a container's threads that perf attaches to",
    DEFAULT_LIMITS.maxThreads,
  ),
  threadTimeBytesPerSecond: value(
    "--thread-time-budget <size>",
    "average perf.data per second of a recording of threads' time, which pauses to stay below it; 8 " +
      "times as much with DWARF stacks; 0 disables such recordings",
    orInvalid((text) => text === "0" ? 0 : parseSize(text)),
    DEFAULT_LIMITS.threadTimeBytesPerSecond,
    formatSize(DEFAULT_LIMITS.threadTimeBytesPerSecond),
  ),
  allowedEvents: value(
    "--allowed-events <names>",
    "events that may be sampled, separated by commas",
    parseEventNames,
    DEFAULT_LIMITS.allowedEvents,
    DEFAULT_LIMITS.allowedEvents.join(),
  ),
  maxConcurrent: count("--max-concurrent <number>", "limit of concurrent recordings", 4),
  maxQueue: count("--max-queue <number>", "limit of recordings that wait for one to end", 32),
  conversionTimeoutSeconds: duration(
    "--conversion-timeout <time>",
    "how long perf script may run after the sampling",
    600,
  ),
  maxPerfMemoryBytes: size(
    "--max-perf-memory <size>",
    "memory of all perf scripts together, above which the largest is killed",
    512 * 2 ** 20,
  ),
  maxRecordResponseBytes: size(
    "--max-record-response <size>",
    "largest response of Record; all unsent responses together may take twice that",
    16 << 20,
  ),
  maxResultsBytes: size(
    "--max-results-size <size>",
    "space for all results in the work directory, compressed",
    2 * 2 ** 30,
  ),
  maxResultBytes: size("--max-result-size <size>", "space for one result, compressed", 2 ** 30),
  resultRetentionSeconds: duration(
    "--result-retention <time>",
    "how long results are kept for their callers",
    300,
  ),
  stallSeconds: duration(
    "--stall-timeout <time>",
    "how long a caller may read nothing of a response",
    300,
  ),
  shutdownGraceSeconds: duration(
    "--shutdown-grace <time>",
    "how long recordings may continue after SIGTERM",
    630,
  ),
  maxMemoryBytes: size(
    "--max-memory <size>",
    "resident memory above which an idle daemon exits with status 0, to be restarted",
    400 * 2 ** 20,
  ),
} satisfies Record<string, Row<unknown>>;

/** The values of all flags, by their names in the table. */
export type OptionValues = {
  -readonly [Name in keyof typeof OPTION_TABLE]: NonNullable<typeof OPTION_TABLE[Name]> extends
    Row<infer Value> ? Value : never;
};

/** Names the values that commander has read as the table does. */
export function toOptionValues(parsed: Record<string, unknown>): OptionValues {
  const values = Object.entries(OPTION_TABLE)
    .map(([name, { option }]) => [name, parsed[option.attributeName()]]);
  return Object.fromEntries(values) as OptionValues;
}

function text(flags: string, description: string): Row<string | undefined>;
function text(flags: string, description: string, fallback: string): Row<string>;
function text(flags: string, description: string, fallback?: string): Row<string | undefined> {
  return { option: new Option(flags, description).default(fallback) };
}

function value<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
): Row<Value | undefined>;
function value<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
  fallback: Value,
  shownAs?: string,
): Row<Value>;
function value<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
  fallback?: Value,
  shownAs?: string,
): Row<Value | undefined> {
  return { option: new Option(flags, description).argParser(parse).default(fallback, shownAs) };
}

function choice<const Value extends string>(
  flags: string,
  description: string,
  choices: readonly Value[],
): Row<Value | undefined>;
function choice<const Value extends string>(
  flags: string,
  description: string,
  choices: readonly Value[],
  fallback: Value,
): Row<Value>;
function choice<const Value extends string>(
  flags: string,
  description: string,
  choices: readonly Value[],
  fallback?: Value,
): Row<Value | undefined> {
  return { option: new Option(flags, description).choices(choices).default(fallback) };
}

function count(flags: string, description: string, fallback: number): Row<number> {
  return value(flags, description, parseCount, fallback);
}

function duration(flags: string, description: string, seconds: number): Row<number> {
  return value(flags, description, orInvalid(parseDuration), seconds, formatDuration(seconds));
}

function size(flags: string, description: string, bytes: number): Row<number> {
  return value(flags, description, orInvalid(parseSize), bytes, formatSize(bytes));
}

function hidden<Value>(row: Row<Value>): Row<Value> {
  row.option.hideHelp();
  return row;
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
function parseEventNames(text: string): string[] {
  const names = text.split(",").filter((name) => name !== "");
  for (const name of names) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_:.\/=-]*$/.test(name)) {
      throw new InvalidArgumentError(`'${name}' is not the name of an event.`);
    }
  }
  return names;
}
