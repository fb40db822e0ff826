import assert from "node:assert/strict";
import { createAuthenticator } from "../../../daemon/access/authenticator.ts";
import type { Caller, ClientCertificate, Credentials } from "../../../daemon/caller.ts";
import { StatusError } from "../../../daemon/status_error.ts";

const ALICE: Caller = { user: "alice", uid: "1", groups: ["g"], extra: {} };

/** An API server that knows one token, and takes note of what it is asked. */
function create(maxCached?: number) {
  let now = 0;
  const good = new Set(["good"]);
  const asked: string[] = [];
  const authenticator = createAuthenticator({
    reviewToken(token, audience) {
      assert.equal(audience, "necoperf");
      asked.push(token);
      return Promise.resolve(good.has(token) ? ALICE : undefined);
    },
  }, { audience: "necoperf", now: () => now, maxCached });
  return {
    asked,
    authenticate: (...authorization: string[]) => authenticator.authenticate({ authorization }),
    authenticator,
    good,
    isRevoked: (...authorization: string[]) => authenticator.isRevoked({ authorization }),
    pass: (seconds: number) => now += seconds * 1000,
  };
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    assert.ok(error instanceof StatusError, `${error}`);
    assert.equal(error.status, "UNAUTHENTICATED");
    return error.message;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

function jwt(claims: unknown): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode(claims)}.c2ln`;
}

Deno.test("createAuthenticator: a good token is asked about once in ten seconds, a bad one once in two", async () => {
  const { asked, authenticate, pass } = create();
  assert.equal(await authenticate("Bearer good"), ALICE);
  pass(9);
  assert.equal(await authenticate("bearer  good"), ALICE);
  assert.equal(asked.length, 1);
  pass(2);
  await authenticate("Bearer good");
  assert.equal(asked.length, 2);
  await refusal(authenticate("Bearer bad"));
  pass(1);
  await refusal(authenticate("Bearer bad"));
  assert.equal(asked.length, 3);
  pass(1);
  await refusal(authenticate("Bearer bad"));
  assert.equal(asked.length, 4);
});

Deno.test("createAuthenticator: what cannot be a token is refused without asking, and never repeated", async () => {
  const { asked, authenticate } = create();
  const secret = "s3cr3t";
  for (
    const header of [
      "",
      secret,
      `Basic ${secret}`,
      "Bearer",
      "Bearer ",
      `Bearer ${secret} ${secret}`,
      `Bearer ${secret}\n`,
      `Bearer ${secret}\0`,
      `Bearer\t${secret}`,
      `Bearer ${secret},Bearer x`,
      `Bearer ${secret}é`,
      `Bearer ${secret}=x`,
      `Bearer ${"x".repeat(16 << 10)}`,
      ` Bearer ${secret}`,
    ]
  ) {
    const words = await refusal(authenticate(header));
    assert.ok(!words.includes(secret) && words.length < 300, words);
  }
  await refusal(authenticate("Bearer good", "Bearer good"));
  assert.deepEqual(asked, []);
});

Deno.test("createAuthenticator: a refusal says what to do", async () => {
  const { authenticate } = create();
  assert.match(await refusal(authenticate()), /no token .*audience "necoperf".*--token-file/);
  const past = Date.now() / 1000 - 60;
  assert.match(
    await refusal(authenticate(`Bearer ${jwt({ aud: ["https://api"], exp: past })}`)),
    /for the audience "https:\/\/api" and not for "necoperf"/,
  );
  assert.match(
    await refusal(authenticate(`Bearer ${jwt({ aud: ["necoperf"], exp: past })}`)),
    /has expired/,
  );
  for (
    const claims of [{ aud: ["necoperf"] }, null, 7, "text", { exp: "never", aud: [] }, { aud: {} }]
  ) {
    const words = await refusal(authenticate(`Bearer ${jwt(claims)}`));
    assert.match(words, /does not accept the token|is for the audience/);
  }
  const wild = await refusal(authenticate(`Bearer ${jwt({ aud: ["\u001b[31m".repeat(500)] })}`));
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(wild, /[\u0000-\u001f]/);
  assert.ok(wild.length < 1000);
});

Deno.test("createAuthenticator: a flood of bad tokens takes a bounded place", async () => {
  const { asked, authenticate } = create(10);
  await authenticate("Bearer good");
  for (let each = 0; each < 100; each++) await refusal(authenticate(`Bearer bad${each}`));
  await authenticate("Bearer good");
  assert.equal(asked.filter((token) => token === "good").length, 2);
});

Deno.test("createAuthenticator: a client certificate is a user and groups; a token counts more", async () => {
  const { authenticator } = create();
  const tomorrow = new Date(Date.now() + 86_400_000);
  const from = (subject: ClientCertificate["subject"], rest: Partial<Credentials> = {}) =>
    authenticator.authenticate({
      authorization: [],
      certificate: { subject, validUntil: tomorrow },
      ...rest,
    });
  assert.deepEqual(await from({ CN: "bob", O: ["a", "b"] }), {
    user: "bob",
    uid: "",
    groups: ["a", "b", "system:authenticated"],
    extra: {},
  });
  assert.deepEqual((await from({ CN: "bob" })).groups, ["system:authenticated"]);
  assert.equal(await from({ CN: "bob" }, { authorization: ["Bearer good"] }), ALICE);
  await refusal(from({ CN: "bob" }, { authorization: ["Bearer bad"] }));
  for (
    const subject of [{}, { CN: "" }, { CN: ["a", "b"] }, { CN: "zoÃ«" }, { CN: "a", O: "\n" }]
  ) {
    assert.match(await refusal(from(subject as ClientCertificate["subject"])), /must have one CN/);
  }
  const certificate = { subject: { CN: "bob" }, validUntil: new Date(Date.now() - 1000) };
  assert.match(await refusal(from({}, { certificate })), /has expired: connect again/);
});

Deno.test("isRevoked: a token that is not good any more was revoked, ten seconds later at the latest", async () => {
  const { good, authenticate, isRevoked, pass } = create();
  const future = jwt({ exp: Date.now() / 1000 + 600 });
  for (const token of ["opaque", future]) {
    good.add(token);
    await authenticate(`Bearer ${token}`);
    assert.equal(await isRevoked(`Bearer ${token}`), false);
    good.delete(token);
    pass(10);
    assert.equal(await isRevoked(`Bearer ${token}`), true);
  }
});

Deno.test("isRevoked: a token that has expired meanwhile was not taken back", async () => {
  const { good, authenticate, isRevoked, pass } = create();
  const token = jwt({ exp: Date.now() / 1000 - 1 });
  good.add(token);
  await authenticate(`Bearer ${token}`);
  good.delete(token);
  pass(10);
  assert.equal(await isRevoked(`Bearer ${token}`), false);
});

Deno.test("isRevoked: a client certificate is not revoked, and nobody is asked about it", async () => {
  const { authenticator, asked } = create();
  const certificate = { subject: { CN: "alice" }, validUntil: new Date(0) };
  assert.equal(await authenticator.isRevoked({ authorization: [], certificate }), false);
  assert.deepEqual(asked, []);
});
