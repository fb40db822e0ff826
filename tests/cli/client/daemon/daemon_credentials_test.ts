import assert from "node:assert/strict";
import { join } from "node:path";
import type { IssuedToken } from "../../../../cli/client/cluster/kubernetes.ts";
import {
  type AccessOptions,
  completeAccess,
  missingTokenHint,
  readAccessFiles,
  refuseToExposeToken,
} from "../../../../cli/client/daemon/daemon_credentials.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { createAuthority } from "../../authority.ts";

const authority = await createAuthority("right");
const otherAuthority = await createAuthority("other");
Deno.test.afterAll(() => {
  authority[Symbol.dispose]();
  otherAuthority[Symbol.dispose]();
});
const mine = await authority.sign({ name: "tenant" });
const another = await authority.sign({ name: "tenant" });

/** A directory with files, gone when the test ends. */
function directoryOf(files: Record<string, string>) {
  const path = Deno.makeTempDirSync({ prefix: "necoperf-access-" });
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(path, name), text);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** A cluster's answers. What the API server answers in fact is told in kubernetes.ts. */
function clusterWith(configMap: { text: string } | { missing: string }) {
  const asked: unknown[] = [];
  return {
    asked,
    part: {
      targetNamespace: "shop",
      cluster: {
        readConfigMapKey: (...names: string[]) => {
          asked.push(names);
          return Promise.resolve(configMap);
        },
        requestToken: (namespace: string, name: string, spec: unknown): Promise<IssuedToken> => {
          asked.push([namespace, name, spec]);
          return Promise.resolve({ token: "requested", lifetimeSeconds: 600 });
        },
        mayServiceAccountAccess: () => Promise.resolve(undefined),
        readTokenRights: () => Promise.resolve({ any: false, names: [] }),
        listServiceAccounts: () => Promise.resolve(undefined),
      },
    },
  };
}

const MISSING = { missing: "there is no ConfigMap perf/necoperf-ca" };

async function open(
  options: AccessOptions,
  secretsDirectory: string,
  part?: ReturnType<typeof clusterWith>["part"],
) {
  return await completeAccess(
    await readAccessFiles(options, secretsDirectory),
    options,
    "perf",
    part,
  );
}

function refusal(exitStatus: ExitStatus, words: RegExp) {
  return (error: unknown) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, exitStatus, error.message);
    assert.match(error.message, words);
    return true;
  };
}

Deno.test("completeAccess: a token: the file that is named, the pod's, a requested one, none", async () => {
  using named = directoryOf({ token: "named" });
  using pod = directoryOf({ token: "projected" });
  using empty = directoryOf({});
  const { part, asked } = clusterWith(MISSING);
  const tokenOf = async (options: AccessOptions, secrets: { path: string }) =>
    await (await open(options, secrets.path, part)).token?.();

  const tokenFile = join(named.path, "token");
  const serviceAccount = "profiler";
  assert.equal(await tokenOf({ tokenFile, serviceAccount }, pod), "named");
  assert.equal(await tokenOf({ serviceAccount }, pod), "projected");
  // Over plain text.
  assert.equal(await tokenOf({}, empty), undefined);
  assert(!asked.some((names) => (names as string[])[0] === "shop"));
  assert.equal(await tokenOf({ serviceAccount }, empty), "requested");
  assert.deepEqual(asked.at(-1), [
    "shop",
    "profiler",
    { audience: "necoperf", lifetimeSeconds: 600 },
  ]);
});

Deno.test("completeAccess: a token is requested only when it is needed", async () => {
  using empty = directoryOf({});
  const { part, asked } = clusterWith(MISSING);
  await open({ serviceAccount: "profiler" }, empty.path, part);
  assert.deepEqual(asked, [["perf", "necoperf-ca", "ca.crt"]]);
});

Deno.test("completeAccess: finds a service account by itself where its token may be sent", async () => {
  using empty = directoryOf({});
  const { part, asked } = clusterWith({ text: authority.pem });
  const access = await open({}, empty.path, part);
  assert.deepEqual(access.foundServiceAccount, { namespace: "shop", name: "necoperf-client" });
  const spec = { audience: "necoperf", lifetimeSeconds: 600 };
  assert.deepEqual(asked.slice(1), [["shop", "necoperf-client", spec]]);
  assert.equal(await access.token?.(), "requested");
  assert.equal(asked.length, 2, "the token that was found with the account is not used");
  assert.equal(missingTokenHint(access), undefined);
});

Deno.test("completeAccess: looks for no service account where something else says who calls", async () => {
  using empty = directoryOf({});
  using pod = directoryOf({ token: "projected" });
  const { certificateFile: clientCertificateFile, keyFile: clientKeyFile } = mine;
  for (
    const [options, { path }] of [
      [{ serviceAccount: "profiler" }, empty],
      [{ clientCertificateFile, clientKeyFile }, empty],
      [{}, pod],
    ] as const
  ) {
    const { part, asked } = clusterWith({ text: authority.pem });
    const access = await open(options, path, part);
    assert.equal(access.foundServiceAccount, undefined);
    assert.deepEqual(asked, [["perf", "necoperf-ca", "ca.crt"]]);
  }
});

Deno.test("completeAccess: has no token made for plain text unless a flag says so", async () => {
  using empty = directoryOf({});
  const { part, asked } = clusterWith(MISSING);
  const access = await open({}, empty.path, part);
  assert.equal(access.token, undefined);
  assert.equal(asked.length, 1);
  assert.match(
    missingTokenHint(access)!,
    /^no token was sent: the connection .* not encrypted, because .*no ConfigMap perf\/necoperf-ca/,
  );
  const insecure = await open({ insecureSendToken: true }, empty.path, part);
  assert.equal(await insecure.token?.(), "requested");
});

