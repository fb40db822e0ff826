/** What a tenant sees when things around a recording break, on a real cluster. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { assertBusy, type ClientRunOutside, runClient } from "../testing/client.ts";
import { get, kubectl, type KubernetesObject, readyNodes } from "../testing/cluster.ts";
import {
  addShell,
  DAEMON_NAMESPACE,
  deployDaemons,
  type DeployedLookup,
  type OddDaemon,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";
import {
  BREAKABLE,
  findPerfs,
  freezeApiServer,
  killContainer,
  restartContainerd,
} from "../testing/testbed.ts";

const LOOKUPS: DeployedLookup[] = ["cgroup", "cri"];
const ignore = !BREAKABLE;

let tenant: Tenant;
let node: string;

/** It allocates without end when a file says so, beside a child that is busy. */
const GREEDY = [
  ...["sh", "-c"],
  "/opt/necoperf/bin/spin & until [ -e /tmp/greedy ]; do sleep 0.1; done; exec tail /dev/zero",
];

/**
 * In the place of perf: the real one, but `perf script` can be made to print 12 MB that gzip cannot
 * shrink much, and waits at its end to be let go. The real one takes milliseconds.
 */
const SLOW_PERF = `#!/bin/sh
[ "$1" = script ] || exec /usr/bin/perf "$@"
/usr/bin/perf "$@"
[ ! -e /var/necoperf/large ] || head -c 9000000 /dev/urandom | base64 | sed G
until [ -e /var/necoperf/released ]; do sleep 0.1; done
`;

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

/** Does what ends a pod's only container, and resolves with its status when the next one runs. */
async function restart(
  end: () => Promise<unknown>,
  pod: string,
  namespace = tenant.namespace,
): Promise<KubernetesObject["status"]> {
  const containerOf = async () => (await get("pod", pod, namespace)).status.containerStatuses[0];
  const before = await containerOf();
  await end();
  return await eventually(async () => {
    const container = await containerOf();
    assert.ok(container.ready && container.containerID !== before.containerID);
    return container;
  }, 60);
}

/** How a target ends; resolves when there is another in its place. */
const ENDS: { how: string; pod: string; end: () => Promise<unknown> }[] = [
  {
    how: "killed, and started anew by the kubelet,",
    pod: "killed",
    end: () => restart(() => killContainer(tenant.namespace, "killed"), "killed"),
  },
  {
    how: "killed for its memory",
    pod: "greedy",
    end: async () => {
      const { lastState } = await restart(() => inTarget("greedy", ": >/tmp/greedy"), "greedy");
      assert.equal(lastState.terminated.reason, "OOMKilled");
    },
  },
  {
    how: "deleted with its pod",
    pod: "deleted",
    end: async () => {
      await kubectl(["delete", "pod", "deleted", `--namespace=${tenant.namespace}`]);
      await startPods(tenant, targetOf("deleted"));
    },
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
    const metrics = await (await fetch(`http://${status.podIP}:6541/metrics`)).text();
    const text = metrics.match(/^necoperf_(recordings_running|queue_length|results) .*$/gm)!.join(
      "\n",
    );
    assert.match(text, /^necoperf_recordings_running 0$/m);
    assert.match(text, /^necoperf_queue_length 0$/m);
    for (const each of more) assert.match(text, each);
    assert.deepEqual(await findPerfs(node), []);
  }, 60);
}

