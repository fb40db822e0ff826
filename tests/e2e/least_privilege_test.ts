/**
 * Each right that `deploy/README.md` lists is taken away from a daemon of its own, and what the
 * table says breaks does break: no right is held that is not used.
 */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { permissionFlags } from "../../permissions.ts";
import { runClient } from "../testing/client.ts";
import { get, readyNodes, ROOT } from "../testing/cluster.ts";
import { compileForTest } from "../testing/compile.ts";
import {
  deployDaemons,
  type OddDaemon,
  type Oddity,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import { kustomize } from "../testing/kustomize.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";
import { BREAKABLE } from "../testing/testbed.ts";

let directory: string;
let tenant: Tenant;
let node: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "necoperf-flags-" });
  await Deno.chmod(directory, 0o755);
  await deployDaemons("cgroup");
  [node] = await readyNodes();
  tenant = await createTenant();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "target", { spin: TARGET.spin }, { nodeName: node }),
  );
});

Deno.test.afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
  await Deno.remove(directory, { recursive: true });
});

/** What breaks. */
type Break = (daemon: OddDaemon) => Promise<void>;

/** `/readyz` fails with a line that says this. */
function notReady(words: RegExp): Break {
  return async ({ http }) => {
    const text = await eventually(async () => {
      const response = await fetch(`${http}/readyz`);
      const text = await response.text();
      assert.equal(response.status, 503, text);
      return text;
    });
    assert.match(text, words);
  };
}

/** The daemon ends at once, and its container with it. */
async function ends({ namespace }: OddDaemon): Promise<void> {
  await eventually(async () => {
    const { status } = await get("pod", "daemon", namespace);
    const [{ state, lastState }] = status.containerStatuses;
    const { exitCode } = state.terminated ?? lastState.terminated ?? {};
    assert.ok(exitCode > 0, JSON.stringify({ state, lastState }));
  });
}

/** The client is told so, with this status. */
function refused(status: number, words: RegExp): Break {
  return async ({ namespace, http }) => {
    await eventually(async () => (await fetch(`${http}/healthz`)).body?.cancel());
    // It stays as it is, however often the client asks.
    const args = ["target", "-d", "1s", "--retry-timeout", "2s", "--necoperf-namespace", namespace];
    const run = await runClient(tenant, args);
    assert.equal(run.status, status, run.stderr);
    assert.match(run.stderr, words);
    assert.deepEqual(run.files, {});
  };
}

/** Recordings are made, and do not say what CPU limits did, for this reason. */
function knowsNoLimits(words: RegExp): Break {
  return async ({ namespace, http }) => {
    await eventually(async () => (await fetch(`${http}/healthz`)).body?.cancel(), 100);
    const args = ["target", "-d", "1s", "--json", "--necoperf-namespace", namespace];
    const run = await runClient(tenant, args);
    assert.equal(run.status, 0, run.stderr);
    const { summary, cpuLimit } = JSON.parse(run.stdout);
    assert.equal(summary.cpu, undefined);
    assert.equal(cpuLimit.heldBackBy, "unknown");
    assert.match(cpuLimit.unknown, words);
  };
}

function withoutCapability(name: string): Oddity {
  return ({ securityContext: { capabilities } }) => {
    assert.ok(capabilities.add.includes(name));
    capabilities.add = capabilities.add.filter((each: string) => each !== name);
  };
}

function withoutVolume(name: string): Oddity {
  return (container, { spec }) => {
    const others = (all: { name: string }[]) => all.filter((each) => each.name !== name);
    assert.notEqual(others(spec.volumes).length, spec.volumes.length);
    container.volumeMounts = others(container.volumeMounts);
    spec.volumes = others(spec.volumes);
  };
}

function withoutRule(resource: string): Oddity {
  return (_container, _pod, role) => {
    const others = role.rules.filter(({ resources }: { resources: string[] }) =>
      !resources.includes(resource)
    );
    assert.equal(others.length, role.rules.length - 1);
    role.rules = others;
  };
}

/**
 * Starts a daemon that is compiled with a Deno permission changed, from a directory of this
 * machine: the nodes of the test cluster have its files.
 */
function withFlags(from: string, to: string): Oddity {
  return async (container, pod) => {
    const flags = permissionFlags("daemon", { embedded: true });
    const changed = flags.map((flag) => flag.replace(from, to));
    assert.notDeepEqual(changed, flags);
    const path = `${directory}/changed`;
    // One at a time: each has 100 MB.
    await Deno.remove(path, { recursive: true }).catch(() => {});
    await Deno.mkdir(path);
    await compileForTest("daemon", { output: `${path}/necoperf-daemon`, flags: changed });
    pod.spec.volumes.push({ name: "changed", hostPath: { path } });
    container.volumeMounts.push({ name: "changed", mountPath: "/changed", readOnly: true });
    container.command = ["/changed/necoperf-daemon"];
  };
}

const PERF_CANNOT_RUN = /^\[-\]perf failed: perf cannot be run/m;

