import { Command } from "commander";
import type { DoctorOptions } from "../doctor/doctor.ts";
import { PROGRAM } from "../program_name.ts";
import { usageError } from "./option_values.ts";
import { requireObjectName } from "../client/cluster/object_name.ts";
import {
  addAccessOptions,
  addKubeconfigOptions,
  named,
  type ParsedCommonOptions,
  toAccess,
  toCluster,
} from "./shared_options.ts";

interface ParsedOptions extends ParsedCommonOptions {
  node?: string;
}

const EXAMPLES = `
Examples:
  ${PROGRAM} doctor -n shop --service-account profiler
  ${PROGRAM} doctor --node node1

[+] is fine, [!] limits what a profile can contain, and [-] prevents a profile. The exit status is
that of a profile that fails at the first [-]. Administrators, who may list nodes, also see the
nodes that have no daemon. To profile a pod named "doctor", run: ${PROGRAM} profile doctor
`;

export function defineDoctor(): Command {
  const command = new Command(`${PROGRAM} doctor`)
    .description("Lists what is missing on the way to a profile, and how to fix it.")
    .usage("[options]")
    .argument("[nothing...]")
    .optionsGroup("Where to look:")
    .addOption(
      named("-n, --namespace <name>", "namespace to profile in (default: the context's)"),
    )
    .addOption(named("--node <name>", "ask this node's daemon only (default: all)"));
  addKubeconfigOptions(command.optionsGroup("Cluster:"));
  return addAccessOptions(command)
    .optionsGroup("About:")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES);
}

export function toDoctorOptions(command: Command): DoctorOptions & { verbosity: number } {
  const parsed: ParsedOptions = command.opts();
  if (command.args.length > 0) {
    throw usageError(`doctor takes no arguments (got '${command.args[0]}')`);
  }
  const { namespace, node } = parsed;
  return {
    namespace: namespace && requireObjectName("a namespace", namespace),
    nodeName: node && requireObjectName("a node", node),
    ...toCluster(parsed),
    via: parsed.via,
    verbosity: parsed.v,
    necoperfNamespace: requireObjectName("a namespace", parsed.necoperfNamespace),
    access: toAccess(parsed),
  };
}
