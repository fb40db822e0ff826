/** What a tenant is told when something is wrong: each case with its exit status, and no file. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { eventually } from "../testing/process.ts";
import {
  assertBusy,
  type ClientRunOutside,
  runClient,
  type RunOptions,
} from "../testing/client.ts";
import {
  apply,
  createNamespace,
  deleteNamespaces,
  kubectl,
  readyNodes,
  waitForField,
} from "../testing/cluster.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import {
  allowDaemons,
  createTenant,
  startPods,
  TARGET,
  targetPod,
  type Tenant,
} from "../testing/tenant.ts";

let tenant: Tenant;
let node: string;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  [node] = await readyNodes();
  tenant = await createTenant();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "target", { spin: TARGET.spin, idle: TARGET.idle }, {
      nodeName: node,
    }),
  );
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** Runs the client and asserts how it failed: the status, these words, and no file. */
async function assertFails(
  args: string[],
  expected: { status: number; words: (string | RegExp)[] },
  options: RunOptions = {},
): Promise<ClientRunOutside> {
  const run = await runClient(tenant, args, options);
  assert.equal(run.status, expected.status, run.stderr);
  for (const words of expected.words) {
    if (words instanceof RegExp) assert.match(run.stderr, words);
    else assert(run.stderr.includes(words), `no '${words}' in: ${run.stderr}`);
  }
  assert.equal(run.stdout, "");
  assert.deepEqual(run.files, {});
  return run;
}

Deno.test("bad input: no such pod", async () => {
  await assertFails(["nobody"], {
    status: ExitStatus.NOT_FOUND,
    words: [`no pod ${tenant.namespace}/nobody`],
  });
});

Deno.test("bad input: a pod that is Pending", async () => {
  await apply(targetPod(tenant.namespace, "pending", { spin: TARGET.spin }, {
    nodeSelector: { "kubernetes.io/hostname": "nowhere" },
  }));
  const scheduled = '.status.conditions[?(@.type=="PodScheduled")].status';
  await waitForField(tenant.namespace, "pending", scheduled, "False");
  await assertFails(["pending"], {
    status: ExitStatus.NOT_FOUND,
    words: [`pod ${tenant.namespace}/pending`, "Pending", "no node"],
  });
});

Deno.test("bad input: a pod that has Succeeded", async () => {
  await apply(targetPod(tenant.namespace, "over", { done: ["true"] }, { restartPolicy: "Never" }));
  await waitForField(tenant.namespace, "over", ".status.phase", "Succeeded");
  await assertFails(["over"], {
    status: ExitStatus.NOT_FOUND,
    words: [`pod ${tenant.namespace}/over`, "Succeeded"],
  });
});

Deno.test("bad input: a pod that is being deleted", async () => {
  // As the first process of its container, idle does not end for SIGTERM.
  await startPods(
    tenant,
    targetPod(tenant.namespace, "leaving", { idle: TARGET.idle }, {
      terminationGracePeriodSeconds: 60,
    }),
  );
  const pod = ["pod", "leaving", `--namespace=${tenant.namespace}`];
  await kubectl(["delete", "--wait=false", ...pod]);
  await assertFails(["leaving"], {
    status: ExitStatus.NOT_FOUND,
    words: [`pod ${tenant.namespace}/leaving`, "being deleted"],
  });
  await kubectl(["delete", "--force", "--grace-period=0", ...pod]);
});

Deno.test("bad input: no such container: the error lists those there are", async () => {
  await assertFails(["target", "-c", "nobody"], {
    status: ExitStatus.NOT_FOUND,
    words: ["'nobody'", "spin, idle"],
  });
});

Deno.test("bad input: a container that waits", async () => {
  const pod = targetPod(tenant.namespace, "waiting", { spin: TARGET.spin });
  pod.spec.containers[0].image = "necoperf-missing:e2e";
  await apply(pod);
  const reason = ".status.containerStatuses[0].state.waiting.reason";
  await waitForField(tenant.namespace, "waiting", reason, "ErrImageNeverPull");
  await assertFails(["waiting"], {
    status: ExitStatus.NOT_FOUND,
    words: ["'spin'", "ErrImageNeverPull"],
  });
});

Deno.test("bad input: a container that has terminated", async () => {
  await apply(
    targetPod(tenant.namespace, "half", { done: ["sh", "-c", "exit 3"], idle: TARGET.idle }, {
      restartPolicy: "Never",
    }),
  );
  const exitCode = '.status.containerStatuses[?(@.name=="done")].state.terminated.exitCode';
  await waitForField(tenant.namespace, "half", exitCode, "3");
  await assertFails(["half", "-c", "done"], {
    status: ExitStatus.NOT_FOUND,
    words: ["'done'", "exit code 3"],
  });
});

Deno.test("bad input: no daemon on the node", async () => {
  const namespace = await createNamespace("necoperf-none");
  try {
    await apply(...allowDaemons(tenant, namespace));
    await assertFails(["target", "--necoperf-namespace", namespace], {
      status: ExitStatus.NOT_FOUND,
      words: ["no necoperf-daemon", `node ${node}`, `namespace ${namespace}`],
    });
  } finally {
    await deleteNamespaces(namespace);
  }
});

Deno.test("bad input: a daemon that cannot be reached", async () => {
  await using odd = await startOddDaemon(node, tenant, (container) => {
    container.command = ["sleep", "86400"];
    container.args = [];
    delete container.startupProbe;
    delete container.livenessProbe;
  });
  await assertFails(["target", "--necoperf-namespace", odd.namespace], {
    status: ExitStatus.UNREACHABLE,
    words: ["cannot reach", `on ${node}`, ":6543"],
  });
});

