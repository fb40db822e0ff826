import type { Command } from "commander";
import { COMMON_EVENTS } from "../../proto/common_events.ts";
import { NECOPERF_NAMESPACE } from "../../proto/defaults.ts";
import { collectEvents } from "../arguments/option_values.ts";
import { listContexts } from "../client/cluster/kubeconfig.ts";
import { CALL_GRAPH_METHODS } from "../client/recording/record_options.ts";
import { VIAS } from "../client/daemon/daemon_endpoint.ts";
import type { PodReference } from "../client/targets/target.ts";
import { findTargetType, parseTargetName, POD } from "../client/targets/target_name.ts";
import { WORKLOAD_TYPES } from "../client/cluster/workload.ts";
import type { Candidate, Completion } from "./completion.ts";
import { readLine, type UnfinishedLine } from "./line.ts";
import type { ObjectNames } from "./objects.ts";

/** A command line, and the text of some of its options. */
interface Line extends UnfinishedLine {
  /** The value of an option, by its long name. */
  valueOf(name: string): string | undefined;
}

/** Gives the values that there are; those that begin otherwise than the word are left out later. */
type Values = (line: Line) => Completion | Promise<Completion>;

const NOTHING: Completion = { candidates: [] };

/**
 * Where values come from: by the option's name, else by the word that stands for the value in its
 * help, or for the operand. Other values are not completed.
 */
const VALUES: Record<string, Values> = {
  "--namespace": completeNamespace,
  "--necoperf-namespace": completeNamespace,
  "--container": completeContainer,
  "--context": completeContext,
  "--event": completeEvents,
  "--call-graph": () => plain(CALL_GRAPH_METHODS),
  "--node": (line) =>
    asking(
      line,
      (names) => names.daemonNodes(line.valueOf("--necoperf-namespace") ?? NECOPERF_NAMESPACE),
    ),
  "--service-account": (line) =>
    asking(line, (names, namespace) => names.serviceAccounts(namespace)),
  pod: completePod,
  file: () => ({ candidates: [], files: "all" }),
  files: () => ({ candidates: [], files: "all" }),
  path: () => ({ candidates: [], files: "all" }),
  dir: () => ({ candidates: [], files: "directories" }),
};

/**
 * Completes the last of the words that follow a command's name. `others` are words that it may be,
 * too, when it is the first.
 *
 * Rejects when the cluster that the words mean cannot be found.
 */
export async function complete(
  command: Command,
  words: string[],
  others: Candidate[] = [],
): Promise<Completion> {
  const unfinished = readLine(command, words);
  const line = { ...unfinished, valueOf: valuesOf(unfinished) };
  const { candidates: all, files } = await completionOf(command, line);
  const beforeAll = words.length === 1 && line.wanted.kind === "operand" ? others : [];
  const candidates = [...beforeAll, ...all].filter(({ value }) => value.startsWith(line.prefix));
  // The type of an object, whose name is yet to come.
  return {
    candidates,
    files,
    goesOn: candidates.length === 1 && candidates[0].value.endsWith("/"),
  };
}

function valuesOf({ given }: UnfinishedLine): Line["valueOf"] {
  const values = new Map([...given].map(([{ long }, value]) => [long, value]));
  // A shell has not done that yet.
  return (name) => values.get(name)?.replace(/^~(?=\/)/, () => Deno.env.get("HOME") ?? "~");
}

function completionOf(command: Command, line: Line): Completion | Promise<Completion> {
  const { wanted, operands } = line;
  if (wanted.kind === "flag") return completeFlag(command, line);
  if (wanted.kind === "value") {
    const { long, flags, argChoices } = wanted.option;
    const [, word] = /<(.*)>/.exec(flags) ?? [];
    return argChoices ? plain(argChoices) : (VALUES[long!] ?? VALUES[word])?.(line) ?? NOTHING;
  }
  const argument = command.registeredArguments[0];
  if (operands.length > 0 && !argument.variadic) return NOTHING;
  return argument.argChoices
    ? plain(argument.argChoices)
    : VALUES[argument.name()]?.(line) ?? NOTHING;
}

function completeFlag(command: Command, { prefix, given }: Line): Completion {
  // With --help, which is not among the command's own.
  const options = command.createHelp().visibleOptions(command);
  const left = options.filter((option) => option.parseArg === collectEvents || !given.has(option));
  const names = left.flatMap(({ long, short, description }) =>
    [long, prefix === "-" ? short : undefined].flatMap((value) =>
      value ? [{ value, description }] : []
    )
  );
  return { candidates: names };
}

