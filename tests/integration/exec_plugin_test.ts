/**
 * Credential plug-ins as people have them: a provider's own, one that asks at the terminal, and one
 * that the client does not know. The terminal is the pseudo-terminal of util-linux's `script`.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { grpc } from "../../proto/grpc.ts";
import { GO_PROGRAMS } from "../../scripts/go_programs.ts";
import { createAuthority } from "../cli/authority.ts";
import { daemonPod, runningPod, startStandInApi } from "../cli/stand_in_api.ts";
import { startStandInDaemon } from "../cli/stand_in_daemon.ts";
import { file, user } from "../testing/kubeconfig_cases.ts";
import { type KubeconfigServer, startKubeconfigServer } from "../testing/kubeconfig_server.ts";
import { findKubectl, fullPath } from "../testing/kustomize.ts";

let api: KubeconfigServer;

Deno.test.beforeAll(async () => {
  api = await startKubeconfigServer();
});

Deno.test.afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

const CLIENT = [
  ...[Deno.execPath(), "run", "--quiet", "--frozen"],
  ...permissionFlags("client", { embedded: false }),
  join(import.meta.dirname!, "../../cli/main.ts"),
  ...["profile", "web-0", "-o", "/nonexistent", "--request-timeout", "20s"],
];

/** The oldest minor version of 1 whose plug-ins are today's. */
const KUBECTL = await findKubectl(24).then((found) => found && fullPath(found));

const AUTHENTICATOR = join(GO_PROGRAMS, "aws-iam-authenticator");

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function environment(exec: string, path = ""): Promise<Record<string, string>> {
  api.requests.length = 0;
  return {
    HOME: "/nonexistent",
    PATH: `${path}${path && ":"}/usr/bin:/bin`,
    DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
    KUBECONFIG: await api.write([file(api.parts, user(`exec: {${exec}}`))]),
  };
}

/** Made up, in the form that AWS gives keys. */
const KEYS = "{name: AWS_ACCESS_KEY_ID, value: AKIDEXAMPLE}, " +
  "{name: AWS_SECRET_ACCESS_KEY, value: wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY}";

const GET_POD = ["get", "--raw", "/api/v1/namespaces/shop/pods/web-0"];

const PROGRAMS: [name: string, command: string[] | undefined][] = [
  ["necoperf-client", CLIENT],
  ["kubectl", KUBECTL ? [KUBECTL, ...GET_POD] : undefined],
];

