import assert from "node:assert/strict";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { findTargets, type TargetsReference } from "../../../../cli/client/targets/find_targets.ts";
import { parseTargetName } from "../../../../cli/client/targets/target_name.ts";
import {
  daemonPod,
  runningPod,
  type StandInApi,
  type StandInObjects,
  type StandInPod,
  startStandInApi,
} from "../../stand_in_api.ts";

const WEB = { app: "web" };
const DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web";

async function find(objects: StandInObjects, reference: TargetsReference) {
  await using api = await startStandInApi(objects);
  const found = await findTargets({ kubeconfig: api.kubeconfig, ...reference });
  return { ...found, asked: countLists(api) };
}

/** How often each path was asked for. */
function countLists({ requests }: StandInApi): Record<string, number> {
  const paths = requests.map(({ pathname }) => pathname);
  return Object.fromEntries(paths.map((path) => [path, paths.filter((it) => it === path).length]));
}

function names(...texts: string[]): TargetsReference {
  return { names: texts.map(parseTargetName) };
}

async function refuses(objects: StandInObjects, reference: TargetsReference): Promise<CliError> {
  try {
    await find(objects, reference);
  } catch (error) {
    assert(error instanceof CliError, `${error}`);
    return error;
  }
  assert.fail("something was found");
}

/** A pod whose container waits. */
function crashingPod(name: string): StandInPod {
  const pod = runningPod(name, "n1", WEB);
  pod.status!.containerStatuses![0].state = { waiting: { reason: "CrashLoopBackOff" } };
  return pod;
}

Deno.test("findTargets: 2,000 pods on 500 nodes take a request for each 500 pods or daemons", async () => {
  const pods = Array.from(
    { length: 2000 },
    (_, at) => runningPod(`web-${at}`, `n${at >> 2}`, WEB),
  );
  const addressOf = (node: number) => `10.0.${node >> 8}.${node & 255}`;
  const daemons = Array.from({ length: 500 }, (_, at) => daemonPod(`n${at}`, addressOf(at)));
  const selectors = { [DEPLOYMENT]: { matchLabels: WEB } };
  const { targets, failures, skipped, asked } = await find(
    { pods: [...pods, ...daemons], selectors },
    names("deploy/web"),
  );
  assert.equal(new Set(targets.map(({ containerId }) => containerId)).size, 2000);
  for (const { endpoint, pod } of targets) {
    assert.equal(endpoint.address, `${addressOf(Number(pod!.nodeName.slice(1)))}:6543`);
  }
  assert.deepEqual([failures, skipped], [[], []]);
  assert.deepEqual(asked, {
    [DEPLOYMENT]: 1,
    "/api/v1/namespaces/shop/pods": 4,
    "/api/v1/namespaces/necoperf/pods": 1,
    "/api/v1/namespaces/necoperf/configmaps/necoperf-ca": 1,
  });
  // All nodes are at work before one is asked for a second recording.
  for (let turn = 0; turn < 4; turn++) {
    const nodes = targets.slice(turn * 500, (turn + 1) * 500).map(({ pod }) => pod!.nodeName);
    assert.equal(new Set(nodes).size, 500);
  }
});

Deno.test("findTargets: a list whose next page is gone is asked for whole", async () => {
  const pods = Array.from({ length: 501 }, (_, at) => runningPod(`web-${at}`, "n1", WEB));
  const { targets } = await find({
    pods: [...pods, daemonPod("n1", "10.0.0.1")],
    failures: { "continue=": 410 },
  }, { selectors: { label: "app=web" } });
  assert.equal(targets.length, 501);
});

Deno.test("findTargets: a pod that is named in several ways is one target, in each workload's namespace", async () => {
  const pods = [runningPod("web-0", "n1", WEB), runningPod("web-1", "n2", WEB)];
  const daemons = [daemonPod("n1", "10.0.0.1"), daemonPod("n2", "10.0.0.2")];
  const { targets } = await find({
    pods: [...pods, ...daemons],
    selectors: { [DEPLOYMENT]: { matchLabels: WEB } },
  }, names("web-0", "deploy/web", "pod/web-1", "web-0"));
  assert.deepEqual(targets.map(({ pod }) => pod!.name).sort(), ["web-0", "web-1"]);
});