function completeNamespace(line: Line): Promise<Completion> {
  return asking(line, async (names) => {
    const namespaces = await names.namespaces();
    if (namespaces.length > 0) return namespaces;
    // Few tenants may list them.
    const contexts = await listContexts({ kubeconfig: line.valueOf("--kubeconfig") });
    return [...new Set([names.defaultNamespace, ...contexts.map(({ namespace }) => namespace)])]
      .flatMap((value) => value ? [{ value }] : []);
  });
}

/** Offers pods and what stands for pods, but those that are named already. */
function completePod(line: Line): Completion | Promise<Completion> {
  // The one container that is named otherwise.
  if (line.valueOf("--daemon") !== undefined) return NOTHING;
  const [, word] = /^(.*?)\//.exec(line.prefix) ?? [];
  const type = word === undefined ? POD : findTargetType(word);
  if (!type) return NOTHING;
  const types = word !== undefined ? [] : [POD, ...WORKLOAD_TYPES].map(
    ({ resource, singular, shortNames: [short] }) => (
      { value: `${short && resource !== POD.resource ? short : singular}/`, description: resource }
    ),
  );
  return asking(line, async (names, namespace) => {
    const targets = (await names.targets(namespace, type)).map(({ value, description }) => (
      { value: word === undefined ? value : `${word}/${value}`, description }
    ));
    return [...targets.filter(({ value }) => !line.operands.includes(value)), ...types];
  });
}

/** Offers the containers of what is named first. */
function completeContainer(line: Line): Completion | Promise<Completion> {
  const [first] = namesIn(line.operands);
  const [, word = "pod", name] = /^(?:(.*)\/)?(.*)$/.exec(first ?? "")!;
  const type = findTargetType(word);
  if (name === "" || !type) return NOTHING;
  return asking(line, (names, namespace) => names.containers(namespace, type, name));
}

/** What is to be profiled, without the word that may stand before it. */
function namesIn(operands: string[]): string[] {
  return operands[0] === "profile" ? operands.slice(1) : operands;
}

async function completeContext({ valueOf }: Line): Promise<Completion> {
  const contexts = await listContexts({ kubeconfig: valueOf("--kubeconfig") });
  return {
    candidates: contexts.map(({ name, cluster, namespace, current }) => ({
      value: name,
      description: `cluster ${cluster}${namespace ? `, namespace ${namespace}` : ""}${
        current ? " (current)" : ""
      }`,
    })),
  };
}

/**
 * Offers what the daemon of the named pod's node allows, else what a daemon allows whose
 * administrator has said nothing. Names after commas go on.
 */
async function completeEvents(line: Line): Promise<Completion> {
  const [before] = /^.*,/.exec(line.prefix) ?? [""];
  const written = before.split(",");
  const events = await allowedEvents(line).catch(() => COMMON_EVENTS);
  return plain(events.filter((event) => !written.includes(event)).map((event) => before + event));
}

async function allowedEvents({ operands, valueOf }: Line): Promise<readonly string[]> {
  const [pod] = namesIn(operands).map(parseTargetName).filter(({ workload }) => !workload);
  if (!pod) return COMMON_EVENTS;
  // With it comes gRPC, which no other word takes.
  const { readAllowedEvents } = await import("./allowed_events.ts");
  return await readAllowedEvents(referenceTo(pod.name, valueOf));
}

/** What a line says of a pod, and of the way to its daemon. */
export function referenceTo(pod: string, valueOf: Line["valueOf"]): PodReference {
  return {
    pod,
    namespace: valueOf("--namespace"),
    container: valueOf("--container"),
    kubeconfig: valueOf("--kubeconfig"),
    context: valueOf("--context"),
    necoperfNamespace: valueOf("--necoperf-namespace"),
    via: VIAS.find((via) => via === valueOf("--via")),
    access: {
      tokenFile: valueOf("--token-file"),
      serviceAccount: valueOf("--service-account"),
      caFile: valueOf("--ca-file"),
      tlsServerName: valueOf("--tls-server-name"),
      clientCertificateFile: valueOf("--client-cert-file"),
      clientKeyFile: valueOf("--client-key-file"),
      insecureSendToken: valueOf("--insecure-send-token") !== undefined,
    },
  };
}

/** Asks the cluster that the line means, about the namespace that it means. */
async function asking(
  { valueOf }: Line,
  ask: (names: ObjectNames, namespace: string) => Promise<Candidate[]>,
): Promise<Completion> {
  // Nothing that calls a cluster is loaded before it is.
  const { openObjectNames } = await import("./objects.ts");
  const names = await openObjectNames({
    kubeconfig: valueOf("--kubeconfig"),
    context: valueOf("--context"),
  });
  return { candidates: await ask(names, valueOf("--namespace") ?? names.defaultNamespace) };
}

function plain(values: readonly string[]): Completion {
  return { candidates: values.map((value) => ({ value })) };
}