Deno.test("missingTokenHint: says why no service account was found", async () => {
  using empty = directoryOf({});
  const { part } = clusterWith({ text: authority.pem });
  part.cluster.requestToken = () => Promise.reject(new CliError(ExitStatus.NOT_ALLOWED, "no"));
  const access = await open({}, empty.path, part);
  assert.equal(access.token, undefined);
  assert.match(
    missingTokenHint(access)!,
    /you may not request .*serviceaccounts\/token.*\n.*--token-file/s,
  );
  assert.match(missingTokenHint(await open({}, empty.path))!, /--token-file.*--service-account/);
});

Deno.test("completeAccess: an authority: the file that is named, the pod's, the ConfigMap's, none", async () => {
  using pod = directoryOf({ "ca.crt": otherAuthority.pem });
  using empty = directoryOf({});
  const inConfigMap = clusterWith({ text: authority.pem });
  const caOf = async (
    options: AccessOptions,
    secrets: { path: string },
    part = inConfigMap.part,
  ) => {
    const { connection } = await open(options, secrets.path, part);
    return connection.kind === "tls" ? connection.authoritiesPem : undefined;
  };
  assert.equal(await caOf({ caFile: authority.file }, pod), authority.pem);
  assert.equal(await caOf({}, pod), otherAuthority.pem);
  const read = inConfigMap.asked.filter((names) => (names as string[])[0] === "perf");
  assert.deepEqual(read, [], "the ConfigMap is read though a file is there");
  assert.equal(await caOf({}, empty), authority.pem);
  assert.equal(await caOf({}, empty, clusterWith(MISSING).part), undefined);
});

Deno.test("completeAccess: a ConfigMap without a certificate does not lead to plain text", async () => {
  using empty = directoryOf({});
  for (const text of ["", "not PEM", mine.key]) {
    await assert.rejects(
      open({}, empty.path, clusterWith({ text }).part),
      refusal(ExitStatus.UNREACHABLE, /ConfigMap perf\/necoperf-ca holds no PEM certificate/),
    );
  }
});

Deno.test("completeAccess: the server's name is that of the daemons' Service unless another is given", async () => {
  using empty = directoryOf({});
  const nameOf = async (options: AccessOptions) => {
    const { connection } = await open({ caFile: authority.file, ...options }, empty.path);
    return connection.kind === "tls" && connection.serverName;
  };
  assert.equal(await nameOf({}), "necoperf-daemon.perf.svc");
  assert.equal(await nameOf({ tlsServerName: "perf.example" }), "perf.example");
});

Deno.test("readAccessFiles: refuses files that are of no use, and names them", async () => {
  using files = directoryOf({ text: "not PEM", token: "a b" });
  const at = (name: string) => join(files.path, name);
  const { certificateFile, keyFile } = mine;
  const cases: [AccessOptions, RegExp][] = [
    [{ tokenFile: at("gone") }, /the token file .*gone: there is no such file/],
    [{ caFile: at("gone") }, /the CA file .*gone: there is no such file/],
    [{ caFile: at("text") }, /the CA file .*text: it holds no PEM certificate/],
    [{ caFile: keyFile }, /it holds no PEM certificate/],
    [{ clientCertificateFile: certificateFile }, /go together/],
    [{ clientKeyFile: keyFile }, /go together/],
    [
      { clientCertificateFile: at("text"), clientKeyFile: keyFile },
      /client certificate .*text: it holds no PEM certificate/,
    ],
    [
      { clientCertificateFile: certificateFile, clientKeyFile: certificateFile },
      /private key .*: it holds no PEM private key/,
    ],
    [
      { clientCertificateFile: certificateFile, clientKeyFile: another.keyFile },
      /private key .*: it is not the key of the certificate/,
    ],
  ];
  for (const [options, words] of cases) {
    await assert.rejects(readAccessFiles(options, "/nowhere"), refusal(ExitStatus.USAGE, words));
  }
  // A file in its usual place counts as much as one that is named.
  await assert.rejects(readAccessFiles({}, files.path), refusal(ExitStatus.USAGE, /one token/));
});

Deno.test("completeAccess: TLS that is asked for is not given up for want of an authority", async () => {
  using empty = directoryOf({});
  const { certificateFile: clientCertificateFile, keyFile: clientKeyFile } = mine;
  for (
    const options of [{ tlsServerName: "perf.example" }, { clientCertificateFile, clientKeyFile }]
  ) {
    await assert.rejects(
      open(options, empty.path, clusterWith(MISSING).part),
      refusal(ExitStatus.USAGE, /TLS was asked for, but .*no ConfigMap perf\/necoperf-ca/),
    );
  }
});

Deno.test("refuseToExposeToken: a token goes over plain text to loopback only, or when a flag says so", async () => {
  using files = directoryOf({ token: "t0ken" });
  const { part } = clusterWith(MISSING);
  const access = await open({}, files.path, part);
  assert.throws(
    () => refuseToExposeToken(access, "10.0.0.7:6543"),
    refusal(
      ExitStatus.NOT_ALLOWED,
      /token was not sent: .*10\.0\.0\.7:6543.*--ca-file.*no ConfigMap perf\/necoperf-ca\n--insecure/,
    ),
  );
  refuseToExposeToken(access, "127.0.0.1:6543");
  refuseToExposeToken(await open({ insecureSendToken: true }, files.path, part), "10.0.0.7:6543");
  refuseToExposeToken(await open({ caFile: authority.file }, files.path, part), "10.0.0.7:6543");
  refuseToExposeToken({ ...access, token: undefined }, "10.0.0.7:6543");
});
