/**
 * People with nothing but their kubeconfig, on a real cluster: with which account's token they call
 * the daemons, and what they are told where there is none for them.
 */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { assertBusy, type ClientRunOutside, runClient, runCommand } from "../testing/client.ts";
import {
  apply,
  createNamespace,
  deleteNamespaces,
  get,
  kubectl,
  type KubernetesObject,
  readMinorVersion,
} from "../testing/cluster.ts";
import { DAEMON_NAMESPACE, deployDaemons, removeDaemons } from "../testing/deployment.ts";
import { findPeople, type People, type Person, PERSON_KINDS } from "../testing/people.ts";
import { eventually } from "../testing/process.ts";
import {
  createTenant,
  startPods,
  TARGET,
  targetPod,
  type Tenant,
  TENANT_ACCOUNT,
} from "../testing/tenant.ts";

const RBAC = "rbac.authorization.k8s.io/v1";
const NECOPERF = DAEMON_NAMESPACE.cgroup;
const PROFILES = { apiGroups: ["necoperf.cybozu.io"], resources: ["profiles"], verbs: ["create"] };
const GET_PODS = { apiGroups: [""], resources: ["pods"], verbs: ["get"] };

let people: People;
let tenant: Tenant;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  people = await findPeople();
  tenant = await createTenant();
  const { metadata, spec } = targetPod(tenant.namespace, "web", { spin: TARGET.spin });
  const labels = { app: "web" };
  await apply({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  await startPods(tenant, targetPod(tenant.namespace, "target", { spin: TARGET.spin }));
  await kubectl([
    ...["rollout", "status", "deployment/web", `--namespace=${tenant.namespace}`],
    "--timeout=90s",
  ]);
});

Deno.test.afterAll(async () => {
  await people?.[Symbol.asyncDispose]();
  await tenant?.[Symbol.asyncDispose]();
  await removeDaemons();
});

function bind(
  namespace: string,
  [kind, role]: [kind: "Role" | "ClusterRole", role: string],
  ...subjects: Record<string, string>[]
): KubernetesObject {
  return {
    apiVersion: RBAC,
    kind: "RoleBinding",
    metadata: { name: `${role}-${crypto.randomUUID().slice(0, 8)}`, namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: role },
    subjects,
  };
}

function role(namespace: string, name: string, ...rules: unknown[]): KubernetesObject {
  return { apiVersion: RBAC, kind: "Role", metadata: { name, namespace }, rules };
}

function serviceAccount(namespace: string, name: string): KubernetesObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

/** What people need in the daemons' namespace. */
const nearDaemons = (person: Person) => bind(NECOPERF, ["Role", TENANT_ACCOUNT], person.subject);

/** Runs the client as a person. */
function runAs(person: Person, namespace: string, ...args: string[]): Promise<ClientRunOutside> {
  const { kubeconfig, env } = person;
  return runClient(tenant, ["-n", namespace, "-d", "1s", ...args], {
    ...{ kubeconfig, env },
    tokenFile: "",
  });
}

/** The API server's authorizer learns of roles after a moment. */
function succeeds(run: () => Promise<ClientRunOutside>): Promise<ClientRunOutside> {
  return eventually(async () => {
    const ended = await run();
    assert.equal(ended.status, 0, ended.stderr);
    return ended;
  });
}

function assertProfiled(run: ClientRunOutside, account: string): void {
  const said = run.stderr.split("\n").filter((line) => line.includes("as service account"));
  assert.deepEqual(said, [
    `necoperf-client: calling the daemons as service account ${account}; --service-account ` +
    "chooses another",
  ]);
  assertBusy(Object.values(run.files)[0]);
}

for (const kind of PERSON_KINDS) {
  Deno.test(`necoperf-client: a person with ${kind} profiles with nothing but a kubeconfig`, async () => {
    const person = await people.create(kind);
    // As deploy/README.md says to do it.
    await apply(
      bind(tenant.namespace, ["Role", "necoperf-user"], person.subject),
      bind(tenant.namespace, ["ClusterRole", "view"], person.subject),
      nearDaemons(person),
    );
    const run = await succeeds(() => runAs(person, tenant.namespace, "deploy/web"));
    assertProfiled(run, `${tenant.namespace}/${TENANT_ACCOUNT}`);
    const { kubeconfig, env } = person;
    const doctor = await runCommand(kubeconfig, ["doctor", "-n", tenant.namespace], { env });
    assert.ok(
      doctor.stdout.includes(
        `[+] service account ${TENANT_ACCOUNT} of ${tenant.namespace}: found by itself`,
      ),
      doctor.stdout,
    );
  });
}

