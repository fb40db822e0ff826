/**
 * Daemons that are reached through the API server's port-forward. The API server and the daemon are
 * stand-ins: to cut a tunnel at a chosen byte, and to refuse one, is not for a real one.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type {
  DaemonCredentials,
  TlsConnection,
} from "../../../../cli/client/daemon/daemon_credentials.ts";
import type { Via } from "../../../../cli/client/daemon/daemon_endpoint.ts";
import { recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import { findTarget, type Target } from "../../../../cli/client/targets/target.ts";
import { ExitStatus } from "../../../../cli/errors.ts";
import { type ForwardProxies, startForwardProxies } from "../../../testing/forward_proxies.ts";
import { startRelay } from "../../../testing/relay.ts";
import { createAuthority } from "../../authority.ts";
import { rejectsWith } from "../../rejects_with.ts";
import {
  daemonPod,
  runningPod,
  type StandInApiOptions,
  startStandInApi,
} from "../../stand_in_api.ts";
import {
  type FetchCall,
  type StandInDaemon,
  startStandInDaemon,
  writeFinished,
  writeStart,
} from "../../stand_in_daemon.ts";

const NAME = "necoperf-daemon.necoperf.svc";
const TOKEN = "t0ken";
const RESULT = randomBytes(2_000_000);
const PACKED = gzipSync(RESULT);

const authority = await createAuthority("right");
Deno.test.afterAll(() => authority[Symbol.dispose]());
const { cert, key } = await authority.sign({ name: NAME });

const ENCRYPTED: DaemonCredentials = {
  token: () => Promise.resolve(TOKEN),
  connection: { kind: "tls", authoritiesPem: authority.pem, serverName: NAME },
};

function startDaemon(fetches: FetchCall[] = []): Promise<StandInDaemon> {
  return startStandInDaemon({
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    fetch: (call) => {
      fetches.push(call);
      for (let at = call.request.offset; at < PACKED.length; at += 20_000) {
        call.write({ data: PACKED.subarray(at, at + 20_000) });
      }
      call.end();
    },
  }, { tls: { cert, key } });
}

/** An address of loopback at which nobody listens. */
const NOBODY = "127.9.9.9";

/** Finds a target whose daemon is at `podIP`, and by port-forward at `forward`. */
async function find(
  { via, forward, podIP = NOBODY, port = 9, failures, server, api: options }: {
    via: Via;
    forward: string;
    podIP?: string;
    port?: number;
    failures?: Record<string, number>;
    /** Gives the address that is asked instead of the API server's. */
    server?: (address: string) => string;
    api?: StandInApiOptions;
  },
  use: (target: Target, requests: URL[]) => Promise<unknown>,
): Promise<void> {
  await using api = await startStandInApi({
    pods: [runningPod("web", "node1"), daemonPod("node1", podIP, port)],
    forwards: { "daemon-node1": forward },
    failures,
  }, options);
  if (server) {
    const config = await Deno.readTextFile(api.kubeconfig);
    const changed = config.replace(/127\.0\.0\.1:\d+/, server);
    await Deno.writeTextFile(api.kubeconfig, changed);
  }
  const target = await findTarget({
    kubeconfig: api.kubeconfig,
    namespace: "shop",
    pod: "web",
    via,
  });
  await use({ ...target, access: ENCRYPTED }, api.requests);
}

async function record(target: Target, access = target.access): Promise<void> {
  const hash = createHash("sha256");
  await recordContainer({ ...target, access, durationSeconds: 1, options: {} }, {
    write: (bytes) => Promise.resolve(void hash.update(bytes)),
  });
  assert.equal(hash.digest("hex"), createHash("sha256").update(RESULT).digest("hex"));
}

const isForward = ({ pathname }: URL) => pathname.endsWith("/portforward");

Deno.test("recordContainer: a daemon is reached through the API server, with TLS and the token inside", async () => {
  for (const via of ["port-forward", "auto"] as const) {
    await using daemon = await startDaemon();
    await find({ via, forward: daemon.address }, async (target, requests) => {
      await record(target);
      const asked = requests.filter(isForward).map(({ pathname, search }) => pathname + search);
      assert.deepEqual(asked, [
        "/api/v1/namespaces/necoperf/pods/daemon-node1/portforward?ports=9",
      ]);
    });
    assert.equal(daemon.authorizations[0].authorization, `Bearer ${TOKEN}`);
  }
});

Deno.test("recordContainer: a daemon that answers at its address is not reached through the API server", async () => {
  await using daemon = await startDaemon();
  const [podIP, port] = daemon.address.split(":");
  for (const via of ["direct", "auto"] as const) {
    const place = { podIP, port: Number(port) };
    await find({ via, forward: `${NOBODY}:9`, ...place }, async (target, requests) => {
      await record(target);
      assert.deepEqual(requests.filter(isForward), []);
    });
  }
  await find(
    { via: "direct", forward: daemon.address },
    (target) => rejectsWith(record(target), ExitStatus.UNREACHABLE, /cannot reach/),
  );
});

