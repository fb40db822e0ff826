/**
 * The kinds that the forms of kubeconfig belong to, member by member: the client's own reading
 * against a stand-in server, and the real kubectl beside it where one of 1.24 or newer is there.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { openCluster } from "../../cli/client/cluster/kubernetes.ts";
import { CliError, ExitStatus } from "../../cli/errors.ts";
import { createAuthority } from "../cli/authority.ts";
import { file, idToken, user } from "../testing/kubeconfig_cases.ts";
import { KUBECONFIG_KINDS, type KubeconfigKind } from "../testing/kubeconfig_kinds.ts";
import { type KubeconfigServer, startKubeconfigServer } from "../testing/kubeconfig_server.ts";
import { findKubectl, fullPath } from "../testing/kustomize.ts";

let api: KubeconfigServer;

Deno.test.beforeAll(async () => {
  api = await startKubeconfigServer();
});

Deno.test.afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

/** The oldest minor version of 1 that knows all the forms. */
const KUBECTL_MINOR = 24;
const KUBECTL = await findKubectl(KUBECTL_MINOR).then((found) => found && fullPath(found));

/** Prepares the machine, and gives the environment. */
async function prepare(kind: KubeconfigKind): Promise<Record<string, string>> {
  api.requests.length = 0;
  api.proxied.length = 0;
  if (kind.plugin !== undefined) await api.writePlugin(kind.plugin);
  return {
    ...kind.env?.(api.parts),
    KUBECONFIG: await api.write(kind.files(api.parts)),
  };
}

/** Asks for the pod in this process, and gives the error, which there always is. */
async function ask(env: Record<string, string>): Promise<CliError> {
  const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
    const { readPod } = await openCluster({});
    await readPod("shop", "web-0");
  } catch (error) {
    assert(error instanceof CliError, `${error}`);
    return error;
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
  assert.fail("there was a pod");
}

async function askKubectl(env: Record<string, string>): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(KUBECTL!, {
    args: ["get", "--raw", "/api/v1/namespaces/shop/pods/web-0"],
    env: { HOME: "/nonexistent", ...env },
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** Compares what servers have seen with what they should have. */
function assertSeen({ seen = {}, proxied, refused }: KubeconfigKind, message: string): void {
  if (refused) return assert.deepEqual([api.requests, api.proxied], [[], []], message);
  assert.equal(api.requests.length, 1, message);
  const [{ serverName: _, ...request }] = api.requests;
  const expected = {
    authorization: "Bearer tok",
    certificate: undefined,
    impersonation: [],
    path: "",
  };
  assert.deepEqual(request, { ...expected, ...seen }, message);
  assert.deepEqual(api.proxied, proxied === undefined ? [] : [proxied], message);
}

for (const kind of KUBECONFIG_KINDS) {
  const { name, refused, exitStatus = 2 } = kind;
  Deno.test(`openCluster: ${refused ? "refused: " : ""}${name}`, async () => {
    const { message, exitStatus: status } = await ask(await prepare(kind));
    if (refused) assert.match(message, refused);
    assert.equal(status, refused ? exitStatus : ExitStatus.NOT_FOUND, message);
    assertSeen(kind, message);
  });

  if (kind.notForKubectl === undefined) {
    Deno.test({
      name: `kubectl: ${refused ? "refused: " : ""}${name}`,
      ignore: KUBECTL === undefined,
      fn: async () => {
        const { code, stderr } = await askKubectl(await prepare(kind));
        assert.notEqual(code, 0, stderr);
        if (!refused) assert.match(stderr, /not here/);
        assertSeen(kind, stderr);
      },
    });
  }
}

/** An identity provider that takes the refresh token `first` once, and gives `second` for it. */
async function startIssuer(
  { takesBasic }: { takesBasic: boolean },
): Promise<AsyncDisposable & { url: string; ca: string; asked: string[] }> {
  const authority = await createAuthority("issuer");
  const { cert, key } = await authority.sign({ name: "localhost" });
  const asked: string[] = [];
  const server = https.createServer({ cert, key }, async (request, response) => {
    const body = await text(request);
    asked.push(`${request.method} ${request.url} ${body}`);
    const answer = (status: number, content: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(content));
    };
    if (request.url === "/oidc/.well-known/openid-configuration") {
      return answer(200, { token_endpoint: `${url}/token` });
    }
    const fields = new URLSearchParams(body);
    const isKnown = takesBasic
      ? request.headers.authorization === `Basic ${btoa("kube:s+cret")}`
      : fields.get("client_id") === "kube" && fields.get("client_secret") === "s cret";
    if (!isKnown) return answer(401, { error: "invalid_client" });
    if (fields.get("refresh_token") !== "first") return answer(400, { error: "invalid_grant" });
    const tokens = { id_token: idToken(2100), refresh_token: "second" };
    answer(200, { access_token: "a", token_type: "bearer", ...tokens });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `https://localhost:${(server.address() as AddressInfo).port}/oidc`;
  return {
    url,
    ca: btoa(authority.pem),
    asked,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      authority[Symbol.dispose]();
    },
  };
}

for (const takesBasic of [true, false]) {
  const how = takesBasic ? "" : ", with the client's secret in the form";
  const test = (
    name: string,
    ask: (env: Record<string, string>) => Promise<{ message: string }>,
    ignore = false,
  ) =>
    Deno.test({
      name: `${name}: an id-token that has ended is renewed and kept${how}`,
      ignore,
      fn: async () => {
        await using issuer = await startIssuer({ takesBasic });
        api.requests.length = 0;
        const text = file(
          api.parts,
          user(
            `auth-provider: {name: oidc, config: {id-token: ${idToken(2001)}, client-id: kube, ` +
              `client-secret: s cret, refresh-token: first, idp-issuer-url: "${issuer.url}/", ` +
              `idp-certificate-authority-data: ${issuer.ca}}}`,
          ),
        );
        const env = { KUBECONFIG: await api.write([text]) };
        // The second finds what the first has kept: the issuer would not take `first` again.
        for (const _ of [1, 2]) {
          const { message } = await ask(env);
          assert.match(message, /not here/);
        }
        const bearer = `Bearer ${idToken(2100)}`;
        assert.deepEqual(api.requests.map(({ authorization }) => authorization), [bearer, bearer]);
        assert.equal(issuer.asked.filter((each) => each.startsWith("GET")).length, 1);
        const kept = await Deno.readTextFile(env.KUBECONFIG);
        assert.match(kept, /refresh-token: second/);
        assert(kept.includes(idToken(2100)) && !kept.includes(idToken(2001)), kept);
      },
    });
  test("openCluster", ask);
  test(
    "kubectl",
    async (env) => ({ message: (await askKubectl(env)).stderr }),
    KUBECTL === undefined,
  );
}