/** The rows of the table in `deploy/README.md`: the right, and what breaks without it. */
const RIGHTS: Record<string, { without: Oddity; breaks: Break }> = {
  "`PERFMON`": { without: withoutCapability("PERFMON"), breaks: notReady(PERF_CANNOT_RUN) },
  "`SYS_PTRACE`": { without: withoutCapability("SYS_PTRACE"), breaks: notReady(PERF_CANNOT_RUN) },
  "`SYSLOG`": { without: withoutCapability("SYSLOG"), breaks: notReady(PERF_CANNOT_RUN) },
  "`SYS_ADMIN`": { without: withoutCapability("SYS_ADMIN"), breaks: notReady(PERF_CANNOT_RUN) },
  "`SYS_CHROOT`": { without: withoutCapability("SYS_CHROOT"), breaks: notReady(PERF_CANNOT_RUN) },
  "`allowPrivilegeEscalation`": {
    without: ({ securityContext }) => {
      securityContext.allowPrivilegeEscalation = false;
    },
    breaks: notReady(/^\[-\]perf failed: perf (may not record|cannot be run)/m),
  },
  "`hostPID`": {
    without: (_container, { spec }) => {
      spec.hostPID = false;
    },
    breaks: notReady(/^\[-\]container-lookup failed/m),
  },
  "`/proc` of the host": {
    without: withoutVolume("proc"),
    breaks: notReady(/^\[-\]container-lookup failed/m),
  },
  "`/sys/fs/cgroup` of the host": {
    without: withoutVolume("cgroup"),
    breaks: knowsNoLimits(/^the node's daemon sees no cgroups: .* \(--cgroup-dir\)$/),
  },
  "`/var/necoperf`": { without: withoutVolume("results"), breaks: ends },
  "Secret `necoperf-daemon-tls`": { without: withoutVolume("tls"), breaks: ends },
  "service account token": {
    without: withoutVolume("token"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server|token/),
  },
  "`create` `tokenreviews`": {
    without: withoutRule("tokenreviews"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server/),
  },
  "`create` `subjectaccessreviews`": {
    without: withoutRule("subjectaccessreviews"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server/),
  },
  "`list` `pods`": {
    without: withoutRule("pods"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server/),
  },
  "`--allow-run`": {
    without: withFlags("--allow-run=perf", "--allow-run=nothing"),
    breaks: notReady(/^\[-\]perf failed: there is no perf/m),
  },
  "`--allow-read` of `/host/proc`": {
    without: withFlags("/host/proc", "/nowhere"),
    breaks: notReady(/^\[-\]container-lookup failed/m),
  },
  "`--allow-read` of `/host/cgroup`": {
    without: withFlags("/host/cgroup", "/nowhere"),
    breaks: knowsNoLimits(
      /^the container's cgroup is not among those that the node's daemon sees$/,
    ),
  },
  "`--allow-read` of the TLS files": {
    without: withFlags("/etc/necoperf", "/nowhere"),
    breaks: ends,
  },
  "`--allow-read` of the token": {
    without: withFlags("/var/run/secrets/kubernetes.io/serviceaccount", "/nowhere"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server|token/),
  },
  "`--allow-write`": {
    without: withFlags("--allow-write=/var/necoperf", "--allow-write=/x"),
    breaks: ends,
  },
  "`--allow-net` to listen": { without: withFlags("0.0.0.0", "0.0.0.1"), breaks: ends },
  "`--allow-net` to the API server": {
    without: withFlags("10.0.0.0/8", "10.255.0.0/16"),
    breaks: refused(ExitStatus.UNREACHABLE, /API server/),
  },
  "`--allow-env`": { without: withFlags("--allow-env=", "--allow-env=X"), breaks: ends },
  "`--allow-sys`": { without: withFlags("osRelease", "uid"), breaks: ends },
};

for (const [right, { without, breaks }] of Object.entries(RIGHTS)) {
  const ignore = right.startsWith("`--allow") && !BREAKABLE;
  Deno.test(`least privilege: without ${right}`, { ignore }, async () => {
    await using daemon = await startOddDaemon(node, tenant, without);
    await breaks(daemon);
  });
}

Deno.test("least privilege: the table in deploy/README.md has these rights and no others", async () => {
  const text = await Deno.readTextFile(`${ROOT}/deploy/README.md`);
  const table = /\| Right .*\n\|[- |]+\n((?:\|.*\n)+)/.exec(text);
  assert.ok(table, "there is no such table");
  const rows = table[1].trimEnd().split("\n").map((row) => row.split("|")[1].trim());
  assert.deepEqual(rows.sort(), Object.keys(RIGHTS).sort());
});

Deno.test("least privilege: the pods run under what the restricted profile asks for, but for the table's rows", async () => {
  const objects = await kustomize("deploy/base");
  const { spec } = objects.find(({ kind }) => kind === "DaemonSet")!.spec.template;
  const [{ securityContext }, ...others] = spec.containers;
  assert.deepEqual(others, []);
  assert.equal(spec.securityContext.runAsNonRoot, true);
  assert.equal(spec.securityContext.seccompProfile.type, "RuntimeDefault");
  assert.deepEqual(securityContext.capabilities.drop, ["ALL"]);
  assert.equal(securityContext.readOnlyRootFilesystem, true);
  const text = JSON.stringify(spec);
  assert.doesNotMatch(text, /"privileged":true|"hostNetwork"|"hostIPC"|"hostPort"/);
});