Deno.test("recordContainer: who may not use port-forward is told the rule", async () => {
  await using daemon = await startDaemon();
  const rule =
    /Role in namespace necoperf .*\{apiGroups: \[""\], resources: \[pods\/portforward\], verbs: \[get, create\]\}/;
  for (const via of ["port-forward", "auto"] as const) {
    await find(
      { via, forward: daemon.address, failures: { portforward: 403 } },
      (target) =>
        rejectsWith(
          record(target),
          via === "auto" ? ExitStatus.UNREACHABLE : ExitStatus.NOT_ALLOWED,
          rule,
        ),
    );
  }
});

Deno.test("recordContainer: no token goes through the API server without TLS", async () => {
  await using daemon = await startDaemon();
  const plain: DaemonCredentials = {
    token: () => Promise.resolve(TOKEN),
    connection: { kind: "plain", because: "this is a test" },
  };
  await find({ via: "port-forward", forward: daemon.address }, async (target, requests) => {
    await rejectsWith(record(target, plain), ExitStatus.NOT_ALLOWED, /the token was not sent/);
    assert.deepEqual(requests.filter(isForward), []);
  });
});

Deno.test("recordContainer: a pod that does not listen is told in the words that came", async () => {
  await find({ via: "port-forward", forward: `${NOBODY}:9` }, (target) =>
    rejectsWith(
      record(target),
      ExitStatus.UNREACHABLE,
      /through the API server: error forwarding port: .*REFUSED/,
    ));
});

Deno.test("fetchRecording: a tunnel that is cut is made again, and the download goes on", async () => {
  const fetches: FetchCall[] = [];
  await using daemon = await startDaemon(fetches);
  let isCut = false;
  let relay: ReturnType<typeof startRelay> | undefined;
  const server = (address: string) => {
    relay = startRelay(address, {
      onBytes: (total) => {
        if (isCut || total < 1_000_000) return;
        isCut = true;
        relay!.cut();
      },
    });
    return relay.address;
  };
  try {
    await find({ via: "port-forward", forward: daemon.address, server }, async (target) => {
      await record(target);
    });
    assert.equal(isCut, true);
    assert.equal(fetches.length, 2);
    assert.ok(fetches[1].request.offset > 0, `${fetches[1].request.offset}`);
  } finally {
    relay?.[Symbol.dispose]();
  }
});

const API_NAME = "api.example";
const apiCertificate = await authority.sign({ name: API_NAME });

/** An API server with TLS. */
const SECURE = {
  tls: { cert: apiCertificate.cert, key: apiCertificate.key },
  cluster: {
    "certificate-authority-data": btoa(authority.pem),
    "tls-server-name": API_NAME,
  },
};

for (const kind of ["http", "https", "socks5"] as const) {
  for (const means of ["proxy-url", "HTTPS_PROXY"] as const) {
    Deno.test(`recordContainer: a tunnel goes through the ${kind} proxy that ${means} names`, async () => {
      await using daemon = await startDaemon();
      let proxies: ForwardProxies | undefined;
      // Nobody knows that name but the proxy; of loopback no proxy is asked that the environment
      // names.
      const cluster = {
        "certificate-authority-data": btoa(authority.pem),
        server: `https://${API_NAME}:6443`,
      };
      const proxyCertificate = await authority.sign({ name: "localhost" });
      await using api = await startStandInApi({
        pods: [runningPod("web", "node1"), daemonPod("node1", NOBODY, 9)],
        forwards: { "daemon-node1": daemon.address },
      }, { ...SECURE, cluster });
      const before = Deno.env.get("HTTPS_PROXY");
      try {
        proxies = await startForwardProxies(Number(api.address.split(":")[1]), proxyCertificate);
        const url = proxies.urls[kind].replace("127.0.0.1", "localhost")
          .replace("://", "://ann:s3cret@");
        if (means === "HTTPS_PROXY") Deno.env.set("HTTPS_PROXY", url);
        else {
          const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
          config.clusters[0].cluster["proxy-url"] = url;
          await Deno.writeTextFile(api.kubeconfig, JSON.stringify(config));
        }
        const place = { kubeconfig: api.kubeconfig, namespace: "shop", pod: "web" };
        const target = await findTarget({ ...place, via: "port-forward" });
        const asked = proxies.proxied.length;
        assert.ok(asked > 0);
        await record({ ...target, access: ENCRYPTED });
        assert.equal(api.requests.filter(isForward).length, 1);
        assert.equal(proxies.proxied.length, asked + 1);
        const who = kind === "socks5" ? "ann:s3cret" : `Basic ${btoa("ann:s3cret")}`;
        const what = kind === "socks5" ? "" : " CONNECT";
        assert.deepEqual(
          new Set(proxies.proxied),
          new Set([`${kind}${what} ${API_NAME}:6443 ${who}`]),
        );
      } finally {
        if (before === undefined) Deno.env.delete("HTTPS_PROXY");
        else Deno.env.set("HTTPS_PROXY", before);
        await proxies?.[Symbol.asyncDispose]();
      }
    });
  }
}

