import assert from "node:assert/strict";
import { join } from "node:path";
import { tokenFromFile, tokenOnRequest } from "../../../../cli/client/daemon/bearer_token.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { makeJwt } from "../../tokens.ts";

/** A token file that is gone when the test ends. */
function tokenFile(content?: string | Uint8Array<ArrayBuffer>) {
  const directory = Deno.makeTempDirSync({ prefix: "necoperf-token-" });
  const path = join(directory, "token");
  if (typeof content === "string") Deno.writeTextFileSync(path, content);
  else if (content) Deno.writeFileSync(path, content);
  return { path, [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }) };
}

async function refuses(path: string, exitStatus: ExitStatus, words: RegExp, secret = "s3cret") {
  await assert.rejects(tokenFromFile(path)(), (error) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, exitStatus, error.message);
    assert(error.message.includes(path), error.message);
    assert.match(error.message, words);
    assert(!Deno.inspect(error).includes(secret), "the token is told");
    return true;
  });
}

Deno.test("tokenFromFile: a token file holds one token, with or without a line's end", async () => {
  for (const content of ["t0ken", "t0ken\n", "t0ken\r\n", " t0ken "]) {
    using file = tokenFile(content);
    assert.equal(await tokenFromFile(file.path)(), "t0ken");
  }
});

Deno.test("tokenFromFile: a token file is read anew for each call", async () => {
  using file = tokenFile("first");
  const source = tokenFromFile(file.path);
  assert.equal(await source(), "first");
  Deno.writeTextFileSync(file.path, "second");
  assert.equal(await source(), "second");
});

for (
  const [what, content, words] of [
    ["nothing", "", /is empty/],
    ["white space only", " \n\n", /is empty/],
    ["two lines", "s3cret\ns3cret2", /one token/],
    ["a space", "s3cret s3cret2", /one token/],
    ["a tab", "s3cret\ts3cret2", /one token/],
    ["a NUL", "s3cret\0", /one token/],
    ["an escape character", "s3cret\x1b[31m", /one token/],
    ["letters outside ASCII", "s3crèt", /one token/],
    ["too much", "s3cret".padEnd(8193, "x"), /larger than 8192 bytes/],
  ] as const
) {
  Deno.test(`tokenFromFile: refuses a token file with ${what}, and does not tell what is in it`, async () => {
    using file = tokenFile(content);
    await refuses(file.path, ExitStatus.USAGE, words);
  });
}

Deno.test("tokenFromFile: refuses a token file that is not text", async () => {
  using file = tokenFile(new Uint8Array([0xff, 0xfe, 0x80, 0x41]));
  await refuses(file.path, ExitStatus.USAGE, /one token/);
});

Deno.test("tokenFromFile: refuses a token file that does not exist, and one that is not a regular file", async () => {
  using file = tokenFile();
  await refuses(file.path, ExitStatus.USAGE, /there is no such file/);
  await refuses(join(file.path, ".."), ExitStatus.USAGE, /not a regular file/);
});

Deno.test("tokenFromFile: does not wait for a writer of a named pipe", async () => {
  using file = tokenFile();
  assert((await new Deno.Command("mkfifo", { args: [file.path] }).output()).success);
  await refuses(file.path, ExitStatus.USAGE, /not a regular file/);
});

Deno.test("tokenFromFile: takes a token for the audience necoperf, also among others", async () => {
  for (const aud of ["necoperf", ["other", "necoperf"]]) {
    const token = makeJwt({ aud, sub: "system:serviceaccount:shop:profiler" });
    using file = tokenFile(token);
    assert.equal(await tokenFromFile(file.path)(), token);
  }
});

Deno.test("tokenFromFile: refuses a token that is for the API server or anybody else", async () => {
  const claims = [
    { aud: ["https://kubernetes.default.svc.cluster.local"] },
    { aud: "necoperf2" },
    { aud: [] },
    // The kind that Kubernetes keeps in Secrets.
    { iss: "kubernetes/serviceaccount", sub: "system:serviceaccount:shop:default" },
  ];
  for (const each of claims) {
    const token = makeJwt(each);
    using file = tokenFile(token);
    await refuses(file.path, ExitStatus.NOT_ALLOWED, /not for the audience 'necoperf'/, token);
  }
});

Deno.test("tokenFromFile: leaves tokens that tell nothing to the daemon", async () => {
  for (const token of ["a.b.c", "a.b", "a.e30x.c", `a.${btoa("null")}.c`.replaceAll("=", "")]) {
    using file = tokenFile(token);
    assert.equal(await tokenFromFile(file.path)(), token);
  }
});

Deno.test("tokenOnRequest: a requested token is used for most of its lifetime, then replaced", async () => {
  let nowMs = 5000;
  let requests = 0;
  const source = tokenOnRequest(() => {
    // A slow answer: the lifetime counts from the question.
    nowMs += 1000;
    return Promise.resolve({ token: `token${++requests}`, lifetimeSeconds: 600 });
  }, { now: () => nowMs });
  assert.equal(requests, 0, "asked for before it is needed");
  assert.equal(await source(), "token1");
  nowMs = 5000 + 479_999;
  assert.equal(await source(), "token1");
  nowMs = 5000 + 480_000;
  assert.equal(await source(), "token2");
  assert.equal(await source(), "token2");
});

Deno.test("tokenOnRequest: callers at the same time have one token made", async () => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  let requests = 0;
  const source = tokenOnRequest(async () => {
    requests++;
    await go;
    return { token: `token${requests}`, lifetimeSeconds: 600 };
  });
  const tokens = Promise.all([source(), source(), source()]);
  resolve();
  assert.deepEqual(await tokens, ["token1", "token1", "token1"]);
});

Deno.test("tokenOnRequest: a request that fails is not remembered", async () => {
  const answers = [
    () => Promise.reject(new Error("down")),
    () => Promise.resolve({ token: "t0ken", lifetimeSeconds: 600 }),
  ];
  const source = tokenOnRequest(() => answers.shift()!());
  await assert.rejects(source(), /down/);
  assert.equal(await source(), "t0ken");
});

Deno.test("tokenOnRequest: refuses a requested token that cannot be sent, without telling it", async () => {
  const source = tokenOnRequest(() =>
    Promise.resolve({ token: "s3cret\r\nx: y", lifetimeSeconds: 600 })
  );
  await assert.rejects(source(), (error) => {
    assert(error instanceof CliError);
    assert(!Deno.inspect(error).includes("s3cret"));
    return true;
  });
});