Deno.test("bad input: an API server that cannot be reached", async () => {
  const config = JSON.parse(await Deno.readTextFile(tenant.kubeconfig));
  config.clusters[0].cluster.server = "https://127.0.0.1:1";
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  try {
    await Deno.writeTextFile(kubeconfig, JSON.stringify(config));
    await assertFails(["target"], {
      status: ExitStatus.UNREACHABLE,
      words: ["API server https://127.0.0.1:1"],
    }, { kubeconfig });
  } finally {
    await Deno.remove(kubeconfig);
  }
});

Deno.test("bad input: pods of a namespace that the tenant may not get", async () => {
  await assertFails(["-n", "kube-system", "anything"], {
    status: ExitStatus.NOT_ALLOWED,
    words: ["not allowed to get pods in namespace kube-system"],
  });
});

Deno.test("bad input: a rule that is missing for the tenant's own namespace", async () => {
  await withoutBinding("necoperf-client", tenant.namespace, () =>
    assertFails(["target"], {
      status: ExitStatus.NOT_ALLOWED,
      words: [`not allowed to get pods in namespace ${tenant.namespace}`],
    }));
});

Deno.test("bad input: a rule that is missing for the daemons' namespace", async () => {
  const namespace = DAEMON_NAMESPACE.cgroup;
  await withoutBinding(
    `necoperf-client-${tenant.namespace}`,
    namespace,
    () =>
      assertFails(["target"], {
        status: ExitStatus.NOT_ALLOWED,
        words: [`not allowed to list pods in namespace ${namespace}`],
      }),
  );
});

async function withoutBinding(
  name: string,
  namespace: string,
  body: () => Promise<unknown>,
): Promise<void> {
  await kubectl(["delete", "rolebinding", name, `--namespace=${namespace}`]);
  try {
    await body();
  } finally {
    await kubectl(["apply", "--filename=-"], tenant.manifests);
  }
}

for (const duration of ["0", "-1s", "abc"]) {
  Deno.test(`bad input: a duration of ${duration}`, async () => {
    await assertFails(["target", `--duration=${duration}`], {
      status: ExitStatus.USAGE,
      words: ["duration", duration],
    });
  });
}

Deno.test("bad input: a duration beyond the daemon's limit", async () => {
  await assertFails(["target", "-d", "11m"], {
    status: ExitStatus.USAGE,
    words: ["duration", /11m|660/, /10m|600/],
  });
});

Deno.test("bad input: an unknown event", async () => {
  await assertFails(["target", "-e", "no-such-event"], {
    status: ExitStatus.USAGE,
    words: ["event", "no-such-event"],
  });
});

Deno.test("bad input: an output directory that cannot be written, found before the recording", async () => {
  const run = await assertFails(["target"], {
    status: ExitStatus.USAGE,
    words: ["output directory /dev/null/profiles"],
  }, { outputDirectory: "/dev/null/profiles" });
  assert.doesNotMatch(run.stderr, /recording/);
});

Deno.test("bad input: a node without perf", async () => {
  await using odd = await startOddDaemon(node, tenant, (container) => {
    container.env.push({ name: "PATH", value: "/nonexistent" });
  });
  await assertNotReady(odd.http, "perf");
  await assertFails(["target", "-d", "1s", "--necoperf-namespace", odd.namespace], {
    status: ExitStatus.RECORDING_FAILED,
    words: ["no perf"],
  });
});

Deno.test("bad input: a node where perf is not permitted", async () => {
  await using odd = await startOddDaemon(node, tenant, (container) => {
    container.securityContext.capabilities.add = [];
  });
  await assertNotReady(odd.http, "perf");
  await assertFails(["target", "-d", "1s", "--necoperf-namespace", odd.namespace], {
    status: ExitStatus.RECORDING_FAILED,
    words: ["perf", "capabilities"],
  });
});

async function assertNotReady(http: string, words: string): Promise<void> {
  const response = await eventually(() => fetch(`${http}/readyz`));
  const text = await response.text();
  assert.equal(response.status, 503, text);
  assert.match(text, new RegExp(`^\\[-\\].*${words}`, "m"));
}

Deno.test("bad input: a target that sleeps through the recording", async () => {
  await assertFails(["target", "-c", "idle", "-d", "1s"], {
    status: ExitStatus.RECORDING_FAILED,
    words: ["no sample", "sleeps"],
  });
});

Deno.test("bad input: a target that ends halfway: what was recorded arrives", async () => {
  await startPods(
    tenant,
    targetPod(tenant.namespace, "ending", { spin: TARGET.spin }, { restartPolicy: "Never" }),
  );
  const run = await runClient(tenant, ["ending", "-d", "20s"], {
    // SIGUSR1 ends it in order, once it has burned for a while.
    whileRecording: () =>
      kubectl([
        ...["exec", `--namespace=${tenant.namespace}`, "ending", "--"],
        ...["sh", "-c", "sleep 2; kill -USR1 1"],
      ]),
  });
  assert.equal(run.status, ExitStatus.PARTIAL, run.stderr);
  assert.match(run.stderr, /partial/);
  const [[name, text], ...others] = Object.entries(run.files);
  assert.deepEqual(others, []);
  assert.equal(run.stdout, `${run.outputDirectory}/${name}\n`);
  assertBusy(text);
});
