/** Which of several service accounts may profile, asked of a real daemon. */
import assert from "node:assert/strict";
import { chooseServiceAccount } from "../../cli/client/daemon/choose_service_account.ts";
import {
  type DaemonCredentials,
  missingTokenHint,
  NO_CREDENTIALS,
} from "../../cli/client/daemon/daemon_credentials.ts";
import { readDaemonInfo } from "../../cli/client/daemon/daemon_info.ts";
import { CliError, ExitStatus } from "../../cli/errors.ts";
import { type AccessRules, startAccessApi } from "../testing/access_api.ts";
import { startDaemon } from "../testing/daemon.ts";

const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
const NAMES = ["necoperf-client", "aaa", "profiler", "zoe"];

/**
 * A daemon for which tokens are the names of accounts of `shop`, that may do what `rights` says.
 */
async function startShopDaemon(rights: string[]) {
  const user = (name: string) => `system:serviceaccount:shop:${name}`;
  const rules: AccessRules = {
    tokens: new Map(NAMES.map((name) => [name, user(name)])),
    rights: new Set(
      rights.map((right) => `${user(right.split(" ")[0])}${right.slice(right.indexOf(" "))}`),
    ),
    pods: [],
  };
  const api = await startAccessApi(rules);
  const daemon = await startDaemon({
    args: [
      ...["--auth", "kubernetes", "--kube-api", api.server, "--node-name", "n1"],
      ...["--container-lookup", "cgroup"],
    ],
    binds: { [SERVICE_ACCOUNT_DIR]: api.serviceAccountDir },
  });
  const requested: string[] = [];
  const tokenOf = (name: string) => () => {
    requested.push(name);
    return name === "aaa"
      ? Promise.reject(new CliError(ExitStatus.NOT_ALLOWED, "no"))
      : Promise.resolve(name);
  };
  return {
    requested,
    choose(names: string[], address = daemon.address): Promise<DaemonCredentials> {
      const candidates = { namespace: "shop", names, tokenOf };
      const access = { ...NO_CREDENTIALS, candidates };
      const { signal } = new AbortController();
      return chooseServiceAccount({ endpoint: { address }, name: "the daemon", access, signal });
    },
    infoOf(name: string, podNamespace?: string) {
      const access = { ...NO_CREDENTIALS, token: () => Promise.resolve(name) };
      const { signal } = new AbortController();
      const endpoint = { address: daemon.address };
      return readDaemonInfo({ endpoint, name: "the daemon", access, podNamespace, signal });
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

Deno.test("chooseServiceAccount: takes the first that the daemon lets profile", async () => {
  await using daemon = await startShopDaemon([
    "profiler may create profiles in shop",
    "zoe may create profiles in shop",
    // Of another namespace.
    "necoperf-client may create profiles in other",
  ]);
  const access = await daemon.choose(NAMES);
  assert.deepEqual(access.foundServiceAccount, { namespace: "shop", name: "profiler" });
  assert.equal(await access.token?.(), "profiler");
  assert.equal(access.candidates, undefined);
  // Of the one there is no token to be had, and of the last none is needed.
  assert.deepEqual(daemon.requested.slice(0, 3), ["necoperf-client", "aaa", "profiler"]);
  assert.ok(!daemon.requested.includes("zoe"));
});

Deno.test("chooseServiceAccount: says that none may profile, but for necoperf-client", async () => {
  await using daemon = await startShopDaemon([]);
  const access = await daemon.choose(["aaa", "profiler", "zoe"]);
  assert.equal(access.token, undefined);
  assert.match(
    missingTokenHint(access)!,
    /none may profile \(profiler, zoe\)\. .*necoperf\.cybozu\.io/,
  );
  const usual = await daemon.choose(NAMES);
  assert.equal(usual.foundServiceAccount?.name, "necoperf-client");
});

Deno.test("chooseServiceAccount: keeps why a daemon could not be asked", async () => {
  await using daemon = await startShopDaemon([]);
  // A port of this machine on which nobody listens.
  const access = await daemon.choose(NAMES, "127.0.0.1:1");
  assert.equal(access.token, undefined);
  assert.match(missingTokenHint(access)!, /which service account may profile .*could not be asked/);
});

Deno.test("GetDaemonInfo: says what a caller may profile of a namespace, when it is asked", async () => {
  await using daemon = await startShopDaemon([
    "zoe may create profiles in shop",
    "profiler may create profiles in shop",
    "profiler may create profiles/kernel in shop",
    // Without the user's side it is of no use.
    "necoperf-client may create profiles/kernel in shop",
  ]);
  const rightsOf = async (name: string, namespace?: string) =>
    (await daemon.infoOf(name, namespace)).info.rights;
  assert.deepEqual(await rightsOf("zoe", "shop"), { profiles: true, profilesKernel: false });
  assert.deepEqual(await rightsOf("profiler", "shop"), { profiles: true, profilesKernel: true });
  assert.deepEqual(await rightsOf("necoperf-client", "shop"), {
    profiles: false,
    profilesKernel: false,
  });
  assert.deepEqual(await rightsOf("zoe", "other"), { profiles: false, profilesKernel: false });
  assert.equal(await rightsOf("zoe"), null);
  for (const namespace of ["*", "a/b", "A", "-a", "a".repeat(64), "a\n"]) {
    await assert.rejects(rightsOf("zoe", namespace), {
      exitStatus: ExitStatus.USAGE,
      message: /is not a namespace/,
    });
  }
});
