/** A tenant profiles pods by the names of workloads and by labels, beside the real kubectl. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { startApiRecorder } from "../testing/api_recorder.ts";
import { assertBusy, type ClientRunOutside, runClient } from "../testing/client.ts";
import {
  apply,
  kubectl,
  type KubectlRun,
  type KubernetesObject,
  runKubectl,
  waitForField,
} from "../testing/cluster.ts";
import { DAEMON_NAMESPACE, deployDaemons, removeDaemons } from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import {
  allow,
  createTenant,
  TARGET,
  targetPod,
  type Tenant,
  TENANT_ACCOUNT,
} from "../testing/tenant.ts";

let tenant: Tenant;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  tenant = await createTenant({ daemonNamespaces: [DAEMON_NAMESPACE.cgroup] });
  const { namespace } = tenant;
  await apply(
    workload("apps/v1", "Deployment", "web", {
      replicas: 3,
      selector: {
        matchLabels: { app: "web" },
        matchExpressions: [
          { key: "tier", operator: "In", values: ["front", "back"] },
          { key: "canary", operator: "DoesNotExist" },
        ],
      },
    }),
    workload("apps/v1", "StatefulSet", "db", { serviceName: "db" }),
    workload("apps/v1", "DaemonSet", "agent"),
    workload("batch/v1", "Job", "import"),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "cart", namespace },
      spec: { clusterIP: "None", selector: { app: "db" } },
    },
    crashingPod(),
    ...allow(tenant, "exec", namespace, [
      { apiGroups: [""], resources: ["pods/exec"], verbs: ["create"] },
    ]),
  );
  const rollout = ["rollout", "status", `--namespace=${namespace}`, "--timeout=90s"];
  for (const name of ["deploy/web", "sts/db", "ds/agent"]) await kubectl([...rollout, name]);
  await kubectl([
    ...["wait", "--for=condition=Ready", "pod", "--selector=job-name=import"],
    ...[`--namespace=${namespace}`, "--timeout=90s"],
  ]);
  const reason = ".status.containerStatuses[0].state.waiting.reason";
  await waitForField(namespace, "web-crashing", reason, "CrashLoopBackOff");
});

Deno.test.afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** A workload whose pods are busy, and spread over the nodes. */
function workload(
  apiVersion: string,
  kind: string,
  name: string,
  more: Record<string, unknown> = {},
): KubernetesObject {
  const { namespace } = tenant;
  const labels = { app: name, tier: "front" };
  const { spec } = targetPod(namespace, name, { app: TARGET.spin }, {
    ...kind === "Job" ? { restartPolicy: "Never" } : {},
    topologySpreadConstraints: [{
      maxSkew: 1,
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: "DoNotSchedule",
      labelSelector: { matchLabels: { app: name } },
    }],
  });
  const selector = kind === "Job" ? {} : { selector: { matchLabels: { app: name } } };
  const template = { metadata: { labels }, spec };
  return {
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec: { ...selector, template, ...more },
  };
}

/**
 * One that the Deployment's selector fits, though its ReplicaSet does not own it. It never runs,
 * not for a moment between two crashes: its program does not exist.
 */
function crashingPod(): KubernetesObject {
  const pod = targetPod(tenant.namespace, "web-crashing", { app: ["/nonexistent"] });
  pod.metadata.labels = { app: "web", tier: "front" };
  return pod;
}

/** The pods that results are of, in the order of their names, and the merged result's text. */
function resultsOf(run: ClientRunOutside): { pods: string[]; merged?: string } {
  const paths = run.stdout.trimEnd().split("\n");
  assert.deepEqual(
    paths.map((path) => path.replace(`${run.outputDirectory}/`, "")).sort(),
    Object.keys(run.files).sort(),
  );
  const isMerged = (name: string) => /-merged-\d{8}T\d{6}Z\./.test(name);
  const [merged, another] = Object.keys(run.files).filter(isMerged);
  assert.equal(another, undefined);
  if (merged) assert(paths.at(-1)!.endsWith(merged), "the merged one is printed last");
  const pods = Object.keys(run.files).filter((name) => !isMerged(name))
    .map((name) => name.replace(/-app-\d{8}T.*$/, ""));
  return { pods: pods.sort(), merged: run.files[merged] };
}

