/** What a tenant sees when things around a recording break, on a real cluster. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/exit_status.ts";
import { assertBusy, type ClientRunOutside, runClient } from "../testing/client.ts";
import { get, kubectl, type KubernetesObject, readyNodes } from "../testing/cluster.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  type DeployedLookup,
  removeDaemons,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";
import { BREAKABLE, findPerfs, killContainer, restartContainerd } from "../testing/testbed.ts";

const LOOKUPS: DeployedLookup[] = ["cgroup", "cri"];
const ignore = !BREAKABLE;

let tenant: Tenant;
let node: string;

/** It allocates without end when a file says so, beside a child that is busy. */
const GREEDY = [
  ...["sh", "-c"],
  "/opt/necoperf/bin/spin & until [ -e /tmp/greedy ]; do sleep 0.1; done; exec tail /dev/zero",
];

Deno.test.beforeAll(async () => {
  if (ignore) return;
  await deployDaemons(...LOOKUPS);
  tenant = await createTenant({
    daemonNamespaces: LOOKUPS.map((lookup) => DAEMON_NAMESPACE[lookup]),
  });
  [node] = await readyNodes();
  await startPods(tenant, ...["steady", "killed", "greedy", "deleted"].map(targetOf));
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  if (!ignore) await removeDaemons();
});

function targetOf(name: string): KubernetesObject {
  const command = name === "greedy" ? GREEDY : TARGET.spin;
  return targetPod(tenant.namespace, name, { target: command }, { nodeName: node });
}

function inTarget(pod: string, script: string): Promise<string> {
  return kubectl(["exec", `--namespace=${tenant.namespace}`, pod, "--", "sh", "-c", script]);
}

async function restarted(pod: string): Promise<KubernetesObject["status"]> {
  return await eventually(async () => {
    const { status } = await get("pod", pod, tenant.namespace);
    const [container] = status.containerStatuses;
    assert.ok(container.restartCount > 0 && container.ready, JSON.stringify(container));
    return container;
  }, 60);
}

/** How a target ends, and what comes after it. */
const ENDS: { how: string; pod: string; end(): Promise<unknown>; after(): Promise<unknown> }[] = [
  {
    how: "killed, and started anew by the kubelet,",
    pod: "killed",
    end: () => killContainer(tenant.namespace, "killed"),
    after: () => restarted("killed"),
  },
  {
    how: "killed for its memory",
    pod: "greedy",
    end: () => inTarget("greedy", ": >/tmp/greedy"),
    after: async () => {
      const { lastState } = await restarted("greedy");
      assert.equal(lastState.terminated.reason, "OOMKilled");
    },
  },
  {
    how: "deleted with its pod",
    pod: "deleted",
    end: () => kubectl(["delete", "pod", "deleted", `--namespace=${tenant.namespace}`]),
    after: () => startPods(tenant, targetOf("deleted")),
  },
];

/** The one file of a run is a profile of the busy targets. */
function assertProfile(run: ClientRunOutside, status: number, words?: RegExp): void {
  assert.equal(run.status, status, run.stderr);
  const [[name, text], ...others] = Object.entries(run.files);
  assert.deepEqual(others, [], "files beside the result");
  assert.equal(run.stdout, `${run.outputDirectory}/${name}\n`);
  assertBusy(text);
  if (words) assert.match(run.stderr, words);
}

/** The daemon pod of the node. */
async function daemonPod(namespace: string): Promise<KubernetesObject> {
  const { items } = JSON.parse(
    await kubectl([
      ...["get", "pods", `--namespace=${namespace}`, `--field-selector=spec.nodeName=${node}`],
      ...["--selector=app.kubernetes.io/name=necoperf-daemon", "--output=json"],
    ]),
  );
  const alive = (items as KubernetesObject[]).find(({ metadata, status }) =>
    !("deletionTimestamp" in metadata) && status.podIP
  );
  assert.ok(alive, `no daemon of ${namespace} is on ${node}`);
  return alive;
}