Deno.test("fetch: gives a person the result of a recording as the same account", async () => {
  const person = await people.create("certificate");
  await apply(
    bind(tenant.namespace, ["Role", "necoperf-user"], person.subject),
    bind(tenant.namespace, ["ClusterRole", "view"], person.subject),
    nearDaemons(person),
  );
  await succeeds(() => runAs(person, tenant.namespace, "target"));
  const { spec } = await get("pod", "target", tenant.namespace);
  const { kubeconfig, env } = person;
  const options = { kubeconfig, env, tokenFile: "" };
  let fetched: ClientRunOutside | undefined;
  const args = ["-n", tenant.namespace, "-d", "60s", "target"];
  const recorded = await runClient(tenant, args, {
    ...options,
    whileRecording: async (said, interrupt) => {
      const [, id] = /, id (\S+)/.exec(said)!;
      const fetch = (id: string) => {
        const args = [id, "-n", tenant.namespace, "--node", spec.nodeName];
        return runClient(tenant, args, { ...options, command: "fetch" });
      };
      // The one waits for the end of the recording, for longer than the other takes.
      const own = fetch(id);
      const none = await fetch(crypto.randomUUID());
      interrupt();
      assert.equal(none.status, ExitStatus.NOT_FOUND, none.stderr);
      fetched = await own;
    },
  });
  assert.equal(recorded.status, ExitStatus.PARTIAL, recorded.stderr);
  assert.ok(fetched);
  assert.equal(fetched.status, ExitStatus.PARTIAL, fetched.stderr);
  assertProfiled(fetched, `${tenant.namespace}/${TENANT_ACCOUNT}`);
});

Deno.test("necoperf-client: a person who may request no token is told the rule", async () => {
  const person = await people.create("certificate");
  await apply(
    bind(tenant.namespace, ["ClusterRole", "view"], person.subject),
    nearDaemons(person),
  );
  const rule = '{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: ' +
    `[${TENANT_ACCOUNT}], verbs: [create]}`;
  await eventually(async () => {
    const run = await runAs(person, tenant.namespace, "target");
    assert.equal(run.status, ExitStatus.NOT_ALLOWED, run.stderr);
    assert.ok(
      run.stderr.includes("no token was sent: you may not request a token of the service account"),
      run.stderr,
    );
    assert.ok(run.stderr.includes(rule), run.stderr);
    assert.deepEqual(run.files, {});
  });
  const doctor = await runCommand(person.kubeconfig, ["doctor", "-n", tenant.namespace]);
  assert.equal(doctor.status, ExitStatus.NOT_ALLOWED, doctor.stdout + doctor.stderr);
  assert.ok(doctor.stdout.includes(rule), doctor.stdout);
});

Deno.test("necoperf-client: finds the account that may profile among others", async (t) => {
  const namespace = await createNamespace("person-shop");
  try {
    await apply(
      // A name before its own, and the usual one: anybody who may make accounts can make these.
      ...["aaa", TENANT_ACCOUNT, "profiler", "zoe"].map((name) => serviceAccount(namespace, name)),
      role(namespace, "profile", PROFILES),
      role(
        namespace,
        "profiler-token",
        {
          apiGroups: [""],
          resources: ["serviceaccounts/token"],
          resourceNames: ["profiler"],
          verbs: ["create"],
        },
      ),
      role(namespace, "pods", GET_PODS),
      bind(
        namespace,
        ["Role", "profile"],
        ...["profiler", "zoe"].map((name) => ({ kind: "ServiceAccount", name, namespace })),
      ),
    );
    await startPods(
      { ...tenant, namespace },
      targetPod(namespace, "target", { spin: TARGET.spin }),
    );
    const hasTokensInEdit = await readMinorVersion() > 20;
    for (const clusterRole of ["admin", "edit"]) {
      await t.step({
        name: `a person with the ClusterRole ${clusterRole}`,
        // 1.20's have no right to tokens.
        ignore: !hasTokensInEdit,
        fn: async () => {
          const person = await people.create("certificate");
          await apply(
            bind(namespace, ["ClusterRole", clusterRole], person.subject),
            nearDaemons(person),
          );
          const run = await succeeds(() => runAs(person, namespace, "target"));
          assertProfiled(run, `${namespace}/profiler`);
        },
      });
    }
    await t.step("a person who may request any token and ask nothing", async () => {
      const person = await people.create("certificate");
      await apply(
        role(
          namespace,
          "tokens",
          { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
          { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list"] },
        ),
        bind(namespace, ["Role", "tokens"], person.subject),
        bind(namespace, ["Role", "pods"], person.subject),
        nearDaemons(person),
      );
      const run = await succeeds(() => runAs(person, namespace, "target"));
      assertProfiled(run, `${namespace}/profiler`);
    });
    await t.step("a person who may request a token of the one account", async () => {
      const person = await people.create("certificate");
      await apply(
        bind(namespace, ["Role", "profiler-token"], person.subject),
        bind(namespace, ["Role", "pods"], person.subject),
        nearDaemons(person),
      );
      const run = await succeeds(() => runAs(person, namespace, "target"));
      assertProfiled(run, `${namespace}/profiler`);
    });
  } finally {
    await deleteNamespaces(namespace);
  }
});

Deno.test("doctor: knows rights that accounts have by their groups", async () => {
  const namespace = await createNamespace("person-group");
  try {
    const name = `system:serviceaccounts:${namespace}`;
    await apply(
      serviceAccount(namespace, "profiler"),
      role(namespace, "profile", PROFILES),
      bind(namespace, ["Role", "profile"], {
        ...{ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name },
      }),
    );
    await eventually(async () => {
      const run = await runCommand(Deno.env.get("KUBECONFIG")!, [
        ...["doctor", "-n", namespace, "--service-account", "profiler"],
      ]);
      assert.equal(run.status, ExitStatus.DONE, run.stdout + run.stderr);
      assert.match(
        run.stdout,
        /^\[\+\] may create profiles\.necoperf\.cybozu\.io in \S+ as system:/m,
      );
    });
  } finally {
    await deleteNamespaces(namespace);
  }
});
