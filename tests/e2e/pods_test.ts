/**
 * Containers that newer Kubernetes runs in other ways: in user namespaces, beside init containers
 * for all of a pod's life, added to a pod that runs.
 */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { assertBusy, execInTarget, onlyResult, runClient } from "../testing/client.ts";
import { apply, kubectl, readMinorVersion, readyNodes } from "../testing/cluster.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  type DeployedLookup,
  removeDaemons,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

const LOOKUPS: DeployedLookup[] = ["cgroup", "cri"];

const minor = await readMinorVersion();
/**
 * `hostUsers: false` is on by default, and so are `restartPolicy: Always` of init containers, ...
 */
const USER_NAMESPACES = { since: "Kubernetes 1.33", ignore: minor < 33 };
const SIDECARS = { since: "Kubernetes 1.29", ignore: minor < 29 };
/** ... and ephemeral containers as `kubectl debug` makes them now. */
const EPHEMERAL = { since: "Kubernetes 1.23", ignore: minor < 23 };

let tenant: Tenant;

Deno.test.beforeAll(async () => {
  await deployDaemons(...LOOKUPS);
  tenant = await createTenant({
    daemonNamespaces: LOOKUPS.map((lookup) => DAEMON_NAMESPACE[lookup]),
  });
  const [nodeName] = await readyNodes();
  const { namespace } = tenant;
  if (!USER_NAMESPACES.ignore) {
    const commands = {
      dynamic: TARGET.spinDynamic,
      static: TARGET.spin,
      forker: TARGET.forker,
      idle: TARGET.idle,
    };
    await startPods(
      tenant,
      targetPod(namespace, "mapped", commands, { nodeName, hostUsers: false }),
    );
  }
  if (!SIDECARS.ignore) {
    const pod = targetPod(namespace, "meshed", { app: TARGET.spin }, { nodeName });
    const [app] = pod.spec.containers;
    pod.spec.initContainers = [
      { ...app, name: "proxy", restartPolicy: "Always", command: TARGET.spinDynamic },
      { ...app, name: "setup", command: ["true"] },
    ];
    await startPods(tenant, pod);
  }
  if (!EPHEMERAL.ignore) {
    await startPods(
      tenant,
      targetPod(namespace, "debugged", { app: TARGET.idle }, { nodeName }),
    );
    await kubectl([
      ...["debug", "debugged", `--namespace=${namespace}`, "--image=necoperf-target:e2e"],
      ...["--image-pull-policy=Never", "--profile=restricted", "--container=debugger"],
      ...["--target=app", "--attach=false", "--", ...TARGET.spin],
    ]);
  }
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

for (const lookup of LOOKUPS) {
  const daemons = ["--necoperf-namespace", DAEMON_NAMESPACE[lookup]];
  const profile = (pod: string, container: string, ...args: string[]) =>
    runClient(tenant, [pod, "-c", container, "-d", "1s", ...daemons, ...args]);

  Deno.test({
    name: `${lookup}: containers with hostUsers: false are profiled (${USER_NAMESPACES.since})`,
    ignore: USER_NAMESPACES.ignore,
    fn: async () => {
      const map = await kubectl([
        ...["exec", "mapped", `--namespace=${tenant.namespace}`, "--container=static"],
        ...["--", "cat", "/proc/self/uid_map"],
      ]);
      const [inside, outside] = map.trim().split(/\s+/).map(Number);
      assert.equal(inside, 0);
      assert.notEqual(outside, 0, "the pod has no user namespace of its own");
      const dynamic = onlyResult(await profile("mapped", "dynamic"));
      assertBusy(dynamic);
      // Its own image has this library, and no other.
      assert.match(
        dynamic,
        /necoperf_busy_loop\+0x[0-9a-f]+ \(\/opt\/necoperf\/lib\/libnecoperfbusy\.so\)/,
      );
      assertBusy(onlyResult(await profile("mapped", "static", "--main-process")));
      assertBusy(onlyResult(await profile("mapped", "forker")));
    },
  });

  Deno.test({
    name:
      `${lookup}: a process that enters a user namespace during the recording is profiled (${USER_NAMESPACES.since})`,
    ignore: USER_NAMESPACES.ignore,
    fn: async () => {
      const run = await runClient(tenant, ["mapped", "-c", "idle", "-d", "60s", ...daemons], {
        // As long as it takes for the process to come and to end.
        whileRecording: (_, interrupt) =>
          execInTarget(tenant, "mapped", "idle", [...TARGET.spin, "0.5"]).then(interrupt),
      });
      assertBusy(onlyResult(run, ExitStatus.PARTIAL));
    },
  });

  Deno.test({
    name: `${lookup}: a restartable init container is profiled by its name (${SIDECARS.since})`,
    ignore: SIDECARS.ignore,
    fn: async () => {
      const text = onlyResult(await profile("meshed", "proxy"));
      assertBusy(text);
      assert.match(text, /libnecoperfbusy\.so/);
    },
  });

  Deno.test({
    name: `${lookup}: an ephemeral container is profiled by its name (${EPHEMERAL.since})`,
    ignore: EPHEMERAL.ignore,
    fn: async () => {
      const run = await eventually(async () => {
        const run = await profile("debugged", "debugger");
        assert.equal(run.status, 0, run.stderr);
        return run;
      }, 60);
      assertBusy(onlyResult(run));
      // They share their PID namespace, but one's processes are not the other's.
      const app = await profile("debugged", "app");
      assert.equal(app.status, ExitStatus.RECORDING_FAILED, app.stderr);
      assert.match(app.stderr, /no sample/);
    },
  });
}

Deno.test({
  name:
    `pods: without a container's name a restartable init container is not meant (${SIDECARS.since})`,
  ignore: SIDECARS.ignore,
  fn: async () => {
    const run = await runClient(tenant, ["meshed", "-d", "1s"]);
    assert.doesNotMatch(onlyResult(run), /libnecoperfbusy\.so/);
    assert.match(Object.keys(run.files)[0], /^meshed-app-/);
  },
});

Deno.test({
  name:
    `pods: a restartable init container is profiled while its pod is Pending (${SIDECARS.since})`,
  ignore: SIDECARS.ignore,
  fn: async () => {
    const pod = targetPod(tenant.namespace, "pending", { app: TARGET.idle });
    const [app] = pod.spec.containers;
    pod.spec.initContainers = [
      { ...app, name: "proxy", restartPolicy: "Always", command: TARGET.spin },
      { ...app, name: "setup" },
    ];
    await apply(pod);
    const run = await eventually(async () => {
      const run = await runClient(tenant, ["pending", "-c", "proxy", "-d", "1s"]);
      assert.equal(run.status, 0, run.stderr);
      return run;
    }, 60);
    assertBusy(onlyResult(run));
  },
});