for (const { how, pod, end } of ENDS) {
  const name = `a target ${how} during the recording gives what was recorded`;
  Deno.test({ name, ignore }, async () => {
    const run = await runClient(tenant, [pod, "-d", "60s"], {
      // Nothing outside of the daemon tells when samples are there.
      whileRecording: () => inTarget(pod, "sleep 1").then(end),
    });
    assertProfile(run, ExitStatus.PARTIAL, /is partial: the container's processes ended after/);
    await assertWorks(undefined, pod);
  });
}

/** A daemon whose perf is {@linkcode SLOW_PERF}. */
async function startSlowDaemon(): Promise<OddDaemon & { sh(script: string): Promise<string> }> {
  const odd = await startOddDaemon(node, tenant, async (container, pod, role) => {
    await addShell(container, pod, role);
    pod.metadata.annotations = { perf: SLOW_PERF };
    const items = [{
      path: "perf",
      mode: 0o755,
      fieldRef: { fieldPath: "metadata.annotations['perf']" },
    }];
    pod.spec.volumes.push({ name: "perf", downwardAPI: { items } });
    // Where the daemon looks before it comes to the image's own.
    const mountPath = "/usr/local/bin/perf";
    container.volumeMounts.push({ name: "perf", mountPath, subPath: "perf" });
  });
  await eventually(async () => (await fetch(`${odd.http}/healthz`)).body?.cancel(), 60);
  const exec = ["exec", `--namespace=${odd.namespace}`, "daemon", "--", "sh", "-c"];
  return { ...odd, sh: (script) => kubectl([...exec, script]) };
}

Deno.test(
  { name: "faults: targets that end during the conversion are recorded whole", ignore },
  async () => {
    await using daemon = await startSlowDaemon();
    const args = ["-d", "2s", "--necoperf-namespace", daemon.namespace];
    const ended: Promise<unknown>[] = [];
    const runs = ENDS.map(({ pod, end }) =>
      runClient(tenant, [pod, ...args], {
        whileConverting: () => {
          ended.push(end());
          if (ended.length < ENDS.length) return Promise.resolve();
          return Promise.all(ended).then(() => daemon.sh(": >/var/necoperf/released"));
        },
      })
    );
    for (const run of await Promise.all(runs)) assertProfile(run, 0);
    // By their new ids.
    for (const { pod } of ENDS) assertProfile(await runClient(tenant, [pod, ...args]), 0);
  },
);

Deno.test(
  { name: "faults: a daemon killed during a download goes on with it", ignore },
  async () => {
    await using daemon = await startSlowDaemon();
    await daemon.sh(": >/var/necoperf/large; : >/var/necoperf/released");
    const reading = Promise.withResolvers<void>();
    const args = ["steady", "-d", "1s", "--necoperf-namespace", daemon.namespace, "-o", "-"];
    const run = await runClient(tenant, args, {
      stdoutUnreadUntil: reading.promise,
      whileRecording: async () => {
        try {
          await eventually(() => daemon.sh("ls /var/necoperf/*.result.json"), 60);
          const kill = () => killContainer(daemon.namespace, "daemon");
          await restart(kill, "daemon", daemon.namespace);
        } finally {
          reading.resolve();
        }
      },
    });
    assert.equal(run.status, 0, run.stderr);
    assertBusy(run.stdout);
    assert.ok(run.stdout.length > 12_000_000);
    assert.match(run.stderr, /the connection was lost .*; trying again for 1m/);
    assert.doesNotMatch(run.stderr, /recording again/);
    assert.deepEqual(run.files, {});
    await eventually(async () =>
      assert.equal(await daemon.sh("ls /var/necoperf/*.result.* || :"), "")
    );
  },
);

Deno.test(
  { name: "faults: a daemon killed during a recording is asked again", ignore },
  async () => {
    const { cgroup: namespace } = DAEMON_NAMESPACE;
    const run = await runClient(tenant, ["steady", "-d", "3s"], {
      whileRecording: async () => {
        const { metadata: { name } } = await daemonPod(namespace);
        await killContainer(namespace, name);
      },
    });
    assertProfile(run, 0, /the recording was lost with the connection; recording again/);
    await assertWorks();
  },
);

Deno.test(
  { name: "faults: a daemon pod evicted during a recording ends it first", ignore },
  async () => {
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
  },
);

Deno.test(
  { name: "faults: a daemon pod gone without its time is asked again where the next is", ignore },
  async () => {
    const { cgroup: namespace } = DAEMON_NAMESPACE;
    const run = await runClient(tenant, ["steady", "-d", "10s"], {
      whileRecording: async () => {
        const { metadata: { name } } = await daemonPod(namespace);
        const now = ["--grace-period=0", "--force", "--wait=false"];
        await kubectl(["delete", "pod", name, `--namespace=${namespace}`, ...now]);
      },
    });
    assertProfile(run, 0, /recording again/);
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

Deno.test(
  { name: "faults: without the API server recordings go on, and new ones are told", ignore },
  async () => {
    let during: ClientRunOutside | undefined;
    let run: ClientRunOutside;
    {
      // Until the client has ended, so that it cannot delete the result.
      await using stack = new AsyncDisposableStack();
      run = await runClient(tenant, ["steady", "-d", "25s"], {
        whileRecording: async () => {
          stack.use(await freezeApiServer(80));
          during = await runClient(tenant, ["killed", "-d", "1s"]);
        },
      });
    }
    assertProfile(run, 0);
    assert.equal(during?.status, ExitStatus.UNREACHABLE, `${during?.stderr}`);
    assert.match(during!.stderr, /cannot reach the API server .*no answer within 10s/);
    assert.deepEqual(during!.files, {});
    // It could not be deleted, as nobody is let in meanwhile. It goes when its time is over.
    await assertNothingLeft(DAEMON_NAMESPACE.cgroup, /^necoperf_results 1$/m);
    assertProfile(await runClient(tenant, ["steady", "-d", "1s"]), 0);
  },
);