/** The running pods that kubectl lists. */
async function podsOf(selector: string): Promise<string[]> {
  const ready = "@.status.containerStatuses[0].ready==true";
  const list = await kubectl([
    ...["get", "pods", `--namespace=${tenant.namespace}`, `--selector=${selector}`],
    `--output=jsonpath={range .items[?(${ready})]}{.metadata.name}{"\\n"}{end}`,
  ]);
  return list.trim().split("\n").sort();
}

Deno.test("workloads: a deployment is all of its pods that run, on all of their nodes", async () => {
  const run = await runClient(tenant, ["deploy/web", "-d", "1s"]);
  assert.equal(run.status, 0, run.stderr);
  const { pods, merged } = resultsOf(run);
  assert.equal(pods.length, 3);
  assert.deepEqual(pods, await podsOf("app=web"));
  assertBusy(merged!);
  const nodes = new Set(
    [...run.stderr.matchAll(/recording .* on (\S+) for 1s/g)].map(([, it]) => it),
  );
  assert.equal(nodes.size, 2, run.stderr);
  assert.match(
    run.stderr,
    /web-crashing is skipped: .*(CrashLoopBackOff|RunContainerError|StartError)/,
  );
});

Deno.test("workloads: names of several types in one go", async () => {
  const names = ["sts/db", "daemonsets.apps/agent", "job/import", "svc/cart", "po/db-0"];
  const run = await runClient(tenant, [...names, "-d", "1s", "--max-concurrent", "2"]);
  assert.equal(run.status, 0, run.stderr);
  const { pods, merged } = resultsOf(run);
  assert.deepEqual(pods, [
    ...await podsOf("app=agent"),
    "db-0",
    ...await podsOf("job-name=import"),
  ]);
  assertBusy(merged!);
});

Deno.test("workloads: pods by their labels, and all of the namespace", async () => {
  const selected = await runClient(tenant, [
    ...["-l", "app in (web,db),tier!=back", "--no-merge", "-d", "1s"],
  ]);
  assert.equal(selected.status, 0, selected.stderr);
  assert.deepEqual(resultsOf(selected), {
    pods: await podsOf("app in (web,db)"),
    merged: undefined,
  });
  const all = await runClient(tenant, ["--all", "-o", "-", "-d", "1s"]);
  assert.equal(all.status, 0, all.stderr);
  assertBusy(all.stdout);
  assert.deepEqual(all.files, {});
  const nothing = await runClient(tenant, ["-l", "app=nothing"]);
  assert.equal(nothing.status, ExitStatus.NOT_FOUND);
  const misread = await runClient(tenant, ["-l", "app in web"]);
  assert.equal(misread.status, ExitStatus.USAGE, misread.stderr);
});

Deno.test("workloads: what is not there does not touch the others", async () => {
  const run = await runClient(tenant, ["db-0", "nobody", "deploy/nothing", "-d", "1s"]);
  assert.equal(run.status, ExitStatus.PARTIAL, run.stderr);
  assert.deepEqual(resultsOf(run).pods, ["db-0"]);
  assert.match(run.stderr, /pods "nobody" not found/);
  assert.match(run.stderr, /deployments\.apps "nothing" not found/);
});

/** How `kubectl logs` ends, as the tenant. */
function kubectlLogs(
  args: string[],
  { kubeconfig }: { kubeconfig: string } = tenant,
): Promise<KubectlRun> {
  const logs = ["logs", "--pod-running-timeout=1s", "--all-containers", ...args];
  return runKubectl(logs, { kubeconfig });
}

