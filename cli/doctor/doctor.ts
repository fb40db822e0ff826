import { formatDuration, fromDuration } from "../../proto/duration.ts";
import { VERSION } from "../../version.ts";
import { TOKEN_AUDIENCE } from "../../proto/defaults.ts";
import { tokenSubject } from "../client/daemon/bearer_token.ts";
import {
  type AccessOptions,
  completeAccess,
  type DaemonCredentials,
  readAccessFiles,
} from "../client/daemon/daemon_credentials.ts";
import {
  type DaemonInfo,
  type ReadDaemonInfo,
  readDaemonInfo,
} from "../client/daemon/daemon_info.ts";
import { DAEMON_LABEL, pickDaemon } from "../client/cluster/daemon_pod.ts";
import type { Route, Via } from "../client/daemon/daemon_endpoint.ts";
import { formatRule } from "../client/cluster/rbac_rule.ts";
import { settleAccess, toEndpoint } from "../client/targets/find_daemon.ts";
import { CliError, ExitStatus } from "../errors.ts";
import {
  type Cluster,
  type ClusterOptions,
  openCluster,
  type ResourceAccess,
} from "../client/cluster/kubernetes.ts";
import type { Pod } from "../client/cluster/pod.ts";

/** One thing that was looked into. */
export interface Finding {
  level: "ok" | "warning" | "problem";
  /** What is so. */
  message: string;
  /** What to do about it. */
  fix?: string;
  /** That of a profile which meets this problem. */
  exitStatus?: ExitStatus;
}

/** Whose way to a profile is looked into. */
export interface DoctorOptions extends ClusterOptions {
  /** Where what is to be profiled is. Default: the kubeconfig context's. */
  namespace?: string;
  /** Look at the daemon of this node only. Default: at all. */
  nodeName?: string;
  necoperfNamespace: string;
  /** How the daemons are reached. Default: `auto`. */
  via?: Via;
  access: AccessOptions;
}

/** How many daemons are asked at a time. */
const DAEMONS_AT_A_TIME = 16;

/**
 * Goes the way that a profile goes, from the kubeconfig file to each node's daemon, and says what
 * is there and what is missing as it finds out. A problem is a finding, not an error;
 * rejects only when `signal` aborts.
 */
export async function* examine(
  options: DoctorOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { necoperfNamespace } = options;
  const files = yield* attempt(() => readAccessFiles(options.access));
  const cluster = yield* attempt(() => openCluster(options, signal));
  if (!files || !cluster) return;
  yield ok(`cluster: ${cluster.origin}`);
  const namespace = options.namespace ?? cluster.defaultNamespace;

  const mayGoOn = yield* examineRights(cluster, rightsNeeded(options, namespace));
  if (!mayGoOn) return;
  const found = yield* attempt(() =>
    completeAccess(files, options.access, necoperfNamespace, {
      cluster,
      targetNamespace: namespace,
    })
  );
  if (!found) return;
  yield describeConnection(found);
  const pods = yield* attempt(() => cluster.selectPods(necoperfNamespace, { label: DAEMON_LABEL }));
  const access = found.candidates && pods
    ? (yield* attempt(() => settle(found, cluster, pods, options, signal))) ?? found
    : found;
  yield* examineToken(cluster, access, namespace, signal);
  if (!pods) return;
  yield* examineNodes(cluster, pods, options);
  yield* examineDaemons(cluster, pods, access, options, signal);
}

/** Asks one of the daemons as which service account to call. */
async function settle(
  access: DaemonCredentials,
  cluster: Cluster,
  pods: Pod[],
  options: DoctorOptions,
  signal: AbortSignal,
): Promise<DaemonCredentials> {
  const nodeName = options.nodeName ?? pods.find((pod) => pod.nodeName !== undefined)?.nodeName;
  if (nodeName === undefined) return access;
  const place = { nodeName, namespace: options.necoperfNamespace };
  const daemon = pickDaemon(pods.filter((pod) => pod.nodeName === nodeName), place);
  const route: Route = { via: options.via ?? "auto" };
  const endpoint = toEndpoint(daemon, { cluster, route, place, options });
  return await settleAccess(access, { endpoint, nodeName, signal });
}

/** What a profile asks of the API server. */
interface NeededRight extends ResourceAccess {
  /** What does not work without it, where not all. */
  without?: string;
}

