/**
 * How the daemon asks the API server. A server that stands in for it, over real HTTPS, because the
 * real one cannot be told to be slow, to answer nonsense or to go away: `tests/e2e` asks the real
 * one.
 */
import assert from "node:assert/strict";
import { connectKubernetes, type KubernetesApi } from "../../../daemon/access/kubernetes_api.ts";
import { StatusError } from "../../../daemon/status_error.ts";
import { createAuthority } from "../../testing/certificates.ts";

const TOKEN = "the-daemons-token";
const C1 = "c1".repeat(32);
const ALICE = { user: "alice", uid: "1", groups: ["g"], extra: { scopes: ["x"] } };

interface StandIn {
  api: KubernetesApi;
  directory: string;
  requests: { method: string; url: URL; token: string | null; body: unknown }[];
}

/** Runs a test with an API server that answers everything with `answer`. */
async function withApi(
  answer: (request: Request) => Response | Promise<Response>,
  test: (standIn: StandIn) => Promise<void>,
  deadlinesMs = [1000, 1000],
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "necoperf-api-" });
  const authority = await createAuthority(directory, "ca");
  const { cert, key } = await authority.issue("localhost");
  await Deno.writeTextFile(`${directory}/token`, `${TOKEN}\n`);
  const requests: StandIn["requests"] = [];
  const decoder = new TextDecoder();
  const server = Deno.serve({
    ...{ hostname: "127.0.0.1", port: 0, cert: decoder.decode(cert), key: decoder.decode(key) },
    onListen: () => {},
    async handler(request) {
      const text = await request.text();
      requests.push({
        method: request.method,
        url: new URL(request.url),
        token: request.headers.get("authorization"),
        body: text && JSON.parse(text),
      });
      return answer(request);
    },
  });
  try {
    const api = connectKubernetes({
      server: `https://localhost:${server.addr.port}`,
      serviceAccountDir: directory,
      deadlinesMs,
    });
    await test({ api, directory, requests });
  } finally {
    await server.shutdown();
    await Deno.remove(directory, { recursive: true });
  }
}

