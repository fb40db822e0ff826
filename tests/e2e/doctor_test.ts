/** What `necoperf-client doctor` finds in a real cluster. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { runCommand } from "../testing/client.ts";
import { kubectl, readyNodes } from "../testing/cluster.ts";
import { deployDaemons, removeDaemons } from "../testing/deployment.ts";
import { createTenant, type Tenant, TENANT_ACCOUNT } from "../testing/tenant.ts";

const ADMIN = Deno.env.get("KUBECONFIG")!;

let tenant: Tenant;
/** Has the accounts and the token, but no right in its own namespace. */
let bare: Tenant;
let nodes: string[];

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  [tenant, bare] = [await createTenant(), await createTenant()];
  await kubectl(["delete", "rolebinding", TENANT_ACCOUNT, `--namespace=${bare.namespace}`]);
  nodes = await readyNodes();
});

Deno.test.afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
  await bare?.[Symbol.asyncDispose]();
  await removeDaemons();
});

/** The lines with a mark. */
function marked(stdout: string, mark: string): string[] {
  return stdout.split("\n").filter((line) => line.startsWith(mark));
}

Deno.test("doctor: a tenant with what deploy/tenant gives has nothing in the way", async () => {
  const run = await runCommand(tenant.kubeconfig, ["doctor", "--token-file", tenant.tokenFile]);
  assert.equal(run.status, ExitStatus.DONE, run.stdout + run.stderr);
  assert.deepEqual(marked(run.stdout, "[-]"), []);
  const user = `system:serviceaccount:${tenant.namespace}:${TENANT_ACCOUNT}`;
  assert.ok(run.stdout.includes(`[+] token for the daemons of ${user}\n`), run.stdout);
  assert.ok(run.stdout.includes(`[+] TLS: daemons are to be necoperf-daemon.necoperf.svc\n`));
  for (const node of nodes) {
    assert.match(run.stdout, new RegExp(`^\\[\\+\\] ${node}: necoperf-daemon .* perf \\d`, "m"));
  }
  assert.match(run.stdout, /^\[\+\] limits: 10m at 1000 Hz, events cpu-clock, /m);
  // What only an administrator may ask is told with the way to ask.
  assert.ok(
    run.stdout.includes(
      `kubectl auth can-i create profiles.necoperf.cybozu.io -n ${tenant.namespace} --as=${user}`,
    ),
    run.stdout,
  );
});

Deno.test("doctor: an administrator sees what a tenant's account may, and that each node has a daemon", async () => {
  const run = await runCommand(ADMIN, [
    ...["doctor", "-n", tenant.namespace, "--service-account", TENANT_ACCOUNT],
  ]);
  assert.equal(run.status, ExitStatus.DONE, run.stdout + run.stderr);
  assert.ok(run.stdout.includes(`[+] all ${nodes.length} nodes have one\n`), run.stdout);
  assert.match(run.stdout, /^\[\+\] may create profiles\.necoperf\.cybozu\.io in \S+ as system:/m);
  assert.match(
    run.stdout,
    /^\[!\] may not create profiles\/kernel\S* .*: kernel samples are left/m,
  );
});

Deno.test("doctor: an account without rights is told each, with a rule that gives it", async () => {
  const args = ["doctor", "--token-file", bare.tokenFile];
  const run = await runCommand(bare.kubeconfig, args);
  assert.equal(run.status, ExitStatus.NOT_ALLOWED, run.stdout + run.stderr);
  assert.ok(
    run.stdout.includes(
      `[-] may not get pods in ${bare.namespace}\n` +
        `    a Role in namespace ${bare.namespace} with this rule, bound to that user, allows it: ` +
        `{apiGroups: [""], resources: [pods], verbs: [get]}\n`,
    ),
    run.stdout,
  );
  const asked = await runCommand(ADMIN, [
    ...["doctor", "-n", bare.namespace, "--service-account", TENANT_ACCOUNT],
  ]);
  assert.equal(asked.status, ExitStatus.NOT_ALLOWED, asked.stdout + asked.stderr);
  assert.match(asked.stdout, /^\[-\] may not create profiles\.necoperf\.cybozu\.io in \S+ as /m);
});

Deno.test("doctor: a daemon that is nowhere, not reached or not told of is a finding", async () => {
  const nowhere = await runCommand(ADMIN, ["doctor", "--necoperf-namespace", "default"]);
  assert.equal(nowhere.status, ExitStatus.NOT_FOUND, nowhere.stdout + nowhere.stderr);
  assert.match(nowhere.stdout, /^\[-\] there is no necoperf-daemon in namespace default$/m);

  const cluster = JSON.parse(
    await kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]),
  );
  cluster.clusters[0].cluster.server = "https://127.0.0.1:1";
  const kubeconfig = await Deno.makeTempFile({ prefix: "necoperf-kubeconfig-" });
  try {
    await Deno.writeTextFile(kubeconfig, JSON.stringify(cluster));
    const unreachable = await runCommand(kubeconfig, ["doctor"]);
    assert.equal(unreachable.status, ExitStatus.UNREACHABLE);
    assert.match(
      unreachable.stdout,
      /^\[-\] cannot reach the API server https:\/\/127\.0\.0\.1:1/m,
    );
  } finally {
    await Deno.remove(kubeconfig);
  }

  const unknown = await runCommand(tenant.kubeconfig, ["doctor"]);
  assert.equal(unknown.status, ExitStatus.NOT_ALLOWED, unknown.stdout);
  assert.match(unknown.stdout, /^\[!\] no token for the daemons/m);
  assert.equal(marked(unknown.stdout, "[-] the daemon on").length, nodes.length, unknown.stdout);
});

Deno.test("doctor: one node's daemon is asked when it is named", async () => {
  const args = ["doctor", "--token-file", tenant.tokenFile, "--node"];
  const one = await runCommand(tenant.kubeconfig, [...args, nodes[0]]);
  assert.equal(one.status, ExitStatus.DONE, one.stdout + one.stderr);
  assert.ok(!one.stdout.includes(`${nodes[1]}: necoperf-daemon`));
  const none = await runCommand(tenant.kubeconfig, [...args, "no-such-node"]);
  assert.equal(none.status, ExitStatus.NOT_FOUND, none.stdout);
  assert.match(none.stdout, /no daemon on 1 of 1 nodes: no-such-node/);
});
