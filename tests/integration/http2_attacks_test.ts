/** The real daemon under attack by peers that have no token, and what others notice of it. */
import assert from "node:assert/strict";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import { startEncrypted, withAuthority } from "../testing/encrypted_daemon.ts";
import * as h2 from "../testing/http2_frames.ts";
import { ATTACKS, startAttack } from "../testing/http2_attack.ts";

/** `HTTP2_ATTACK_SECONDS` asks for more in a longer run. */
const SECONDS = Number(Deno.env.get("HTTP2_ATTACK_SECONDS") ?? 1);
const MAX_RESIDENT_MB = 160;
/** On an idle machine an answer takes less than 2 s; this is for one that has much else to do. */
const DEADLINE_MS = 60_000;
const LARGE_TOKEN = "t".repeat(16 * 1024);

/** A call on a connection of its own, by a caller with a large token. */
function ask(
  address: string,
  credentials = grpc.credentials.createInsecure(),
  clientOptions: grpc.ChannelOptions = {},
): Promise<void> {
  const client = new (loadNecoPerf().NecoPerf)(address, credentials, {
    ...clientOptions,
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${LARGE_TOKEN}`);
  const deadline = Date.now() + DEADLINE_MS;
  return new Promise<void>((resolve, reject) =>
    client.GetDaemonInfo({}, metadata, { deadline }, (error) => error ? reject(error) : resolve())
  ).finally(() => client.close());
}

async function peakResidentMb({ pid }: TestDaemon): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

/** Attacks for a while; how long the slowest answer to others took. */
async function underAttack(
  daemon: TestDaemon,
  attack: string,
  askOthers: () => Promise<void>,
  { seconds = SECONDS, ...options }: { seconds?: number; connections?: number; caFile?: string } =
    {},
): Promise<number> {
  let slowestMs = 0;
  await using _attack = startAttack(daemon.address, attack, options);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const startedAt = performance.now();
    await askOthers();
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return slowestMs;
}

Deno.test("daemon: no attack takes much memory, or keeps others from being served", async (t) => {
  // Its memory is not given back from one to the next.
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  for (const attack of Object.keys(ATTACKS)) {
    await t.step(attack, async () => {
      const slowestMs = await underAttack(daemon, attack, () => ask(daemon.address));
      const peakMb = await peakResidentMb(daemon);
      console.log(`${Math.round(peakMb)} MB, slowest answer ${Math.round(slowestMs)} ms`);
      assert.ok(peakMb < MAX_RESIDENT_MB, `${peakMb} MB`);
      await ask(daemon.address);
    });
  }
});

/**
 * Those that differ behind TLS, which reads and decrypts before the guard; why their connections
 * end.
 */
const ATTACKS_BEHIND_TLS = {
  "references to a large field": "header-list",
  "settings of many values": "flood",
  "data after questions that nobody reads the answers of": "flood",
};

Deno.test("daemon: no attack takes much memory behind TLS, either", async (t) => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: "localhost" });
    const credentials = grpc.credentials.createSsl(Buffer.from(authority.cert));
    const options = { "grpc.ssl_target_name_override": "localhost" };
    for (const [attack, reason] of Object.entries(ATTACKS_BEHIND_TLS)) {
      await t.step(attack, async () => {
        await using daemon = await startEncrypted(directory, "server");
        const askOthers = () => ask(daemon.address, credentials, options);
        // One of them starts after a second, and fills memory as fast as the network gives.
        const seconds = Math.max(SECONDS, 5);
        const slowestMs = await underAttack(daemon, attack, askOthers, {
          seconds,
          caFile: authority.certFile,
          // What comes fills memory, not what connections take.
          connections: 4,
        });
        const peakMb = await peakResidentMb(daemon);
        console.log(`${Math.round(peakMb)} MB, slowest answer ${Math.round(slowestMs)} ms`);
        assert.ok(peakMb < MAX_RESIDENT_MB, `${peakMb} MB`);
        const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
        assert.match(
          metrics,
          new RegExp(`^necoperf_connections_refused_total{reason="${reason}"} `, "m"),
        );
      });
    }
  });
});

/** A connection on which something comes that is not TLS; resolves when it has ended. */
async function sendGarbage(address: string, garbage: Uint8Array): Promise<void> {
  const [hostname, port] = address.split(":");
  using connection = await Deno.connect({ hostname, port: Number(port) });
  try {
    for (let at = 0; at < garbage.length;) at += await connection.write(garbage.subarray(at));
    while (await connection.read(new Uint8Array(1024)) !== null);
  } catch {
    // It was ended before all had been sent.
  }
}

Deno.test("daemon: handshakes that fail leave nothing in memory", async () => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: "localhost" });
    await using daemon = await startEncrypted(directory, "server");
    const junk = new Uint8Array(60_000).fill(0x78);
    // A record of 16 KB, and the header of a message that fills it.
    const hello = h2.concat([22, 3, 1, 64, 0, 1, 0, 63, 252], junk);
    for (let count = 0; count < 2000; count += 20) {
      await Promise.all(
        Array.from({ length: 10 }, () => [junk, hello]).flat()
          .map((bytes) => sendGarbage(daemon.address, bytes)),
      );
    }
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
    assert.match(metrics, /^necoperf_connections_refused_total\{reason="tls"\} 2000$/m);
    const peakMb = await peakResidentMb(daemon);
    assert.ok(peakMb < MAX_RESIDENT_MB, `${peakMb} MB`);
  });
});
