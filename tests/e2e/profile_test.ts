/** A tenant profiles containers of a real cluster. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { apply, readyNodes } from "../testing/cluster.ts";
import {
  assertBusy,
  clientPod,
  execInTarget,
  onlyResult,
  runClient,
  runInPod,
} from "../testing/client.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  type DeployedLookup,
  removeDaemons,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

const LOOKUPS: DeployedLookup[] = ["cgroup", "cri"];

let tenant: Tenant;

Deno.test.beforeAll(async () => {
  await deployDaemons(...LOOKUPS);
  tenant = await createTenant({
    daemonNamespaces: LOOKUPS.map((lookup) => DAEMON_NAMESPACE[lookup]),
  });
  const [first, last] = await nodes();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "first", { dynamic: TARGET.spinDynamic, static: TARGET.spin }, {
      nodeName: first,
    }),
    targetPod(tenant.namespace, "last", { dynamic: TARGET.spinDynamic, static: TARGET.spin }, {
      nodeName: last,
    }),
    targetPod(tenant.namespace, "shapes", {
      supervisor: TARGET.supervisor,
      forker: TARGET.forker,
      idle: TARGET.idle,
    }, { nodeName: last }),
    clientPod(tenant, "client"),
  );
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

async function nodes(): Promise<[string, string]> {
  const names = await readyNodes();
  return [names[0], names[names.length - 1]];
}

for (const pod of ["first", "last"]) {
  for (const container of ["dynamic", "static"]) {
    Deno.test(`profile: a client in a pod profiles a ${container} program on the ${pod} node`, async () => {
      const args = ["-n", tenant.namespace, pod, "-c", container, "-o", "/tmp/out", "-d", "1s"];
      const run = await runInPod(tenant, "client", ["necoperf-client", ...args]);
      assert.equal(run.status, 0, run.stderr);
      assert.match(
        run.stdout,
        new RegExp(`^/tmp/out/${pod}-${container}-\\d{8}T\\d{6}Z\\.perf\\.txt\n$`),
      );
      const profile = await runInPod(tenant, "client", ["cat", run.stdout.trim()]);
      assertBusy(profile.stdout);
      if (container === "dynamic") {
        // Its own image has this library, and no other.
        assert.match(
          profile.stdout,
          /necoperf_busy_loop\+0x[0-9a-f]+ \(\/opt\/necoperf\/lib\/libnecoperfbusy\.so\)/,
        );
      }
    });
  }
}

Deno.test("profile: a client outside of the cluster profiles with a kubeconfig", async () => {
  const run = await runClient(tenant, [
    "-n",
    tenant.namespace,
    "first",
    "-c",
    "dynamic",
    "-d",
    "1s",
  ]);
  assertBusy(onlyResult(run));
});

Deno.test("profile: namespace and container have defaults, and '-' is standard output", async () => {
  // The context's namespace, and the first container.
  const run = await runClient(tenant, ["last", "-d", "1s", "-o", "-"]);
  assert.equal(run.status, 0, run.stderr);
  assertBusy(run.stdout);
  assert.deepEqual(run.files, {});
});

Deno.test("profile: an init container that runs is profiled by its name", async () => {
  const pod = targetPod(tenant.namespace, "initializing", { after: TARGET.idle });
  const [container] = pod.spec.containers;
  pod.spec.initContainers = [{ ...container, name: "setup", command: TARGET.spin }];
  await apply(pod);
  const run = await eventually(async () => {
    const run = await runClient(tenant, ["initializing", "-c", "setup", "-d", "1s"]);
    assert.equal(run.status, 0, run.stderr);
    return run;
  }, 60);
  assertBusy(onlyResult(run));
});

for (const lookup of LOOKUPS) {
  const daemons = ["--necoperf-namespace", DAEMON_NAMESPACE[lookup]];

  Deno.test(`${lookup}: the child of a shell that only waits is profiled`, async () => {
    assertBusy(
      onlyResult(await runClient(tenant, ["shapes", "-c", "supervisor", "-d", "1s", ...daemons])),
    );
  });

  Deno.test(`${lookup}: --main-process is the first process alone`, async () => {
    const main = ["--main-process", "-d", "1s", ...daemons];
    assertBusy(onlyResult(await runClient(tenant, ["last", "-c", "static", ...main])));
    // The shell sleeps.
    const shell = await runClient(tenant, ["shapes", "-c", "supervisor", ...main]);
    assert.equal(shell.status, 6, shell.stderr);
    assert.deepEqual(shell.files, {});
  });

  Deno.test(`${lookup}: children that start and end during the recording are profiled`, async () => {
    assertBusy(
      onlyResult(await runClient(tenant, ["shapes", "-c", "forker", "-d", "1s", ...daemons])),
    );
  });

  Deno.test(`${lookup}: a process that enters during the recording is profiled`, async () => {
    const run = await runClient(tenant, ["shapes", "-c", "idle", "-d", "60s", ...daemons], {
      // As long as it takes for the process to come and to end.
      whileRecording: (_, interrupt) =>
        execInTarget(tenant, "shapes", "idle", [...TARGET.spin, "0.5"]).then(interrupt),
    });
    assertBusy(onlyResult(run, ExitStatus.PARTIAL));
  });
}