Deno.test("workloads: names that are not there fail as kubectl's do, in its words", async () => {
  // The tenant may read these, and no others.
  const types = ["", "po/", "deploy/", "Deployment/", "deployments.v1.apps/", "sts/", "ds/", "rs/"]
    .concat("job/", "jobs.batch/", "svc/", "rc/");
  for (const name of types.map((type) => `${type}nothing`)) {
    const theirs = await kubectlLogs([name]);
    const [words] = /\S+ "nothing" not found/.exec(theirs.stderr) ?? [];
    assert(!theirs.success && words, `kubectl logs ${name}: ${theirs.stderr}`);
    const ours = await runClient(tenant, [name]);
    assert.equal(ours.status, ExitStatus.NOT_FOUND, name);
    assert(ours.stderr.includes(words), `${name}: ${ours.stderr}`);
  }
  for (const name of ["foo/web", "deploy/a/b", "deploy/", "cronjob/import"]) {
    assert(!(await kubectlLogs([name])).success, name);
    assert.equal((await runClient(tenant, [name])).status, ExitStatus.USAGE, name);
  }
  for (const name of ["db-0", "pod/db-0", "svc/cart", "statefulset.apps/db", "job/import"]) {
    // Not logs, which are not there for sure: the cluster's nodes share a directory for them.
    const { kubeconfig } = tenant;
    const theirs = await runKubectl(["exec", name, "--", "true"], { kubeconfig });
    assert(theirs.success, `kubectl exec ${name}: ${theirs.stderr}`);
    const ours = await runClient(tenant, [name, "-d", "1s"]);
    assert.equal(ours.status, 0, ours.stderr);
  }
});

Deno.test("workloads: a workload's pods are asked for with the query of kubectl", async () => {
  await apply(workload("apps/v1", "Deployment", "odd", {
    replicas: 0,
    selector: {
      matchLabels: { tier: "front", app: "odd" },
      matchExpressions: [
        { key: "app", operator: "Exists" },
        { key: "zone", operator: "NotIn", values: ["b", "a"] },
        { key: "tier", operator: "In", values: ["front", "back"] },
        { key: "canary", operator: "DoesNotExist" },
        { key: "app", operator: "In", values: ["odd"] },
      ],
    },
  }));
  await using api = await startApiRecorder(tenant);
  /** How the pods were asked for since the last time. */
  const query = (): string | null => {
    const [first] = api.requests.splice(0).filter(({ pathname }) => pathname.endsWith("/pods"));
    assert(first, "nothing asked for pods");
    return first.searchParams.get("labelSelector");
  };
  for (const name of ["deploy/odd", "deploy/web", "svc/cart", "job/import"]) {
    await kubectlLogs([name], api);
    const theirs = query();
    await runClient(tenant, [name, "-d", "1s"], { kubeconfig: api.kubeconfig });
    assert.equal(query(), theirs, name);
  }
});

Deno.test("workloads: -v=6 prints the requests to the API server without the token", async () => {
  const run = await runClient(tenant, ["deploy/web", "-d", "1s", "-v=6"]);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /\/namespaces\/\S+\/pods\?/);
  const { users } = JSON.parse(await Deno.readTextFile(tenant.kubeconfig));
  assert(!run.stderr.includes(users[0].user.token));
});

Deno.test("workloads: without the right to read workloads there are labels", async () => {
  const { namespace } = tenant;
  const rules = [
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
    { apiGroups: ["necoperf.cybozu.io"], resources: ["profiles"], verbs: ["create"] },
  ];
  await kubectl([
    ...["patch", "role", TENANT_ACCOUNT, `--namespace=${namespace}`, "--type=merge"],
    `--patch=${JSON.stringify({ rules })}`,
  ]);
  // The API server hears of it a moment later.
  const refused = await eventually(async () => {
    const run = await runClient(tenant, ["deploy/web", "-d", "1s"]);
    assert.equal(run.status, ExitStatus.NOT_ALLOWED, run.stderr);
    return run;
  });
  assert.match(refused.stderr, /not allowed to get deployments\.apps web in namespace/);
  assert.match(refused.stderr, /apiGroups: \[apps\], resources: \[deployments\], verbs: \[get\]/);
  assert.match(refused.stderr, /with -l/);
  const selected = await runClient(tenant, ["-l", "app=web", "-d", "1s"]);
  assert.equal(selected.status, 0, selected.stderr);
  assert.equal(resultsOf(selected).pods.length, 3);
});