Deno.test("findTargets: pods behind a workload that do not run are skipped; one that is named is a failure", async () => {
  const objects = {
    pods: [runningPod("web-0", "n1", WEB), crashingPod("web-1"), daemonPod("n1", "10.0.0.1")],
    selectors: { [DEPLOYMENT]: { matchLabels: WEB } },
  };
  const behind = await find(objects, names("deploy/web"));
  assert.deepEqual(behind.targets.map(({ pod }) => pod!.name), ["web-0"]);
  assert.deepEqual(behind.skipped.map(({ name }) => name), ["shop/web-1"]);
  assert.match(behind.skipped[0].reason, /CrashLoopBackOff/);
  assert.deepEqual(behind.failures, []);

  const named = await find(objects, names("web-0", "web-1", "nobody"));
  assert.deepEqual(named.targets.map(({ pod }) => pod!.name), ["web-0"]);
  assert.deepEqual(named.failures.map(({ name }) => name).sort(), ["pod/nobody", "pod/web-1"]);
  assert.deepEqual(named.skipped, []);
});

Deno.test("findTargets: nothing to profile fails with all reasons", async () => {
  const pods = [crashingPod("web-0"), daemonPod("n1", "10.0.0.1")];
  const selectors = {
    [DEPLOYMENT]: { matchLabels: WEB },
    "/apis/apps/v1/namespaces/shop/deployments/empty": { matchLabels: { app: "empty" } },
    "/api/v1/namespaces/shop/services/bare": undefined,
  };
  const cases: [TargetsReference, RegExp][] = [
    [names("deploy/web"), /CrashLoopBackOff/],
    [names("deploy/empty"), /deployments\.apps\/empty has no pods in namespace shop \(app=empty\)/],
    [names("svc/bare"), /services shop\/bare has no selector/],
    [names("nobody", "deploy/nothing"), /"nobody" not found[^]*no deployment shop\/nothing/],
    [{ selectors: { label: "app=nothing" } }, /no pods were found in namespace shop/],
    [{ ...names("deploy/web"), container: "x" }, /no container 'x'; it has app/],
  ];
  for (const [reference, words] of cases) {
    const error = await refuses({ pods, selectors }, reference);
    assert.equal(error.exitStatus, ExitStatus.NOT_FOUND);
    assert.match(error.message, words);
  }
});

for (const nodes of [2, 20]) {
  Deno.test(`findTargets: of ${nodes} nodes one without a daemon fails for its pods alone`, async () => {
    const nodeNames = Array.from({ length: nodes }, (_, at) => `n${at}`);
    const { targets, failures } = await find({
      pods: [
        ...nodeNames.map((node) => runningPod(`web-${node}`, node, WEB)),
        ...nodeNames.slice(1).map((node) => daemonPod(node, "10.0.0.1")),
      ],
    }, { selectors: {} });
    assert.equal(targets.length, nodes - 1);
    assert.deepEqual(failures.map(({ name }) => name), ["shop/web-n0"]);
    assert.match(failures[0].error.message, /no necoperf-daemon runs on node n0/);
  });
}

Deno.test("findTargets: an API server that fails for one of the names fails for that one", async () => {
  const pods = [runningPod("web-0", "n1", WEB), daemonPod("n1", "10.0.0.1")];
  const { failures, targets } = await find(
    { pods, failures: { "/deployments/": 403 } },
    names("web-0", "deploy/web"),
  );
  assert.equal(targets.length, 1);
  assert.deepEqual(failures.map(({ error }) => error.exitStatus), [ExitStatus.NOT_ALLOWED]);
  const most = await refuses(
    { pods, failures: { "/deployments/": 403 } },
    names("deploy/web", "nobody", "noone"),
  );
  assert.equal(most.exitStatus, ExitStatus.NOT_FOUND);
  assert.match(most.message, /not allowed[^]*nobody[^]*noone/);
  const alone = await refuses({ pods, failures: { "/deployments/": 403 } }, names("deploy/web"));
  assert.equal(alone.exitStatus, ExitStatus.NOT_ALLOWED);
});
