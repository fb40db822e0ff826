import assert from "node:assert/strict";
import { findServiceAccount } from "../../../../cli/client/daemon/find_service_account.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";

/** What a cluster says of a namespace; `tests/e2e/person_test.ts` asks a real one. */
interface Namespace {
  /** Accounts that there are. */
  accounts?: string[];
  /** Accounts that may profile. */
  profilers?: string[];
  /** Whether the caller may ask that. */
  mayAsk?: boolean;
  /** Accounts that the caller may request tokens of. */
  tokens?: string[] | "any";
  /** Whether the caller may list accounts. */
  mayList?: boolean;
}

function clusterOf(
  { accounts = [], profilers = [], mayAsk = true, tokens = "any", mayList = true }: Namespace,
) {
  const requested: string[] = [];
  const reviewed: string[] = [];
  const find = async () => {
    const found = await findServiceAccount(
      {
        mayServiceAccountAccess(access, name) {
          assert.deepEqual(access, {
            verb: "create",
            group: "necoperf.cybozu.io",
            resource: "profiles",
            namespace: "shop",
          });
          reviewed.push(name);
          return Promise.resolve(mayAsk ? profilers.includes(name) : undefined);
        },
        readTokenRights: () =>
          Promise.resolve({ any: tokens === "any", names: tokens === "any" ? [] : tokens }),
        listServiceAccounts: (_namespace, limit) =>
          Promise.resolve(mayList ? accounts.toSorted().slice(0, limit) : undefined),
      },
      "shop",
      (name) => {
        requested.push(name);
        const mayRequest = tokens === "any" || tokens.includes(name);
        return mayRequest && accounts.includes(name)
          ? Promise.resolve({ token: `token of ${name}`, lifetimeSeconds: 600 })
          : Promise.reject(new CliError(ExitStatus.NOT_ALLOWED, "no"));
      },
    );
    return found;
  };
  return { find, requested, reviewed };
}

async function nameIn(namespace: Namespace): Promise<string> {
  const found = await clusterOf(namespace).find();
  if ("missing" in found) return found.missing;
  if ("candidates" in found) return found.candidates.join();
  assert.equal(found.issued.token, `token of ${found.name}`);
  return found.name;
}

Deno.test("findServiceAccount: takes necoperf-client where it may profile, and looks at no other", async () => {
  const accounts = ["aaa", "default", "necoperf-client"];
  const { find, requested, reviewed } = clusterOf({ accounts, profilers: accounts });
  assert.deepEqual(await find(), {
    name: "necoperf-client",
    issued: { token: "token of necoperf-client", lifetimeSeconds: 600 },
  });
  assert.deepEqual([requested, reviewed], [["necoperf-client"], ["necoperf-client"]]);
});

Deno.test("findServiceAccount: takes the first by its name that may profile", async () => {
  const accounts = ["zoe", "default", "profiler", "bob", "necoperf-client"];
  const profilers = ["zoe", "profiler"];
  const { find, requested } = clusterOf({ accounts, profilers });
  const found = await find();
  assert.equal("name" in found && found.name, "profiler");
  // No token of an account that is of no use.
  assert.deepEqual(requested, ["necoperf-client", "profiler"]);
  assert.equal(await nameIn({ accounts, profilers, tokens: ["zoe", "bob"] }), "zoe");
  // A rule can name accounts that are not there.
  assert.equal(await nameIn({ accounts: ["zoe"], profilers, tokens: ["profiler", "zoe"] }), "zoe");
});

Deno.test("findServiceAccount: leaves to the daemon what the caller may not ask", async () => {
  const mayAsk = false;
  assert.equal(await nameIn({ accounts: ["necoperf-client"], mayAsk }), "necoperf-client");
  assert.equal(await nameIn({ accounts: ["default"], mayAsk }), "default");
  assert.equal(await nameIn({ accounts: ["a", "b"], tokens: ["b"], mayAsk }), "b");
  const { find, requested } = clusterOf({ accounts: ["b", "a", "default"], mayAsk });
  assert.deepEqual(await find(), { candidates: ["a", "b", "default"], usual: undefined });
  assert.deepEqual(requested, ["necoperf-client"]);
  const withUsual = await clusterOf({ accounts: ["a", "necoperf-client"], mayAsk }).find();
  assert.deepEqual(withUsual, {
    candidates: ["necoperf-client", "a"],
    usual: { token: "token of necoperf-client", lifetimeSeconds: 600 },
  });
});

Deno.test("findServiceAccount: takes necoperf-client for want of one that may profile", async () => {
  // It may be allowed some pods by their names; if not, the daemon names the rule and the account.
  assert.equal(await nameIn({ accounts: ["a", "necoperf-client"] }), "necoperf-client");
});

Deno.test("findServiceAccount: says what is missing, and the rule", async () => {
  const cases: [Namespace, RegExp][] = [
    [
      { accounts: ["necoperf-client"], tokens: [] },
      /^you may not request .* bound to you.*: \{apiGroups: \[""\], resources: \[serviceaccounts\/token\], resourceNames: \[necoperf-client\], verbs: \[create\]\}$/,
    ],
    [
      { accounts: ["a", "b"] },
      /none may profile \(a, b\)\. .*: \{apiGroups: \[necoperf\.cybozu\.io\], resources: \[profiles\], verbs: \[create\]\}$/,
    ],
    [
      { accounts: ["a"], mayList: false },
      /^you may not request .* necoperf-client .*you may not list .*--service-account NAME\. .*\[create\]\}$/,
    ],
    [{ accounts: ["a"], profilers: ["b"], tokens: ["b"] }, /^you may not request /],
  ];
  for (const [namespace, words] of cases) assert.match(await nameIn(namespace), words);
});

Deno.test("findServiceAccount: looks at 32 accounts at most", async () => {
  const accounts = Array.from({ length: 100 }, (_, at) => `a${1000 + at}`);
  const { find, reviewed } = clusterOf({ accounts, profilers: ["a1099"], tokens: accounts });
  assert("missing" in await find());
  assert.equal(reviewed.length, 1 + 32);
});

Deno.test("findServiceAccount: asks for none by a name that no account has", async () => {
  const names = ["../../../apis", "a\u001b[2J", "", "A"];
  const { find, requested, reviewed } = clusterOf({ tokens: names, profilers: names });
  const found = await find();
  assert("missing" in found && !found.missing.includes("\u001b"));
  assert.deepEqual([requested, reviewed], [["necoperf-client"], ["necoperf-client"]]);
});

Deno.test("findServiceAccount: a failure is why there is no token, and not one of the command", async () => {
  const fails = (exitStatus: ExitStatus) => () =>
    Promise.reject(new CliError(exitStatus, "HTTP 500"));
  const request = () => Promise.resolve({ token: "t", lifetimeSeconds: 600 });
  const cluster = (exitStatus: ExitStatus) => ({
    mayServiceAccountAccess: fails(exitStatus),
    readTokenRights: fails(exitStatus),
    listServiceAccounts: fails(exitStatus),
  });
  const { UNREACHABLE, NOT_ALLOWED, INTERRUPTED } = ExitStatus;
  // It is not known whether it may profile: the daemon knows.
  assert("name" in await findServiceAccount(cluster(UNREACHABLE), "shop", request));
  assert.deepEqual(
    await findServiceAccount(cluster(UNREACHABLE), "shop", fails(NOT_ALLOWED)),
    { missing: "no service account was found to request a token of: HTTP 500" },
  );
  await assert.rejects(findServiceAccount(cluster(INTERRUPTED), "shop", request), {
    exitStatus: INTERRUPTED,
  });
});
