/**
 * What is said of a container's CPU limit: of one that is used up, of one that is not, and of a
 * node that is busy.
 */
import assert from "node:assert/strict";
import { type ClientRunOutside, runClient } from "../testing/client.ts";
import { apply, readMinorVersion, readyNodes, waitUntilReady } from "../testing/cluster.ts";
import {
  deployDaemons,
  type OddDaemon,
  type Oddity,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";
import { BREAKABLE } from "../testing/testbed.ts";

let tenant: Tenant;
let daemon: OddDaemon;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  tenant = await createTenant();
  const [node] = await readyNodes();
  // One after the other: the node that is busy is busy for all.
  const resources = { requests: { cpu: "10m" }, limits: { cpu: "200m", memory: "64Mi" } };
  const pods = Object.entries({ spin: TARGET.spin, light: LIGHT }).map(([name, command]) => {
    const pod = targetPod(tenant.namespace, name, { main: command }, { nodeName: node });
    pod.spec.containers[0].resources = resources;
    return pod;
  });
  await apply(...pods);
  await waitUntilReady(tenant.namespace, "spin", "light");
  daemon = await startOddDaemon(node, tenant, await seesLimits());
  await eventually(async () => {
    const response = await fetch(`${daemon.http}/readyz`);
    assert.equal(response.status, 200, await response.text());
  }, 100);
});

Deno.test.afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** Works a little, so that there is something to sample. */
const LIGHT = [
  "sh",
  "-c",
  "while :; do i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; sleep 0.2; done",
];

/**
 * The daemon as it is deployed, where that sees the nodes' limits. On the test cluster of today's
 * Kubernetes these are in hierarchies of v1 that only the nodes' runc sees, at /run/v1: there both
 * kinds of hierarchies are mounted, each below /host/cgroup, as nodes with both have them.
 */
async function seesLimits(): Promise<Oddity> {
  if (!BREAKABLE || await readMinorVersion() < 25) return () => {};
  return (container, { spec }) => {
    const volume = spec.volumes.find(({ name }: { name: string }) => name === "cgroup");
    delete volume.hostPath;
    volume.emptyDir = {};
    const mount = container.volumeMounts.find(({ name }: { name: string }) => name === "cgroup");
    mount.readOnly = false;
    for (const [name, path] of Object.entries({ unified: "/sys/fs/cgroup", v1: "/run/v1" })) {
      spec.volumes.push({ name, hostPath: { path } });
      container.volumeMounts.push({ name, mountPath: `/host/cgroup/${name}`, readOnly: true });
    }
  };
}

function profile(pod: string, ...args: string[]): Promise<ClientRunOutside> {
  const { namespace } = daemon;
  return runClient(tenant, [pod, "-d", "5s", "--necoperf-namespace", namespace, ...args]);
}

/**
 * Profiles the container that spins, until its limit has stopped it: where this machine is busy
 * with other things, it does not get as much.
 */
function profileStopped(...args: string[]): Promise<ClientRunOutside> {
  return eventually(async () => {
    const run = await profile("spin", ...args);
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /warning: its CPU limit/);
    return run;
  }, 60);
}

Deno.test("CPU limit: a container that spins at 200m is told how often and how long it was stopped, and what would do", async () => {
  const run = await profileStopped("--json");
  const { cpuLimit, warnings } = JSON.parse(run.stdout);
  assert.equal(cpuLimit.heldBackBy, "limit", JSON.stringify(cpuLimit));
  assert.equal(cpuLimit.limitCpus, 0.2);
  assert.equal(cpuLimit.requestCpus, 0.01);
  assert.ok(cpuLimit.throttledPeriods <= cpuLimit.periods);
  // It is one thread, that wants one processor.
  assert.ok(cpuLimit.throttledSeconds > 0 && cpuLimit.throttledSeconds <= cpuLimit.elapsedSeconds);
  assert.ok(cpuLimit.enoughCpus > 0.2 && cpuLimit.enoughCpus <= 1.1, `${cpuLimit.enoughCpus}`);
  assert.ok(cpuLimit.usedCpus > 0 && cpuLimit.usedCpus < 0.3, `${cpuLimit.usedCpus}`);
  const [{ text }] = warnings.filter(({ kind }: { kind: string }) => kind === "CPU limit");
  assert.match(text, /^its CPU limit of 200m stopped the container in \d+ of \d+ periods/);
  assert.ok(run.stderr.includes(`warning: ${text}`), run.stderr);
  assert.match(run.stderr, /; CPU limit of 200m used up in \d+ of \d+ periods; /);
});

Deno.test("CPU limit: a flame graph's page says it", async () => {
  const { files } = await profileStopped("--format", "flamegraph");
  const [page] = Object.values(files);
  assert.match(page, /"notes":\["Its CPU limit of 200m stopped the container in [^"]*"\]/);
});

Deno.test("CPU limit: a container that hardly works is not said to be stopped by it", async () => {
  const run = await profile("light", "--json", "--frequency", "499");
  assert.equal(run.status, 0, run.stderr);
  const { cpuLimit, warnings } = JSON.parse(run.stdout);
  // What else the node does is not this test's to say.
  assert.match(cpuLimit.heldBackBy, /^(nothing|node)$/, JSON.stringify(cpuLimit));
  assert.equal(cpuLimit.limitCpus, 0.2);
  assert.deepEqual(warnings.filter(({ kind }: { kind: string }) => kind === "CPU limit"), []);
});

Deno.test("CPU limit: on a busy node, a container without a limit is told that it is the node", async () => {
  const [nodeName] = await readyNodes();
  const names = Array.from(
    { length: 2 * navigator.hardwareConcurrency + 1 },
    (_, at) => `busy${at}`,
  );
  const commands = Object.fromEntries(names.map((name) => [name, TARGET.spin]));
  const pod = targetPod(tenant.namespace, "unlimited", commands, { nodeName });
  for (const { resources } of pod.spec.containers) delete resources.limits.cpu;
  await apply(pod);
  await waitUntilReady(tenant.namespace, "unlimited");
  const run = await profile("unlimited", "-c", "busy0", "--json");
  assert.equal(run.status, 0, run.stderr);
  const { cpuLimit, warnings } = JSON.parse(run.stdout);
  assert.equal(cpuLimit.heldBackBy, "node", JSON.stringify(cpuLimit));
  assert.equal(cpuLimit.limitCpus, undefined);
  const kinds = warnings.map(({ kind }: { kind: string }) => kind);
  assert.ok(kinds.includes("busy node") && !kinds.includes("CPU limit"), `${kinds}`);
  assert.match(run.stderr, /; no CPU limit; /);
});
