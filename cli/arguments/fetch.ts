import { Command } from "commander";
import type { Via } from "../client/daemon/daemon_endpoint.ts";
import type { AccessOptions } from "../client/daemon/daemon_credentials.ts";
import { PROGRAM } from "../program_name.ts";
import { parseDaemonAddress, usageError } from "./option_values.ts";
import { requireObjectName } from "../client/cluster/object_name.ts";
import {
  addAccessOptions,
  addClusterOptions,
  addResultOptions,
  type CommonOptions,
  named,
  type ParsedCluster,
  type ParsedCommonOptions,
  toAccess,
  toCluster,
  toCommonOptions,
} from "./shared_options.ts";

/** The options of one download. */
export interface FetchOptions extends CommonOptions {
  /** The given flags that `fetch` also has. */
  fetchFlags: string[];
  recordingId: string;
  daemon: DaemonOptions;
  /** The start of the file's name. */
  name?: string;
  format: "script" | "data";
}

/** The daemon that has a result, and how to find it. */
type DaemonOptions =
  | {
    kind: "node";
    nodeName: string;
    /** Of the service account. Default: the kubeconfig context's. */
    namespace?: string;
    cluster: ParsedCluster;
    via: Via;
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

interface ParsedOptions extends ParsedCommonOptions {
  node?: string;
  name?: string;
}

const EXAMPLES = `
Examples:
  ${PROGRAM} fetch 6fd1b2c4-8f0e-4c44-9a55-0b9f3f1c2d7e --node node1 -o profiles

fetch does not download again what an earlier attempt left in the output directory. Exit status 3
means that the daemon no longer keeps the result, or that the result belongs to another user. To
profile a pod named "fetch", run: ${PROGRAM} profile fetch
`;

export function defineFetch(): Command {
  const command = new Command(`${PROGRAM} fetch`)
    .description(
      "Fetches the result of a recording whose download was interrupted.",
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
      named("--name <name>", "start of the file's name (default: the recording's id)"),
    );
  addClusterOptions(command, " and --node");
  return addAccessOptions(command)
    .optionsGroup("About:")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

export function toFetchOptions(command: Command): FetchOptions {
  const parsed: ParsedOptions = command.opts();
  const [recordingId, another] = command.args;
  if (recordingId === undefined) {
    throw usageError(`name the recording by its id: ${PROGRAM} fetch [options] RECORDING_ID`);
  }
  if (another !== undefined) {
    throw usageError(`fetch takes one recording (got '${another}' as well)`);
  }
  // It becomes part of a file's name.
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(recordingId)) {
    throw usageError(`'${recordingId}' is not the id of a recording`);
  }
  return {
    ...toCommonOptions(parsed),
    fetchFlags: toFetchFlags(command),
    recordingId,
    daemon: toDaemon(parsed),
    name: parsed.name,
    format: parsed.format === "data" ? "data" : "script",
  };
}

function toDaemon(parsed: ParsedOptions): DaemonOptions {
  const { node, daemon } = parsed;
  const common = {
    necoperfNamespace: requireObjectName("a namespace", parsed.necoperfNamespace),
    access: toAccess(parsed),
  };
  if (daemon !== undefined) {
    return { kind: "address", daemonAddress: parseDaemonAddress(daemon), ...common };
  }
  if (node === undefined) throw usageError("name the node that has the result: --node NAME");
  return {
    kind: "node",
    nodeName: requireObjectName("a node", node),
    namespace: parsed.namespace && requireObjectName("a namespace", parsed.namespace),
    cluster: toCluster(parsed),
    via: parsed.via,
    ...common,
  };
}

/** The flags given to a command that `fetch` also has. */
export function toFetchFlags(command: Command): string[] {
  return defineFetch().options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== "cli") return [];
    return option.isBoolean() ? [option.long!] : [option.long!, `${command.getOptionValue(name)}`];
  });
}