/** The cause of an UNAVAILABLE, which is for the log. */
async function unavailable(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    assert.ok(error instanceof StatusError, `${error}`);
    assert.equal(error.status, "UNAVAILABLE");
    const cause = (error.cause as Error).message;
    for (const text of [error.message, cause]) {
      assert.ok(!text.includes(TOKEN) && !text.includes("callers-token"), text);
    }
    return cause;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

const review = (status: unknown) => () => Response.json({ status });

Deno.test("connectKubernetes: a token is good when the API server says so for the audience", async () => {
  const user = { username: "alice", uid: "1", groups: ["g"], extra: { scopes: ["x"] } };
  const good = { authenticated: true, audiences: ["other", "necoperf"], user };
  await withApi(review(good), async ({ api, requests }) => {
    assert.deepEqual(await api.reviewToken("callers-token", "necoperf"), ALICE);
    const [{ method, url, token, body }] = requests;
    assert.equal(`${method} ${url.pathname}`, "POST /apis/authentication.k8s.io/v1/tokenreviews");
    assert.equal(token, `Bearer ${TOKEN}`);
    assert.deepEqual((body as { spec: unknown }).spec, {
      token: "callers-token",
      audiences: ["necoperf"],
    });
  });
  for (
    const status of [
      undefined,
      { authenticated: false, error: "expired" },
      { user },
      // What answers without an audience has not looked at it.
      { authenticated: true, user },
      { authenticated: true, audiences: ["https://kubernetes"], user },
      { authenticated: "yes", audiences: ["necoperf"], user },
    ]
  ) {
    await withApi(review(status), async ({ api }) => {
      assert.equal(await api.reviewToken("callers-token", "necoperf"), undefined);
    });
  }
});

Deno.test("connectKubernetes: an access review carries all there is of the user, and no means no", async () => {
  const question = { resource: "profiles/kernel", namespace: "a", name: "p" } as const;
  await withApi(review({ allowed: true }), async ({ api, requests }) => {
    assert.equal(await api.reviewAccess(ALICE, question), true);
    assert.deepEqual((requests[0].body as { spec: unknown }).spec, {
      ...ALICE,
      resourceAttributes: {
        verb: "create",
        group: "necoperf.cybozu.io",
        resource: "profiles",
        subresource: "kernel",
        namespace: "a",
        name: "p",
      },
    });
  });
  for (const status of [undefined, {}, { allowed: false }, { allowed: true, denied: true }]) {
    await withApi(review(status), async ({ api }) => {
      assert.equal(await api.reviewAccess(ALICE, question), false);
    });
  }
});

Deno.test("podsOfNode: pods are those of the node, with their containers", async () => {
  const items = [{
    metadata: {
      ...{ name: "p", namespace: "a", uid: "u" },
    },
    status: { containerStatuses: [{ name: "app", containerID: `containerd://${C1}` }] },
  }, { metadata: { name: "q", namespace: "a", uid: "v" } }];
  await withApi(() => Response.json({ items }), async ({ api, requests }) => {
    assert.deepEqual(await api.podsOfNode("n&1"), [
      {
        namespace: "a",
        name: "p",
        uid: "u",
        containers: [{ id: C1, name: "app", running: false }],
      },
      { namespace: "a", name: "q", uid: "v", containers: [] },
    ]);
    const { searchParams } = requests[0].url;
    assert.equal(searchParams.get("fieldSelector"), "spec.nodeName=n&1");
    assert.equal(searchParams.get("resourceVersion"), "0");
  });
});

Deno.test("connectKubernetes: the daemon's token is read again for each request", async () => {
  await withApi(review({ allowed: true }), async ({ api, directory, requests }) => {
    const question = { resource: "profiles", namespace: "a", name: "p" } as const;
    await api.reviewAccess(ALICE, question);
    await Deno.writeTextFile(`${directory}/token`, "another");
    await api.reviewAccess(ALICE, question);
    assert.deepEqual(requests.map(({ token }) => token), [`Bearer ${TOKEN}`, "Bearer another"]);
    await Deno.remove(`${directory}/token`);
    assert.match(await unavailable(api.reviewAccess(ALICE, question)), /token/);
  });
});

Deno.test("connectKubernetes: whatever goes wrong is UNAVAILABLE, says why in the log, and holds no secret", async () => {
  const forbidden = { message: 'User "daemon" cannot create tokenreviews' };
  const cases: [RegExp, asked: number, () => Response | Promise<Response>][] = [
    [/403: ".*cannot create/, 1, () => Response.json(forbidden, { status: 403 })],
    [/401: /, 1, () => new Response("callers-token", { status: 401 })],
    [/500: .*; asked again, .* 500: /, 2, () => new Response("not JSON", { status: 500 })],
    [/429: /, 2, () => new Response("", { status: 429 })],
    [/is not a JSON object/, 1, () => new Response("<html>")],
    [/is not a JSON object/, 1, () => new Response("null")],
    [/is not a JSON object/, 1, () => new Response("7")],
    [/names no user/, 1, review({ authenticated: true, audiences: ["necoperf"] })],
    [/redirect/, 2, () => Response.redirect("https://localhost:1/elsewhere", 307)],
    [/no answer in 1 s; asked again, .*: no answer in 1 s$/, 2, slow],
  ];
  for (const [words, asked, answer] of cases) {
    await withApi(answer, async ({ api, requests }) => {
      assert.match(await unavailable(api.reviewToken("callers-token", "necoperf")), words);
      assert.equal(requests.length, asked);
    });
  }
  await withApi(() => Response.json({ items: "none" }), async ({ api }) => {
    assert.match(await unavailable(api.podsOfNode("n1")), /list of pods is none/);
  });
});

Deno.test("connectKubernetes: asks once more when no answer comes", async () => {
  const failures: [string, () => Response | Promise<Response>][] = [
    ["it is slow", slow],
    ["it is busy", () => new Response("", { status: 429, headers: { "retry-after": "1" } })],
    ["it starts", () => new Response("", { status: 503 })],
  ];
  for (const [what, fail] of failures) {
    let asked = 0;
    const answer = () => ++asked === 1 ? fail() : Response.json({ status: { allowed: true } });
    await withApi(answer, async ({ api, requests }) => {
      const question = { resource: "profiles", namespace: "a", name: "p" } as const;
      assert.equal(await api.reviewAccess(ALICE, question), true, what);
      assert.deepEqual(requests[1].body, requests[0].body);
    });
  }
});

/** An answer that comes after the deadline. */
function slow(): Promise<Response> {
  return new Promise((resolve) => setTimeout(() => resolve(Response.json({})), 1500));
}

Deno.test("connectKubernetes: after an outage it is asked again, and another authority is not believed", async () => {
  let down = true;
  const answer = () => down ? slow() : Response.json({ status: { allowed: true } });
  await withApi(answer, async ({ api, directory }) => {
    const question = { resource: "profiles", namespace: "a", name: "p" } as const;
    await unavailable(api.reviewAccess(ALICE, question));
    down = false;
    assert.equal(await api.reviewAccess(ALICE, question), true);
    const stranger = await createAuthority(directory, "stranger");
    await Deno.writeFile(`${directory}/ca.crt`, stranger.cert);
    assert.match(await unavailable(api.reviewAccess(ALICE, question)), /certificate|Issuer/i);
    await Deno.writeTextFile(`${directory}/ca.crt`, "no certificate");
    await unavailable(api.reviewAccess(ALICE, question));
  });
});

Deno.test("podsOfNode: pods that a tenant has made as large as can be keep nobody out", async () => {
  const pod = (name: string, annotation = "") => {
    const metadata = { name, namespace: "a", uid: name, annotations: { annotation } };
    const containerStatuses = [{ name: "main", containerID: `containerd://${C1}` }];
    return JSON.stringify({ metadata, status: { containerStatuses } });
  };
  const large = new TextEncoder().encode(`${pod("large", "x".repeat(1 << 20))},`);
  const encode = (text: string) => new TextEncoder().encode(text);
  function* list() {
    yield encode('{"kind":"PodList","items":[');
    for (let count = 0; count < 110; count++) yield large;
    yield encode(`${pod("small")}]}`);
  }
  const answer = () => new Response(ReadableStream.from(list()));
  await withApi(answer, async ({ api }) => {
    const before = Deno.memoryUsage().rss;
    const pods = await api.podsOfNode("node1");
    assert.equal(pods.length, 111);
    assert.deepEqual(pods.at(-1), {
      ...{ namespace: "a", name: "small", uid: "small" },
      containers: [{ id: C1, name: "main", running: false }],
    });
    console.log(`${Math.round((Deno.memoryUsage().rss - before) / 2 ** 20)} MB more`);
  }, [60_000]);
});