/** Nothing of any recording is left, and the next one works. */
async function assertWorks(namespace = DAEMON_NAMESPACE.cgroup, pod = "steady"): Promise<void> {
  await assertNothingLeft(namespace, /^necoperf_results 0$/m);
  const args = [pod, "-d", "1s", "--necoperf-namespace", namespace];
  assertProfile(await runClient(tenant, args), 0);
}

async function assertNothingLeft(namespace: string, ...more: RegExp[]): Promise<void> {
  await eventually(async () => {
    const { status } = await daemonPod(namespace);
    const text = await (await fetch(`http://${status.podIP}:6541/metrics`)).text();
    assert.match(text, /^necoperf_recordings_running 0$/m);
    assert.match(text, /^necoperf_queue_length 0$/m);
    for (const each of more) assert.match(text, each);
    assert.deepEqual(await findPerfs(node), []);
  }, 60);
}

for (const { how, pod, end, after } of ENDS) {
  const name = `a target ${how} during the recording gives what was recorded`;
  Deno.test({ name, ignore }, async () => {
    const run = await runClient(tenant, [pod, "-d", "60s"], {
      // Nothing outside of the daemon tells when samples are there.
      whileRecording: () => inTarget(pod, "sleep 1").then(end),
    });
    assertProfile(run, ExitStatus.PARTIAL, /is partial: the container's processes ended after/);
    await after();
    await assertWorks(undefined, pod);
  });
}

Deno.test({ name: "a daemon killed during a recording is asked again", ignore }, async () => {
  const { cgroup: namespace } = DAEMON_NAMESPACE;
  const run = await runClient(tenant, ["steady", "-d", "3s"], {
    whileRecording: async () => {
      const { metadata: { name } } = await daemonPod(namespace);
      await killContainer(namespace, name);
    },
  });
  assertProfile(run, 0, /the recording was lost with the connection; recording again/);
  await assertWorks();
});

Deno.test({ name: "a daemon pod evicted during a recording ends it first", ignore }, async () => {
  const { cgroup: namespace } = DAEMON_NAMESPACE;
  const { metadata: { name } } = await daemonPod(namespace);
  const run = await runClient(tenant, ["steady", "-d", "5s"], {
    whileRecording: () => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
      const metadata = { name, namespace };
      const eviction = { apiVersion: "policy/v1beta1", kind: "Eviction", metadata };
      return kubectl(["create", `--raw=${path}`, "--filename=-"], JSON.stringify(eviction));
    },
  });
  assertProfile(run, 0);
  assert.doesNotMatch(run.stderr, /connection was lost|recording again/);
  await eventually(
    async () => assert.notEqual((await daemonPod(namespace)).metadata.name, name),
    60,
  );
  await assertWorks();
});

Deno.test(
  { name: "a daemon pod gone without its time is asked again where the next is", ignore },
  async () => {
    const { cgroup: namespace } = DAEMON_NAMESPACE;
    const run = await runClient(tenant, ["steady", "-d", "3s"], {
      whileRecording: async () => {
        const { metadata: { name } } = await daemonPod(namespace);
        const now = ["--grace-period=0", "--force", "--wait=false"];
        await kubectl(["delete", "pod", name, `--namespace=${namespace}`, ...now]);
      },
    });
    assertProfile(run, 0);
    await assertWorks();
  },
);

for (const lookup of LOOKUPS) {
  const name = `${lookup}: a recording goes on while containerd is restarted`;
  Deno.test({ name, ignore }, async () => {
    const namespace = DAEMON_NAMESPACE[lookup];
    const args = ["steady", "-d", "6s", "--necoperf-namespace", namespace];
    const run = await runClient(tenant, args, { whileRecording: () => restartContainerd(node) });
    assertProfile(run, 0);
    await assertWorks(namespace);
  });
}