function rightsNeeded(
  { necoperfNamespace, via = "auto", access: { serviceAccount, caFile } }: DoctorOptions,
  namespace: string,
): NeededRight[] {
  const core = { group: "", namespace };
  return [
    { ...core, verb: "get", resource: "pods" },
    {
      ...core,
      verb: "list",
      resource: "pods",
      without: "profiling several pods at once needs their names",
    },
    { ...core, verb: "list", resource: "pods", namespace: necoperfNamespace },
    ...via === "direct" ? [] : portForwardRights(necoperfNamespace, via),
    ...caFile === undefined
      ? [{
        ...{ ...core, verb: "get", resource: "configmaps", name: "necoperf-ca" } as const,
        namespace: necoperfNamespace,
        without: "the daemons' certificate cannot be checked without --ca-file",
      }]
      : [],
    ...serviceAccount !== undefined
      ? [{
        ...{ ...core, verb: "create", resource: "serviceaccounts", subresource: "token" } as const,
        name: serviceAccount,
      }]
      : [],
    ...(["deployments", "statefulsets", "daemonsets"] as const).map((resource) => ({
      ...{ ...core, verb: "get", group: "apps", resource } as const,
      without: `${resource} have to be named by their pods or by -l`,
    })),
  ];
}

/** Which of the two is asked for depends on the API server's release. */
function portForwardRights(namespace: string, via: Via): NeededRight[] {
  const without = via === "port-forward"
    ? undefined
    : "daemons are reached at their pods' addresses only, which takes a route there";
  const right = { group: "", resource: "pods", subresource: "portforward", namespace, without };
  return [{ ...right, verb: "get" }, { ...right, verb: "create" }];
}

/** Returns whether the API server answers. */
async function* examineRights(
  cluster: Cluster,
  rights: NeededRight[],
): AsyncGenerator<Finding, boolean> {
  const answers = yield* attempt(() =>
    Promise.all(rights.map(({ without: _, ...right }) => cluster.mayAccess(right)))
  );
  if (!answers) return false;
  for (const [index, right] of rights.entries()) {
    const name = nameRight(right);
    if (answers[index]) yield ok(`may ${name}`);
    else if (right.without !== undefined) {
      yield { level: "warning", message: `may not ${name}: ${right.without}`, fix: ruleFor(right) };
    } else {
      yield {
        level: "problem",
        message: `may not ${name}`,
        fix: ruleFor(right),
        exitStatus: ExitStatus.NOT_ALLOWED,
      };
    }
  }
  return true;
}

function describeConnection({ connection }: DaemonCredentials): Finding {
  if (connection.kind === "tls") return ok(`TLS: daemons are to be ${connection.serverName}`);
  return {
    level: "warning",
    message: `daemons are called without TLS: ${connection.because}`,
    fix: "deploy/make-certificates makes certificates and the ConfigMap that clients read",
  };
}

/** Whether there is a token, whose it is, and what its owner may have profiled. */
async function* examineToken(
  cluster: Cluster,
  access: DaemonCredentials,
  namespace: string,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { token: source, foundServiceAccount, noTokenBecause } = access;
  if (!source) {
    yield {
      level: "warning",
      message: "no token for the daemons: they refuse callers that they do not know",
      fix: noTokenBecause ??
        `--service-account NAME asks for one of an account of ${namespace}; in a pod, a ` +
          `projected token for the audience ${TOKEN_AUDIENCE} (deploy/README.md has an example)`,
    };
    return;
  }
  if (foundServiceAccount) {
    yield ok(
      `service account ${foundServiceAccount.name} of ${namespace}: found by itself, ` +
        "--service-account chooses another",
    );
  }
  const token = yield* attempt(() => source(signal));
  if (token === undefined) return;
  const user = tokenSubject(token);
  yield ok(`token for the daemons${user === undefined ? "" : ` of ${user}`}`);
  if (user === undefined) return;
  for (
    const { without, ...right } of [
      { resource: "profiles", without: undefined },
      { resource: "profiles", subresource: "kernel", without: "kernel samples are left out" },
    ]
  ) {
    const wanted: ResourceAccess = {
      verb: "create",
      group: "necoperf.cybozu.io",
      namespace,
      ...right,
    };
    const allowed = yield* attempt(() => cluster.mayAccess(wanted, user));
    const name = `${nameRight(wanted)} as ${user}`;
    if (allowed) yield ok(`may ${name}`);
    else if (allowed === undefined) {
      yield {
        level: "warning",
        message: `whether it may ${nameRight(wanted)} is not yours to ask`,
        fix: `an administrator can: kubectl auth can-i create ${resourceName(wanted)}.` +
          `${wanted.group} -n ${namespace} --as=${user}`,
      };
    } else if (without === undefined) {
      yield {
        level: "problem",
        message: `may not ${name}`,
        fix: ruleFor(wanted),
        exitStatus: ExitStatus.NOT_ALLOWED,
      };
    } else yield { level: "warning", message: `may not ${name}: ${without}`, fix: ruleFor(wanted) };
  }
}

