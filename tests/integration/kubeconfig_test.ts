/**
 * Every form of kubeconfig that kubectl takes: the client as a program, against a stand-in server,
 * and the real kubectl beside it where one of 1.24 or newer is on the PATH: older ones know fewer
 * forms.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import {
  BAD_KUBECONFIGS,
  KUBECONFIG_CASES,
  type KubeconfigCase,
} from "../testing/kubeconfig_cases.ts";
import { type KubeconfigServer, startKubeconfigServer } from "../testing/kubeconfig_server.ts";
import { findKubectl, fullPath } from "../testing/kustomize.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");

let api: KubeconfigServer;

Deno.test.beforeAll(async () => {
  api = await startKubeconfigServer();
});

Deno.test.afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

const CLIENT = [
  ...[Deno.execPath(), "run", "--quiet", "--frozen"],
  ...[...permissionFlags("client", { embedded: false }), MAIN],
  ...["profile", "web-0", "-o", "/nonexistent", "--request-timeout", "20s"],
];

/** The oldest minor version of 1 that knows all the forms. */
const KUBECTL_MINOR = 24;

const KUBECTL = await findKubectl(KUBECTL_MINOR).then((found) => found && fullPath(found));

async function run(
  [program, ...args]: string[],
  { files, env }: Pick<KubeconfigCase, "files" | "env">,
): Promise<{ status: number; stderr: string }> {
  api.requests.length = 0;
  const { code, stderr } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: {
      ...{ HOME: "/nonexistent", PATH: "/usr/bin:/bin", DENO_DIR: Deno.env.get("DENO_DIR") ?? "" },
      ...env?.(api.parts),
      KUBECONFIG: await api.write(files(api.parts)),
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { status: code, stderr: new TextDecoder().decode(stderr) };
}

const kubectl = (path: string) => [path, "get", "--raw", "/api/v1/namespaces/shop/pods/web-0"];

function assertSeen({ seen = {} }: KubeconfigCase, stderr: string): void {
  const expected = { authorization: "Bearer tok", impersonation: [], path: "", ...seen };
  assert.equal(api.requests.length, 1, stderr);
  const [{ serverName, ...request }] = api.requests;
  if (expected.serverName !== undefined) assert.equal(serverName, expected.serverName);
  const { serverName: _, ...rest } = { certificate: undefined, ...expected };
  assert.deepEqual(request, rest, stderr);
}

for (const each of KUBECONFIG_CASES) {
  Deno.test(`kubeconfig: ${each.name}`, async () => {
    const { status, stderr } = await run(CLIENT, each);
    assert.equal(status, 3, stderr);
    assertSeen(each, stderr);
  });

  if (each.notForKubectl === undefined) {
    Deno.test({
      name: `kubectl: ${each.name}`,
      ignore: KUBECTL === undefined,
      fn: async () => {
        const { status, stderr } = await run(kubectl(KUBECTL!), each);
        assert.equal(status, 1, stderr);
        assertSeen(each, stderr);
      },
    });
  }
}

for (const { name, files, env, exitStatus = 2, message } of BAD_KUBECONFIGS) {
  Deno.test(`kubeconfig: refused: ${name}`, async () => {
    const { status, stderr } = await run(CLIENT, { files, env });
    assert.match(stderr, message);
    assert.equal(status, exitStatus, stderr);
    assert.doesNotMatch(stderr, /^\s+at /m);
    assert.deepEqual(api.requests, []);
  });

  Deno.test({
    name: `kubectl: refused: ${name}`,
    ignore: KUBECTL === undefined,
    fn: async () => {
      const { status, stderr } = await run(kubectl(KUBECTL!), { files, env });
      assert.notEqual(status, 0, stderr);
      assert.deepEqual(api.requests, []);
    },
  });
}
