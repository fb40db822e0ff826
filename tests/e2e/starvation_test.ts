/** A daemon on a node whose processors others take: that is when people profile. */
import assert from "node:assert/strict";
import { assertBusy, onlyResult, runClient } from "../testing/client.ts";
import { get, readyNodes } from "../testing/cluster.ts";
import {
  deployDaemons,
  type OddDaemon,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import { BREAKABLE, freezeContainer } from "../testing/testbed.ts";
import { createTenant, startPods, TARGET, targetPod, type Tenant } from "../testing/tenant.ts";

let tenant: Tenant;
let node: string;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  [node] = await readyNodes();
  tenant = await createTenant();
  await startPods(
    tenant,
    targetPod(tenant.namespace, "target", { spin: TARGET.spin }, { nodeName: node }),
  );
});

Deno.test.afterAll(async () => {
  // Not there when what was to make it failed.
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** The state of the only container of a daemon that has never been restarted. */
const WELL = { restartCount: 0, ready: true };

async function stateOf(daemon: OddDaemon): Promise<typeof WELL> {
  const { status } = await get("pod", "daemon", daemon.namespace);
  const [{ restartCount, ready }] = status.containerStatuses;
  return { restartCount, ready };
}

Deno.test("starvation: a starved daemon starts, records and is not restarted", async () => {
  await using daemon = await startOddDaemon(node, tenant, (container) => {
    // What its share comes to beside some thirty busy processes on a processor.
    container.resources = { requests: { cpu: "10m" }, limits: { cpu: "30m", memory: "1Gi" } };
  });
  await eventually(async () => assert.deepEqual(await stateOf(daemon), WELL), 300);
  const run = await runClient(
    tenant,
    ["target", "-d", "20s", "--necoperf-namespace", daemon.namespace],
    { deadlineSeconds: 400 },
  );
  assertBusy(onlyResult(run));
  assert.doesNotMatch(run.stderr, /recording again/);
  assert.deepEqual(await stateOf(daemon), WELL);
});

/**
 * Longer than the kubelet waits with a probe's defaults for what is not said and the daemon's
 * before (3 failures, 20 s from one to the next), and shorter than it waits with the probes of
 * deploy/base.
 */
const SILENT_SECONDS = 75;

/** Gives the daemon no processor for longer than a hasty liveness probe takes. */
async function silence(daemon: OddDaemon): Promise<void> {
  await using _frozen = await freezeContainer(daemon.namespace, "daemon", 2 * SILENT_SECONDS);
  await new Promise((resolve) => setTimeout(resolve, SILENT_SECONDS * 1000));
}

Deno.test({
  name: "starvation: a daemon that gets no processor for 75 s is not restarted",
  ignore: !BREAKABLE,
  async fn(t) {
    await using daemon = await startOddDaemon(node, tenant, () => {});

    await t.step("while it starts", async () => {
      await silence(daemon);
      await eventually(async () => assert.deepEqual(await stateOf(daemon), WELL), 100);
    });

    await t.step("while it records, which the client sees through", async () => {
      const args = ["target", "-d", "10s", "--necoperf-namespace", daemon.namespace];
      const running = runClient(tenant, [...args, "--retry-timeout", "5m"], {
        deadlineSeconds: 400,
      });
      await eventually(async () => {
        const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
        assert.match(metrics, /^necoperf_recordings_running 1$/m);
      });
      await silence(daemon);
      assertBusy(onlyResult(await running));
      await eventually(async () => assert.deepEqual(await stateOf(daemon), WELL), 100);
    });
  },
});