/** Which nodes have no daemon. */
async function* examineNodes(
  cluster: Cluster,
  pods: Pod[],
  { nodeName, necoperfNamespace }: DoctorOptions,
): AsyncGenerator<Finding> {
  const deploy = "an administrator deploys it with: kubectl apply -k deploy/base";
  if (pods.length === 0) {
    yield {
      level: "problem",
      message: `there is no necoperf-daemon in namespace ${necoperfNamespace}`,
      fix: `${deploy}; or name its namespace with --necoperf-namespace`,
      exitStatus: ExitStatus.NOT_FOUND,
    };
    return;
  }
  const nodes = nodeName === undefined ? yield* attempt(() => cluster.listNodeNames()) : [nodeName];
  if (nodes === undefined) return;
  const served = new Set(pods.map((pod) => pod.nodeName));
  const bare = nodes.filter((name) => !served.has(name));
  if (bare.length === 0) {
    yield ok(
      nodes.length === 1 ? `${nodes[0]} has a daemon` : `all ${nodes.length} nodes have one`,
    );
    return;
  }
  yield {
    level: nodeName === undefined ? "warning" : "problem",
    message:
      `no daemon on ${bare.length} of ${nodes.length} nodes: ${bare.slice(0, 5).join(", ")}` +
      (bare.length > 5 ? ", ..." : ""),
    fix: "see the DaemonSet's nodeSelector and tolerations, and the nodes' taints",
    exitStatus: ExitStatus.NOT_FOUND,
  };
}

/** What each daemon says of itself. */
async function* examineDaemons(
  cluster: Cluster,
  pods: Pod[],
  access: DaemonCredentials,
  options: DoctorOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { nodeName, necoperfNamespace: namespace } = options;
  const route: Route = { via: options.via ?? "auto" };
  const nodes = Map.groupBy(
    pods.filter((pod) => pod.nodeName !== undefined && (nodeName ?? pod.nodeName) === pod.nodeName),
    (pod) => pod.nodeName!,
  );
  const asked = [...nodes].sort(([a], [b]) => a.localeCompare(b));
  const read = (node: string, pods: Pod[], route: Route) => {
    const place = { nodeName: node, namespace };
    const endpoint = toEndpoint(pickDaemon(pods, place), { cluster, route, place, options });
    const name = `the daemon on ${node} (${endpoint.address})`;
    return readDaemonInfo({ endpoint, name, access, signal });
  };
  /** One that was reached at its address. */
  let direct: string | undefined;
  const limits = new Map<string, string[]>();
  while (asked.length > 0) {
    const answers = await Promise.all(
      asked.splice(0, DAEMONS_AT_A_TIME).map(async ([node, pods]) => {
        try {
          return { node, ...await read(node, pods, route) };
        } catch (error) {
          return { failure: problem(error) };
        }
      }),
    );
    for (const answer of answers) {
      if (answer.failure) yield answer.failure;
      else {
        const { node, info } = answer;
        yield ok(`${node}: reached ${describeWay(answer)}`);
        if (!answer.isTunnelled) direct ??= node;
        yield* describeDaemon(node, info);
        const message = describeLimits(info);
        limits.set(message, [...limits.get(message) ?? [], node]);
      }
    }
  }
  if (direct !== undefined && route.via === "auto") {
    try {
      const other = await read(direct, nodes.get(direct)!, { via: "port-forward" });
      yield ok(`${direct}: can be reached ${describeWay(other)}`);
    } catch (error) {
      // Nothing that is asked for depends on it, and of a missing right there is a line already.
      const { message } = problem(error);
      yield ok(`${direct}: cannot be reached through the API server's port-forward: ${message}`);
    }
  }
  for (const [message, nodes] of limits) {
    yield ok(
      limits.size === 1 ? message : `${message} (${nodes.length} nodes, such as ${nodes[0]})`,
    );
  }
}

