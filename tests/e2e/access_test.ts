/** Who may profile what, on a real cluster with its real API server. */
import assert from "node:assert/strict";
import { ExitStatus } from "../../cli/errors.ts";
import { assertBusy, type ClientRunOutside, runClient } from "../testing/client.ts";
import { apply, get, kubectl, readyNodes } from "../testing/cluster.ts";
import {
  DAEMON_NAMESPACE,
  deployDaemons,
  removeDaemons,
  startOddDaemon,
} from "../testing/deployment.ts";
import { eventually } from "../testing/process.ts";
import {
  allow,
  createTenant,
  requestToken,
  startPods,
  TARGET,
  targetPod,
  type Tenant,
  TENANT_ACCOUNT,
} from "../testing/tenant.ts";

const NAMESPACE = DAEMON_NAMESPACE.cgroup;

let caller: Tenant;
let other: Tenant;
let node: string;
let directory: string;
/** What the client is told instead of asking the API server: nobody has to get others' pods. */
let direct: string[];
let othersContainer: string;

Deno.test.beforeAll(async () => {
  await deployDaemons("cgroup");
  [node] = await readyNodes();
  [caller, other] = [await createTenant(), await createTenant()];
  for (const tenant of [caller, other]) {
    await startPods(
      tenant,
      targetPod(tenant.namespace, "target", { spin: TARGET.spin }, { nodeName: node }),
    );
  }
  directory = await Deno.makeTempDir({ prefix: "necoperf-access-" });
  const authority = await get("configmap", "necoperf-ca", NAMESPACE);
  await Deno.writeTextFile(`${directory}/ca.crt`, authority.data["ca.crt"]);
  direct = [
    ...["--daemon", `${await daemonAddress()}:6543`, "--ca-file", `${directory}/ca.crt`],
    ...["--tls-server-name", `necoperf-daemon.${NAMESPACE}.svc`],
  ];
  othersContainer = await containerId(other);
});

Deno.test.afterAll(async () => {
  // One that was not made must not hide why.
  if (directory) await Deno.remove(directory, { recursive: true });
  await caller?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
  await removeDaemons();
});

async function daemonAddress(): Promise<string> {
  return (await kubectl([
    ...["get", "pods", `--namespace=${NAMESPACE}`, `--field-selector=spec.nodeName=${node}`],
    ...["--selector=app.kubernetes.io/name=necoperf-daemon"],
    "--output=jsonpath={.items[0].status.podIP}",
  ])).trim();
}

async function containerId(tenant: Tenant): Promise<string> {
  const { status } = await get("pod", "target", tenant.namespace);
  return status.containerStatuses[0].containerID;
}

function assertRefused(run: ClientRunOutside, status: number, ...words: (string | RegExp)[]): void {
  assert.equal(run.status, status, run.stderr);
  for (const each of words) {
    if (typeof each === "string") assert.ok(run.stderr.includes(each), run.stderr);
    else assert.match(run.stderr, each);
  }
  assert.equal(run.stdout, "");
  assert.deepEqual(run.files, {});
}

/** A file with a token for the daemon of some audience or account. */
async function tokenFile(name: string, token: string): Promise<string> {
  const file = `${directory}/${name}`;
  await Deno.writeTextFile(file, token);
  return file;
}

Deno.test("access: a tenant profiles its own container, by its id as well", async () => {
  const run = await runClient(caller, [
    ...direct,
    "-d",
    "1s",
    "--container-id",
    await containerId(caller),
  ]);
  assert.equal(run.status, 0, run.stderr);
  assertBusy(Object.values(run.files)[0]);
});

Deno.test("access: another tenant's container and one that is none are refused alike", async () => {
  const others = await runClient(caller, [
    ...direct,
    "-d",
    "1s",
    "--container-id",
    othersContainer,
  ]);
  assertRefused(others, ExitStatus.NOT_ALLOWED, "profiles", "necoperf.cybozu.io", "create");
  assert.ok(!others.stderr.includes(other.namespace), others.stderr);
  const guessed = await runClient(caller, [
    ...direct,
    "-d",
    "1s",
    "--container-id",
    "0f".repeat(32),
  ]);
  assert.equal(guessed.status, others.status);
  const anonymous = (run: ClientRunOutside) => run.stderr.replace(/[0-9a-f]{12,64}/g, "ID");
  assert.equal(anonymous(guessed), anonymous(others));
});

Deno.test("access: another tenant's result and one that is none are told alike", async () => {
  const fetch = (tenant: Tenant, id: string) =>
    runClient(tenant, [id, ...direct], { command: "fetch" });
  let runs: ClientRunOutside[] = [];
  const record = [...direct, "-d", "60s", "--container-id", await containerId(caller)];
  const recorded = await runClient(caller, record, {
    whileRecording: async (said, interrupt) => {
      const [, id] = /, id (\S+)/.exec(said)!;
      // It is there all the time: this one waits for its end, for longer than two others take.
      const own = fetch(caller, id);
      const others = [await fetch(other, id), await fetch(other, crypto.randomUUID())];
      interrupt();
      runs = [...others, await own];
    },
  });
  assert.equal(recorded.status, ExitStatus.PARTIAL, recorded.stderr);
  const [others, guessed, own] = runs;
  assertRefused(
    others,
    ExitStatus.NOT_FOUND,
    "no such result",
    "only for the user who asked for it",
  );
  assert.equal(guessed.status, others.status);
  assert.equal(guessed.stderr, others.stderr);
  assert.equal(own.status, ExitStatus.PARTIAL, own.stderr);
  assertBusy(Object.values(own.files)[0]);
});

