/**
 * Daemons that are reached through the API server's port-forward. The API server and the daemon are
 * stand-ins: to cut a tunnel at a chosen byte, and to refuse one, is not for a real one.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { DaemonCredentials } from "../../../../cli/client/daemon/daemon_credentials.ts";
import type { Via } from "../../../../cli/client/daemon/daemon_endpoint.ts";
import { recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import { findTarget, type Target } from "../../../../cli/client/targets/target.ts";
import { ExitStatus } from "../../../../cli/errors.ts";
import { startRelay } from "../../../testing/relay.ts";
import { createAuthority } from "../../authority.ts";
import { rejectsWith } from "../../rejects_with.ts";
import { daemonPod, runningPod, startStandInApi } from "../../stand_in_api.ts";
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
  { via, forward, podIP = NOBODY, port = 9, failures, server }: {
    via: Via;
    forward: string;
    podIP?: string;
    port?: number;
    failures?: Record<string, number>;
    /** Gives the address that is asked instead of the API server's. */
    server?: (address: string) => string;
  },
  use: (target: Target, requests: URL[]) => Promise<unknown>,
): Promise<void> {
  await using api = await startStandInApi({
    pods: [runningPod("web", "node1"), daemonPod("node1", podIP, port)],
    forwards: { "daemon-node1": forward },
    failures,
  });
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
