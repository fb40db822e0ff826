import { Command } from "commander";
import { stripRuntime } from "../../proto/container_id.ts";
import { DURATION_SECONDS, FREQUENCY_HZ, MAX_CONCURRENT_TARGETS } from "../../proto/defaults.ts";
import type { Via } from "../client/daemon/daemon_endpoint.ts";
import type { AccessOptions } from "../client/daemon/daemon_credentials.ts";
import type { PodSelectors } from "../client/cluster/kubernetes.ts";
import { PROGRAM } from "../program_name.ts";
import type { CallGraph, RecordOptions } from "../client/recording/record_options.ts";
import { parseTargetName, type TargetName } from "../client/targets/target_name.ts";
import { toFetchFlags } from "./fetch.ts";
import {
  collectEvents,
  parseCallGraph,
  parseCount,
  parseDaemonAddress,
  parseTime,
  usageError,
} from "./option_values.ts";
import { requireObjectName } from "../client/cluster/object_name.ts";
import {
  addAccessOptions,
  addClusterOptions,
  addResultOptions,
  type CommonOptions,
  named,
  option,
  type ParsedCluster,
  type ParsedCommonOptions,
  toAccess,
  toCluster,
  toCommonOptions,
} from "./shared_options.ts";

/** The options of one recording. */
export interface ProfileOptions extends CommonOptions {
  /** The given flags that `fetch` also has. */
  fetchFlags: string[];
  target: TargetOptions;
  durationSeconds: number;
  recordOptions: RecordOptions;
  /** How long to wait for sampling to start; no limit when missing. */
  queueTimeoutSeconds?: number;
  /** How many containers are recorded at a time. */
  maxConcurrent: number;
  /** Whether to merge the results of several containers as well. */
  merge: boolean;
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
    cluster: ParsedCluster;
    via: Via;
    necoperfNamespace: string;
    access: AccessOptions;
  }
  | {
    kind: "pods";
    names: TargetName[];
    selectors?: PodSelectors;
    /** Default: the kubeconfig context's. */
    namespace?: string;
    container?: string;
    cluster: ParsedCluster;
    via: Via;
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

interface ParsedOptions extends ParsedCommonOptions {
  container?: string;
  duration?: number;
  timeout?: number;
  frequency?: number;
  event?: string[];
  callGraph?: CallGraph;
  allUser?: true;
  allKernel?: true;
  wall?: true;
  offCpu?: true;
  inline?: boolean;
  mainProcess?: true;
  containerId?: string;
  queueTimeout?: number;
  selector?: string;
  fieldSelector?: string;
  all?: true;
  maxConcurrent: number;
  merge: boolean;
}

const EXAMPLES = `
Examples:
  ${PROGRAM} -n shop web-7d4b9 -c app -o profiles
  ${PROGRAM} profile web-7d4b9 -d 1m -F 499 --call-graph dwarf
  ${PROGRAM} -n shop web-7d4b9 -o - | less
  ${PROGRAM} -n shop deploy/web statefulset/db-0 -o profiles
  ${PROGRAM} -n shop -l app=web,tier!=cache --format flamegraph
  ${PROGRAM} -n shop web-7d4b9 --wall --format flamegraph
  ${PROGRAM} -n shop web-7d4b9 --service-account profiler
`;

export function defineProfile(version: string): Command {
  const command = new Command(PROGRAM)
    .description(
      "Profiles containers of Kubernetes pods with perf, by the necoperf-daemons on their nodes.",
    )
    // The word `profile` is what the Go client wants before the pod; it may stand there or not.
    .usage("[profile] [options] (POD | TYPE/NAME)...")
    .argument("[pod...]")
    .optionsGroup("What to profile:")
    .addOption(named("-n, --namespace <name>", "namespace of the pod (default: the context's)"))
    .addOption(
      named("-c, --container <name>", "container of the pod (default: as kubectl picks it)"),
    )
    .addOption(
      named("-l, --selector <labels>", "all pods with these labels, such as app=web,tier!=cache"),
    )
    .addOption(named("--field-selector <fields>", "all pods with these fields"))
    .addOption(option("--all", "all pods of the namespace"))
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
      option("-F, --frequency <hz>", `samples per second and processor (default: ${FREQUENCY_HZ})`)
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
    .addOption(
      option("--wall", "all of threads' time: running, blocked and waiting for a processor")
        .conflicts(["event", "allKernel", "offCpu"]),
    )
    .addOption(
      option("--off-cpu", "only the time in which threads are blocked")
        .conflicts(["event", "allKernel", "frequency"]),
    )
    .addOption(option("--all-user", "only what runs in user space").conflicts("allKernel"))
    .addOption(option("--all-kernel", "only what runs in the kernel"))
    .option("--inline", "ask perf for inlined functions (it finds none in containers so far)")
    .option("--no-inline", "do not ask for inlined functions (the default)")
    .addOption(
      option("--queue-timeout <time>", "how long to wait for sampling to start (default: no limit)")
        .argParser(parseTime),
    )
    .addOption(
      option("--max-concurrent <number>", "how many containers at a time")
        .argParser(parseCount).default(MAX_CONCURRENT_TARGETS),
    );
  addResultOptions(command)
    .option("--no-merge", "do not also write a merged result when profiling several containers");
  addClusterOptions(command, "; with --container-id")
    .addOption(named("--container-id <id>", "the container as the daemon's runtime names it"));
  return addAccessOptions(command)
    .optionsGroup("About:")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

export function toProfileOptions(command: Command): ProfileOptions {
  const parsed: ParsedOptions = command.opts();
  return {
    ...toCommonOptions(parsed),
    fetchFlags: toFetchFlags(command),
    target: toTarget(command.args, parsed),
    durationSeconds: parsed.duration ?? parsed.timeout ?? DURATION_SECONDS,
    recordOptions: {
      frequencyHz: parsed.frequency,
      events: parsed.event,
      callGraph: parsed.callGraph,
      side: parsed.allUser ? "user" : parsed.allKernel ? "kernel" : undefined,
      inline: parsed.inline ?? false,
      format: parsed.format === "data" ? "data" : "script",
      mainProcess: parsed.mainProcess ?? false,
      threadTime: toThreadTime(parsed),
    },
    queueTimeoutSeconds: parsed.queueTimeout,
    maxConcurrent: parsed.maxConcurrent,
    merge: parsed.merge,
  };
}

function toThreadTime(
  { wall, offCpu, format, callGraph }: ParsedOptions,
): RecordOptions["threadTime"] {
  if (!wall && !offCpu) return undefined;
  const flag = wall ? "--wall" : "--off-cpu";
  if (format === "data") {
    throw usageError(
      `${flag} does not go with --format data: it is computed from perf script's text`,
    );
  }
  if (callGraph && callGraph.method !== "fp" && callGraph.method !== "dwarf") {
    throw usageError(
      `${flag} needs --call-graph fp or dwarf, not ${callGraph.method}: callers show why a thread is ` +
        "blocked",
    );
  }
  return wall ? "all" : "off-cpu";
}

function toTarget(operands: string[], parsed: ParsedOptions): TargetOptions {
  const access = toAccess(parsed);
  const necoperfNamespace = requireObjectName("a namespace", parsed.necoperfNamespace);
  const names = operands[0] === "profile" ? operands.slice(1) : operands;
  const selectors = toSelectors(parsed);
  if (parsed.daemon !== undefined || parsed.containerId !== undefined) {
    if (parsed.daemon === undefined || parsed.containerId === undefined) {
      throw usageError("--daemon and --container-id go together: give both");
    }
    if (names.length > 0) {
      throw usageError(`--container-id takes no pod names (got '${names[0]}')`);
    }
    return {
      kind: "container",
      daemonAddress: parseDaemonAddress(parsed.daemon),
      containerId: stripRuntime(parsed.containerId),
      necoperfNamespace,
      access,
    };
  }
  if (names.length === 0 && !selectors) {
    throw usageError(`name the pod to profile: ${PROGRAM} [options] POD`);
  }
  if (names.length > 0 && selectors) {
    throw usageError(
      `--selector, --field-selector and --all take no names (got '${names[0]}')`,
    );
  }
  if (operands[0] === "fetch" && names.length > 1) {
    throw usageError("put the word fetch before all options");
  }
  const common = {
    namespace: parsed.namespace && requireObjectName("a namespace", parsed.namespace),
    container: parsed.container,
    cluster: toCluster(parsed),
    via: parsed.via,
    necoperfNamespace,
    access,
  };
  const targets = names.map(parseTargetName);
  if (targets.length === 1 && !targets[0].workload) {
    return { kind: "pod", pod: targets[0].name, ...common };
  }
  if (parsed.outputDir === "-" && (parsed.format === "data" || !parsed.merge)) {
    throw usageError(
      "-o - takes one result, but --no-merge and --format data write one for each container",
    );
  }
  return { kind: "pods", names: targets, selectors, ...common };
}

function toSelectors({ selector, fieldSelector, all }: ParsedOptions): PodSelectors | undefined {
  if (selector === undefined && fieldSelector === undefined && !all) return undefined;
  if (all && selector !== undefined) {
    throw usageError("--all already selects every pod of the namespace: leave out --selector");
  }
  return { label: selector, field: fieldSelector };
}