for (const id of ["kubepods", "../../etc/passwd", "a/b", "x".repeat(64), "0f\n0f"]) {
  Deno.test(`access: a container id such as ${JSON.stringify(id)} is a usage error`, async () => {
    assertRefused(
      await runClient(caller, [...direct, "-d", "1s", "--container-id", id]),
      ExitStatus.USAGE,
    );
  });
}

Deno.test("access: without a token the caller is asked for one", async () => {
  const run = await runClient(caller, [
    ...direct,
    "-d",
    "1s",
    "--container-id",
    await containerId(caller),
  ], {
    tokenFile: "",
  });
  assertRefused(run, ExitStatus.NOT_ALLOWED, "token");
});

Deno.test("access: a token for the API server is not accepted, nor even sent", async () => {
  const file = await tokenFile("api-token", await requestToken(caller.namespace));
  const run = await runClient(caller, ["target", "-d", "1s"], { tokenFile: file });
  assertRefused(run, ExitStatus.NOT_ALLOWED, "necoperf");
  assert.ok(!run.stderr.includes(await Deno.readTextFile(file)));
});

Deno.test("access: a token is not sent where the daemons' authority is not known", async () => {
  const withoutAuthority = direct.filter((arg, index) =>
    !["--ca-file", "--tls-server-name"].includes(arg) &&
    !["--ca-file", "--tls-server-name"].includes(direct[index - 1])
  );
  const run = await runClient(caller, [
    ...withoutAuthority,
    "-d",
    "1s",
    "--container-id",
    othersContainer,
  ]);
  assertRefused(run, ExitStatus.NOT_ALLOWED, "the token was not sent", "not be encrypted");
});

Deno.test("access: an authority that is not the daemons' is refused", async () => {
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", "/CN=someone", "-keyout", "/dev/null", "-out", `${directory}/wrong.crt`],
    ],
    stderr: "null",
  }).output();
  assert.ok(success);
  const args = direct.map((arg) => arg.replace(/\/ca\.crt$/, "/wrong.crt"));
  const run = await runClient(caller, [
    ...args,
    "-d",
    "1s",
    "--container-id",
    await containerId(caller),
  ]);
  assertRefused(run, ExitStatus.UNREACHABLE, "certificate");
});

Deno.test("access: a person gets in by a service account that they may request tokens of", async () => {
  const args = ["-n", caller.namespace, "target", "-d", "1s"];
  const asAccount = [...args, "--service-account", TENANT_ACCOUNT];
  const options = { tokenFile: "", kubeconfig: caller.kubeconfig };
  assertRefused(
    await runClient(caller, asAccount, options),
    ExitStatus.NOT_ALLOWED,
    "serviceaccounts/token",
  );
  await apply(...allow(caller, "request-tokens", caller.namespace, [
    { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
  ]));
  const run = await eventually(async () => {
    const run = await runClient(caller, asAccount, options);
    assert.equal(run.status, 0, run.stderr);
    return run;
  });
  assertBusy(Object.values(run.files)[0]);
});

Deno.test("access: the kernel's side takes a right of its own", async () => {
  const plain = await runClient(caller, ["target", "-d", "1s"]);
  assert.equal(plain.status, 0, plain.stderr);
  assert.match(plain.stderr, /profiles\/kernel/);
  assert.match(Object.values(plain.files)[0], / (cpu-clock|cycles):u\w*: /);

  const kernel = ["target", "-d", "1s", "--all-kernel", "-o"];
  assertRefused(
    await runClient(caller, kernel.slice(0, -1)),
    ExitStatus.NOT_ALLOWED,
    "profiles/kernel",
    caller.namespace,
  );
  await apply(...allow(caller, "profile-kernel", caller.namespace, [
    { apiGroups: ["necoperf.cybozu.io"], resources: ["profiles/kernel"], verbs: ["create"] },
  ]));
  await eventually(async () => {
    const run = await runClient(caller, ["target", "-d", "1s"]);
    assert.equal(run.status, 0, run.stderr);
    assert.doesNotMatch(Object.values(run.files)[0], / (cpu-clock|cycles):u\w*: /);
  });
});

Deno.test("access: a right that is taken away counts after seconds", async () => {
  await kubectl(["delete", "rolebinding", "necoperf-client", `--namespace=${caller.namespace}`]);
  await apply(...allow(caller, "only-get", caller.namespace, [
    { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
  ]));
  try {
    await eventually(async () => {
      assertRefused(
        await runClient(caller, ["target", "-d", "1s"]),
        ExitStatus.NOT_ALLOWED,
        "profiles",
      );
    }, 60);
  } finally {
    await kubectl(["apply", "--filename=-"], caller.manifests);
  }
});

Deno.test("access: nobody is let in while the API server cannot be asked", async () => {
  await using odd = await startOddDaemon(node, caller, (container) => {
    container.args.push("--kube-api=https://127.0.0.1:1");
  });
  await eventually(async () => (await fetch(`${odd.http}/healthz`)).body?.cancel(), 60);
  const run = await runClient(caller, [
    ...["target", "-d", "1s", "--retry-timeout", "2s", "--necoperf-namespace", odd.namespace],
  ]);
  assertRefused(run, ExitStatus.UNREACHABLE, "API server");
});