/** Which way was taken, and what it costs. */
function describeWay({ isTunnelled, connectMs, answerMs }: ReadDaemonInfo): string {
  const way = isTunnelled ? "through the API server's port-forward" : "at its pod's address";
  return `${way}: connected in ${Math.round(connectMs)} ms, answers in ${Math.round(answerMs)} ms`;
}

/** One daemon's line, and what is wrong with it. */
export function* describeDaemon(node: string, info: DaemonInfo): Generator<Finding> {
  const { version, perfVersion, kernelRelease, runningRecordings, waitingRecordings } = info;
  const message =
    `${node}: necoperf-daemon ${version}, perf ${perfVersion}, kernel ${kernelRelease}, ` +
    `${runningRecordings} recording, ${waitingRecordings} waiting`;
  if (!info.ready) {
    const failed = info.readiness.split("\n").filter((line) => line.startsWith("[-]"))
      .map((line) => line.slice(3));
    yield {
      level: "problem",
      message: `${message}; it is not ready: ${failed.join("; ")}`,
      fix: `an administrator sees more with: kubectl logs -n NAMESPACE POD, and on /readyz?verbose`,
      exitStatus: ExitStatus.RECORDING_FAILED,
    };
  } else yield ok(message);
  if (info.versionSkew) {
    yield {
      level: "warning",
      message: `${node}: ${info.versionSkew}`,
      fix: "build the daemon's image with the perf of the nodes' kernel",
    };
  }
  if (version !== VERSION) {
    yield {
      level: "warning",
      message: `${node}: its release ${version} is not this client's (${VERSION})`,
      fix: "use the client of the daemons' release",
    };
  }
}

function describeLimits({ limits }: DaemonInfo): string {
  if (!limits) return "limits: not told";
  return `limits: ${
    formatDuration(fromDuration(limits.maxDuration))
  } at ${limits.maxFrequency} Hz, ` +
    `events ${
      limits.allowedEvents.join(", ")
    }; ${limits.maxConcurrent} recordings at a time on a ` +
    `node, ${limits.maxQueue} waiting; results kept for ${
      formatDuration(fromDuration(limits.resultRetention))
    }`;
}

/** Yields a finding instead of throwing what is meant for the user. */
async function* attempt<T>(act: () => Promise<T>): AsyncGenerator<Finding, T | undefined> {
  try {
    return await act();
  } catch (error) {
    yield problem(error);
  }
}

/** How to fix failures whose own message does not say it. */
const USUAL_FIXES: Partial<Record<ExitStatus, string>> = {
  [ExitStatus.USAGE]: "give another value, or see `kubectl config get-contexts` and " +
    "`kubectl config view` for what the kubeconfig file has",
  [ExitStatus.UNREACHABLE]:
    "if `kubectl get pods` fails as well, check the network, the VPN and the " +
    "server's address in the kubeconfig file",
  [ExitStatus.NOT_ALLOWED]: "ask the cluster's administrators for it",
};
const LAST_FIX = "try again; if it fails again, ask the cluster's administrators";

/**
 * A failure's words; what to do stands in them on lines of its own, or after the last semicolon.
 */
export function problem(error: unknown): Finding {
  if (!(error instanceof CliError) || error.exitStatus === ExitStatus.INTERRUPTED) throw error;
  const { message, exitStatus } = error;
  const [, problem, fix] = /^(.*?)\n(.*)$/s.exec(message) ?? /^(.*); (.*?)$/s.exec(message) ??
    [undefined, message, USUAL_FIXES[exitStatus] ?? LAST_FIX];
  return { level: "problem", message: problem, fix, exitStatus };
}

function ok(message: string): Finding {
  return { level: "ok", message };
}

function resourceName({ resource, subresource }: ResourceAccess): string {
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}

function nameRight(right: ResourceAccess): string {
  const { verb, group, namespace, name } = right;
  const of = group === "" ? "" : `.${group}`;
  return `${verb} ${resourceName(right)}${of}${
    name === undefined ? "" : ` ${name}`
  } in ${namespace}`;
}

/** Describes the Role that grants a missing right. */
function ruleFor(right: ResourceAccess): string {
  const { verb, group, namespace, name } = right;
  return `a Role in namespace ${namespace} with this rule, bound to that user, allows it: ` +
    formatRule({ verb, apiGroup: group, resource: resourceName(right), name });
}
