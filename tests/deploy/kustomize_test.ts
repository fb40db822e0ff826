/** What an administrator's kubectl makes of the kustomizations. */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { load } from "js-yaml";
import { type KubernetesObject, ROOT, runKubectl } from "../testing/cluster.ts";
import { findKustomizeKubectl, kustomize } from "../testing/kustomize.ts";

const DIRECTORIES = [...kustomizations("deploy"), ...kustomizations("tests/e2e/deploy")].sort();
const kubectl = await findKustomizeKubectl();
const ignore = kubectl === undefined;
if (ignore) console.error("kustomize_test.ts: most is ignored: needs kubectl 1.21 or newer");

/** The directories below one that have a kustomization, relative to the project's. */
function* kustomizations(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, directory))) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* kustomizations(path);
    else if (/^(kustomization\.ya?ml|Kustomization)$/.test(name)) yield dirname(path);
  }
}

/** Kinds that belong to no namespace, of those there are in `deploy/`. */
const CLUSTER_KINDS = ["Namespace", "ClusterRole", "ClusterRoleBinding"];

/** All subjects of bindings. */
function subjectsOf(
  objects: KubernetesObject[],
): { kind: string; name: string; namespace: string }[] {
  return objects.flatMap(({ subjects }) => subjects ?? []);
}

function ofKind(objects: KubernetesObject[], ...kinds: string[]): KubernetesObject[] {
  return objects.filter(({ kind }) => kinds.includes(kind));
}

Deno.test("kustomizations: there are those that the documents name", () => {
  for (const name of ["base", "tenant", "overlays/cri", "overlays/cert-manager"]) {
    assert.ok(DIRECTORIES.includes(`deploy/${name}`), name);
  }
});

for (const directory of DIRECTORIES) {
  Deno.test(`${directory}: has no field that kustomize calls deprecated`, async () => {
    const text = await Deno.readTextFile(join(ROOT, directory, "kustomization.yaml"));
    const deprecated = ["bases", "patchesStrategicMerge", "patchesJson6902", "commonLabels"]
      .concat("imageTags", "vars");
    const fields = Object.keys(load(text) as Record<string, unknown>);
    assert.deepEqual(fields.filter((field) => deprecated.includes(field)), []);
  });

  Deno.test({
    name: `${directory}: kubectl kustomize prints no warning`,
    ignore,
    fn: async () => {
      const run = await runKubectl(["kustomize", directory], { kubectl });
      assert.deepEqual([run.success, run.stderr], [true, ""]);
    },
  });

  Deno.test({
    name: `${directory}: each object and each subject has its namespace`,
    ignore,
    fn: async () => {
      const objects = await kustomize(directory);
      for (const { kind, metadata } of objects) {
        assert.equal(
          metadata.namespace !== undefined,
          !CLUSTER_KINDS.includes(kind),
          `${kind} ${metadata.name}`,
        );
      }
      const accounts = ofKind(objects, "ServiceAccount")
        .map(({ metadata }) => ({ kind: "ServiceAccount", ...metadata }));
      for (const subject of subjectsOf(objects)) {
        const { kind, name, namespace } = subject;
        assert.ok(
          accounts.some((each) =>
            each.kind === kind && each.name === name && each.namespace === namespace
          ),
          `no such account: ${JSON.stringify(subject)}`,
        );
      }
    },
  });

  Deno.test({
    name: `${directory}: policies select the daemons, and their ports are the daemons'`,
    ignore,
    fn: async () => {
      const [daemonSet] = ofKind(await kustomize("deploy/base"), "DaemonSet");
      const { metadata: { labels }, spec } = daemonSet.spec.template;
      const ports = spec.containers[0].ports
        .map(({ containerPort }: { containerPort: number }) => containerPort);
      const policies = ofKind(await kustomize(directory), "NetworkPolicy");
      assert.equal(policies.length, 1);
      const [{ spec: { podSelector, policyTypes, ingress } }] = policies;
      assert.deepEqual(podSelector.matchLabels, labels);
      assert.deepEqual(policyTypes, ["Ingress"]);
      for (const rule of ingress) {
        // A rule without one of the two would let everybody in, or to everything.
        assert.ok(rule.from.length > 0 && rule.ports.length > 0);
        for (const { port } of rule.ports) assert.ok(ports.includes(port), port);
      }
    },
  });
}

for (const directory of ["deploy/base", "deploy/overlays/cri"]) {
  Deno.test({
    name: `${directory}: goes into another namespace as a whole`,
    ignore,
    fn: async () => {
      const overlay = await Deno.makeTempDir({ prefix: "necoperf-overlay-" });
      try {
        await Deno.writeTextFile(
          join(overlay, "kustomization.yaml"),
          `namespace: elsewhere\nresources: [${relative(overlay, join(ROOT, directory))}]\n`,
        );
        const objects = await kustomize(overlay);
        const namespaces = objects.flatMap(({ metadata }) => metadata.namespace ?? [])
          .concat(subjectsOf(objects).map(({ namespace }) => namespace))
          .concat(ofKind(objects, "Namespace").map(({ metadata }) => metadata.name));
        assert.deepEqual([...new Set(namespaces)], ["elsewhere"]);
      } finally {
        await Deno.remove(overlay, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "deploy/base: the namespace has the Pod Security labels for what the daemons need",
  ignore,
  fn: async () => {
    const [namespace] = ofKind(await kustomize("deploy/base"), "Namespace");
    const prefix = "pod-security.kubernetes.io/";
    assert.deepEqual(namespace.metadata.labels, {
      [`${prefix}enforce`]: "privileged",
      [`${prefix}audit`]: "privileged",
      [`${prefix}warn`]: "privileged",
    });
  },
});

Deno.test({
  name: "deploy/base: probes give a busy node its time",
  ignore,
  fn: async () => {
    const [daemonSet] = ofKind(await kustomize("deploy/base"), "DaemonSet");
    const [container] = daemonSet.spec.template.spec.containers;
    const seconds = (probe: { periodSeconds: number; failureThreshold: number }) =>
      probe.periodSeconds * probe.failureThreshold;
    assert.ok(seconds(container.startupProbe) >= 300);
    assert.ok(seconds(container.livenessProbe) >= 120);
    assert.ok(container.livenessProbe.timeoutSeconds >= 10);
  },
});
