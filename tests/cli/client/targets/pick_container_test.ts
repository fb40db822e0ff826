import assert from "node:assert/strict";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import type { Pod, PodContainer } from "../../../../cli/client/cluster/pod.ts";
import { pickContainer } from "../../../../cli/client/targets/pick_container.ts";

function container(name: string, changes: Partial<PodContainer> = {}): PodContainer {
  return {
    name,
    kind: "container",
    id: `id-of-${name}`,
    state: { is: "running" },
    ports: {},
    ...changes,
  };
}

function pod(changes: Partial<Pod> = {}): Pod {
  return {
    namespace: "shop",
    name: "web-0",
    phase: "Running",
    beingDeleted: false,
    ready: true,
    nodeName: "node1",
    containers: [
      container("app"),
      container("cache"),
      container("proxy", { kind: "init container" }),
      container("debugger-x", { kind: "ephemeral container" }),
    ],
    ...changes,
  };
}

function refuses(pod: Pod, name: string | undefined, words: RegExp) {
  assert.throws(() => pickContainer(pod, name), (error) => {
    assert(error instanceof CliError);
    assert.equal(error.exitStatus, ExitStatus.NOT_FOUND);
    assert.match(error.message, /shop\/web-0/);
    assert.match(error.message, words);
    return true;
  });
}

Deno.test("pickContainer: picks the named container of any kind", () => {
  for (const name of ["app", "cache", "proxy", "debugger-x"]) {
    assert.deepEqual(pickContainer(pod(), name), {
      name,
      id: `id-of-${name}`,
      nodeName: "node1",
      cpu: {},
    });
  }
});

Deno.test("pickContainer: says which CPU limits there are for the container", () => {
  const app = container("app", { cpuLimit: 0.2, cpuRequest: 0.01 });
  assert.deepEqual(pickContainer(pod({ containers: [app], cpuLimit: 1 })).cpu, {
    limitCpus: 0.2,
    requestCpus: 0.01,
    podLimitCpus: 1,
  });
});

Deno.test("pickContainer: without a name picks the annotated container, else the first", () => {
  assert.equal(pickContainer(pod({ defaultContainer: "cache" })).name, "cache");
  assert.equal(pickContainer(pod({ defaultContainer: "gone" })).name, "app");
  assert.equal(pickContainer(pod()).name, "app");
});

Deno.test("pickContainer: lists the containers there are, by kind", () => {
  refuses(
    pod(),
    "ap",
    /has no container 'ap'; it has app, cache; init container: proxy; ephemeral container: debugger-x$/,
  );
});

Deno.test("pickContainer: refuses a pod that has ended or is about to", () => {
  refuses(pod({ phase: "Succeeded" }), undefined, /has ended: its phase is Succeeded/);
  refuses(pod({ phase: "Failed", reason: "Evicted" }), undefined, /phase is Failed \(Evicted\)/);
  refuses(pod({ beingDeleted: true }), undefined, /being deleted/);
});

Deno.test("pickContainer: refuses a pod without a node, with the scheduler's words", () => {
  refuses(
    pod({
      phase: "Pending",
      nodeName: undefined,
      unschedulable: "0/2 nodes are available",
      containers: [container("app", { id: undefined, state: { is: "waiting" } })],
    }),
    undefined,
    /is Pending: no node runs it yet \(0\/2 nodes are available\)/,
  );
});

Deno.test("pickContainer: refuses a container that waits or has ended, with the reason", () => {
  const waiting = { is: "waiting", reason: "CrashLoopBackOff", message: "back-off 10s" } as const;
  refuses(
    pod({ containers: [container("app", { state: waiting })] }),
    undefined,
    /'app' .*does not run: it waits \(CrashLoopBackOff: back-off 10s\)/,
  );
  const ended = { is: "terminated", reason: "OOMKilled", exitCode: 137 } as const;
  refuses(
    pod({ containers: [container("app", { state: ended })] }),
    undefined,
    /has ended \(OOMKilled, exit code 137\)/,
  );
});

Deno.test("pickContainer: an init container that runs can be named while its pod is Pending", () => {
  const pending = pod({
    phase: "Pending",
    containers: [
      container("app", { id: undefined, state: { is: "waiting", reason: "PodInitializing" } }),
      container("migrate", { kind: "init container" }),
    ],
  });
  assert.equal(pickContainer(pending, "migrate").id, "id-of-migrate");
  refuses(pending, undefined, /it waits \(PodInitializing\), and the pod is Pending/);
});