for (const version of ["v1", "v1beta1"]) {
  for (const [name, command] of PROGRAMS) {
    Deno.test({
      name: `${name}: asks with what the real aws-iam-authenticator signs (${version})`,
      // `deno run -A scripts/setup.ts plugins` builds it, where Go's registry of modules is there.
      ignore: command === undefined || !await isThere(AUTHENTICATOR),
      fn: async () => {
        const env = await environment(
          `apiVersion: client.authentication.k8s.io/${version}, command: aws-iam-authenticator, ` +
            `args: [token, -i, shop-cluster], env: [${KEYS}], interactiveMode: IfAvailable`,
          GO_PROGRAMS,
        );
        const [program, ...args] = command!;
        const { stderr } = await new Deno.Command(program, { args, clearEnv: true, env }).output();
        assert.match(new TextDecoder().decode(stderr), /not here/);
        const [, signed] = /^Bearer k8s-aws-v1\.(.*)$/.exec(api.requests[0].authorization!)!;
        const url = new URL(Buffer.from(signed, "base64url").toString());
        assert.equal(url.searchParams.get("Action"), "GetCallerIdentity");
        assert.match(url.searchParams.get("X-Amz-Credential")!, /^AKIDEXAMPLE\/\d{8}\/.*\/sts\//);
        assert.match(url.searchParams.get("X-Amz-SignedHeaders")!, /x-k8s-aws-id/);
      },
    });
  }
}

/**
 * Runs the client on a terminal; `keys` are typed once it shows `prompt`, and again each half
 * second until it shows `heard`: Deno's own prompt throws away what was typed before it reads.
 */
async function runOnTerminal(
  env: Record<string, string>,
  { prompt, keys, heard }: { prompt: RegExp; keys: string; heard?: RegExp },
): Promise<{ status: number; written: string }> {
  const command = CLIENT.map((word) => `'${word}'`).join(" ");
  const process = new Deno.Command("script", {
    args: ["-qec", `stty cols 200 -echo; exec ${command}`, "/dev/null"],
    clearEnv: true,
    env: { TERM: "xterm", ...env },
    stdin: "piped",
    stdout: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  const keyboard = process.stdin.getWriter();
  const type = () => keyboard.write(new TextEncoder().encode(keys)).catch(() => {});
  let written = "";
  let typed = false;
  let typing: ReturnType<typeof setInterval> | undefined;
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    written += text;
    if (heard?.test(written)) clearInterval(typing);
    if (typed || !prompt.test(written)) continue;
    typed = true;
    await type();
    if (heard) typing = setInterval(type, 500);
  }
  clearInterval(typing);
  const { code } = await process.status;
  await keyboard.close().catch(() => {});
  return { status: code, written };
}

const V1 = "apiVersion: client.authentication.k8s.io/v1";

/** A plug-in whose token is what is typed. */
const ASKS = `echo 'Which token?' >&2
read token
echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",' \\
  '"status": {"token": "'"$token"'"}}'`;

const TYPED = { prompt: /Which token\?/, keys: "typed\n" };
const ALLOW = { prompt: /Allow\?/, heard: /Granted|Denied/ };

for (const mode of ["IfAvailable", "Always"]) {
  Deno.test(`necoperf-client: a plug-in asks at the terminal (interactiveMode: ${mode})`, async () => {
    await api.writePlugin(ASKS, "tsh");
    const env = await environment(`${V1}, command: tsh, interactiveMode: ${mode}`, api.parts.bin);
    const { status, written } = await runOnTerminal(env, TYPED);
    assert.equal(status, 3, written);
    assert.equal(api.requests[0].authorization, "Bearer typed");
  });
}

Deno.test("necoperf-client: a plug-in that never asks has no terminal", async () => {
  await api.writePlugin(ASKS, "tsh");
  const env = await environment(`${V1}, command: tsh, interactiveMode: Never`, api.parts.bin);
  const { status, written } = await runOnTerminal(env, TYPED);
  assert.equal(status, 4, written);
  assert.match(written, /no credentials for the API server from tsh/);
});

const ANSWERS = `echo '{"kind": "ExecCredential", "apiVersion":' \\
  '"client.authentication.k8s.io/v1", "status": {"token": "plugtok"}}'`;

Deno.test("necoperf-client: a person is asked, with its path, about a plug-in that is not known", async () => {
  await api.writePlugin(ANSWERS, "acme-login");
  const exec = `${V1}, command: acme-login, interactiveMode: Never`;
  const env = await environment(exec, api.parts.bin);
  const allowed = await runOnTerminal(env, { ...ALLOW, keys: "y\n" });
  assert.equal(allowed.status, 3, allowed.written);
  assert(allowed.written.includes(`from the program ${api.parts.bin}/acme-login`), allowed.written);
  assert.equal(api.requests[0].authorization, "Bearer plugtok");
  const denied = await runOnTerminal(await environment(exec, api.parts.bin), {
    ...ALLOW,
    keys: "n\n",
  });
  assert.equal(denied.status, 4, denied.written);
  assert.deepEqual(api.requests, []);
});

Deno.test("necoperf-client: without a terminal an error says how to go on with one", async () => {
  await api.writePlugin(ANSWERS, "acme-login");
  const [program, ...args] = CLIENT;
  const { code, stderr } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: await environment(`${V1}, command: acme-login, interactiveMode: Never`, api.parts.bin),
    stdin: "null",
  }).output();
  const message = new TextDecoder().decode(stderr);
  assert.equal(code, 4, message);
  assert(message.includes(`${api.parts.bin}/acme-login is not one of the credential plug-ins`));
  assert.match(message, /run necoperf-client in a terminal, or use a kubeconfig with a token/);
  assert.deepEqual(api.requests, []);
});

Deno.test("necoperf-client: a token that ends in the middle of --all is replaced, and nothing is lost", async () => {
  const pods = 1500;
  await using daemon = await startStandInDaemon({
    start: (call) =>
      call.emit("error", { code: grpc.status.NOT_FOUND, details: "no such container" }),
  });
  const [host, port] = daemon.address.split(":");
  using authority = await createAuthority("cluster");
  const { cert, key } = await authority.sign({ name: "localhost" });
  const uses = new Map<string, number>();
  await using cluster = await startStandInApi({
    pods: [
      daemonPod("node1", host, Number(port)),
      ...Array.from({ length: pods }, (_, at) => runningPod(`web-${at}`, "node1")),
    ],
  }, {
    tls: { cert, key },
    cluster: { "certificate-authority": authority.file, "tls-server-name": "localhost" },
    user: {
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "tsh",
        interactiveMode: "Never",
      },
    },
    // Each is good for two requests: the list of the pods alone has three pages.
    authenticate(authorization) {
      const count = (uses.get(authorization) ?? 0) + 1;
      uses.set(authorization, count);
      return /^Bearer t\d+$/.test(authorization) && count <= 2;
    },
  });
  const runs = join(api.parts.directory, "runs");
  await api.writePlugin(
    `echo run >> ${runs}
echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",' \\
  '"status": {"token": "'"t$(wc -l < ${runs})"'"}}'`,
    "tsh",
  );
  const [program, ...args] = CLIENT;
  const { code, stderr } = await new Deno.Command(program, {
    args: [
      ...args.slice(0, args.indexOf("profile")),
      ...["profile", "--all", "-d", "1s", "--via", "direct", "-o", api.parts.directory],
    ],
    clearEnv: true,
    env: {
      ...await environment("", api.parts.bin),
      KUBECONFIG: cluster.kubeconfig,
    },
    stdin: "null",
  }).output();
  const message = new TextDecoder().decode(stderr);
  assert.match(message, new RegExp(`${pods} of ${pods} have failed`));
  assert.equal(code, 3, message);
  assert(uses.size >= 3, [...uses.keys()].join());
});