type Forwarded = Parameters<NonNullable<StandInApiOptions["onForward"]>>[0];

/** Records through a tunnel that is asked for as `user`; gives what the API server saw. */
async function recordAs(
  user: Record<string, unknown>,
  cluster: Record<string, unknown> = SECURE.cluster,
): Promise<Forwarded[]> {
  const seen: Forwarded[] = [];
  await using daemon = await startDaemon();
  const tls = { ...SECURE.tls, ca: authority.pem, requestCert: true, rejectUnauthorized: false };
  const api = { tls, cluster, user, onForward: (request: Forwarded) => void seen.push(request) };
  await find({ via: "port-forward", forward: daemon.address, api }, (target) => record(target));
  return seen;
}

Deno.test("recordContainer: a tunnel is asked for with a client certificate", async () => {
  const { cert, key } = await authority.sign({ name: "ann" });
  const user = { "client-certificate-data": btoa(cert), "client-key-data": btoa(key) };
  const [{ certificateName, headers }] = await recordAs(user);
  assert.equal(certificateName, "ann");
  assert.equal(headers.authorization, undefined);
});

Deno.test("recordContainer: a tunnel is asked for with a credential plug-in's token", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const credential = JSON.stringify({
      kind: "ExecCredential",
      apiVersion: "client.authentication.k8s.io/v1",
      status: { token: "plugged" },
    });
    const command = `${directory}/plugin`;
    await Deno.writeTextFile(command, `#!/bin/sh\necho '${credential}'\n`, { mode: 0o755 });
    const apiVersion = "client.authentication.k8s.io/v1";
    const [{ headers }] = await recordAs({
      exec: { apiVersion, command, interactiveMode: "Never" },
    });
    assert.equal(headers.authorization, "Bearer plugged");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("recordContainer: a tunnel is asked for as somebody else, of all the groups", async () => {
  const user = { token: "t", as: "bob", "as-groups": ["dev", "ops"] };
  const [{ headers }] = await recordAs(user);
  assert.equal(headers["impersonate-user"], "bob");
  assert.equal(headers["impersonate-group"], "dev, ops");
});

Deno.test("recordContainer: a tunnel checks the API server's certificate, unless told otherwise", async () => {
  const insecure = { "insecure-skip-tls-verify": true };
  assert.equal((await recordAs({}, insecure)).length, 1);
  await assert.rejects(
    recordAs({}, { "tls-server-name": API_NAME }),
    /cannot reach the API server/,
  );
});

Deno.test("recordContainer: a daemon's TLS is checked through the tunnel as at its address", async () => {
  const [{ cert: clientPem, key: clientKeyPem }, other] = [
    await authority.sign({ name: "client" }),
    await createAuthority("other"),
  ];
  try {
    await using daemon = await startStandInDaemon({
      start: (call) => {
        writeStart(call);
        writeFinished(call, RESULT);
      },
      fetch: (call) => {
        call.write({ data: PACKED });
        call.end();
      },
    }, { tls: { cert, key, ca: authority.pem, requestCert: true, rejectUnauthorized: true } });
    const connection = ENCRYPTED.connection as TlsConnection;
    const clientCertificate = { certificatePem: clientPem, keyPem: clientKeyPem };
    const withConnection = (more: Partial<TlsConnection>): DaemonCredentials => ({
      ...ENCRYPTED,
      connection: { ...connection, clientCertificate, ...more },
    });
    const setting = { via: "port-forward", forward: daemon.address } as const;
    await find(setting, (target) => record(target, withConnection({})));
    const failures: [Partial<TlsConnection>, RegExp][] = [
      [{ authoritiesPem: other.pem }, /its certificate is from another authority/],
      [{ serverName: "elsewhere" }, /its certificate is for another name than elsewhere/],
      [{ clientCertificate: undefined }, /client certificate/],
    ];
    for (const [more, message] of failures) {
      await find(
        setting,
        (target) =>
          rejectsWith(record(target, withConnection(more)), ExitStatus.UNREACHABLE, message),
      );
    }
    assert.equal(
      daemon.authorizations.filter(({ method }) => method === "StartRecording").length,
      1,
    );
  } finally {
    other[Symbol.dispose]();
  }
});
