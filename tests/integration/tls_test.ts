/**
 * The real daemon's listener, encrypted and not, with certificates that openssl made, and with
 * peers that mean no good.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { FrameHeaders } from "../../daemon/service/http2/frames.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import type { NecoPerfClient } from "../../proto/gen/necoperf/NecoPerf.ts";
import { createAuthority, type TestCertificate } from "../testing/certificates.ts";
import { startDaemon, type TestDaemon } from "../testing/daemon.ts";
import {
  CONFIG_DIR,
  encryptedTo,
  SERVER_NAME,
  startEncrypted,
  withAuthority,
} from "../testing/encrypted_daemon.ts";
import * as h2 from "../testing/http2_frames.ts";
import { eventually, run } from "../testing/process.ts";
import { buildTargets, BUSY_FUNCTION } from "../testing/targets.ts";

const targets = await buildTargets();

const CALL_DEADLINE_MS = 20_000;
const CONNECTION_DEADLINE_MS = 60_000;

/** Connects by TLS, as a client that trusts the authority. */
function connectClient(
  daemon: TestDaemon,
  authority: TestCertificate,
  certificate?: TestCertificate,
): NecoPerfClient & Disposable {
  const { credentials, clientOptions } = encryptedTo(authority, certificate);
  // Clients share connections otherwise, and with them what was agreed when they were made.
  const options = { ...clientOptions, "grpc.use_local_subchannel_pool": 1 };
  const client = new (loadNecoPerf().NecoPerf)(daemon.address, credentials, options);
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** What a call that touches nothing ends with: NOT_FOUND when it is served. */
function ask(client: NecoPerfClient, recordingId = "none"): Promise<grpc.ServiceError> {
  const deadline = Date.now() + CALL_DEADLINE_MS;
  return new Promise((resolve, reject) =>
    client.StopRecording(
      { recordingId },
      { deadline },
      (error) =>
        error ? resolve(error) : reject(new Error("a recording that there is not was stopped")),
    )
  );
}

async function assertServed(client: NecoPerfClient): Promise<void> {
  const { code, details } = await ask(client);
  assert.equal(code, grpc.status.NOT_FOUND, details);
}

/** An honest call from beginning to end. */
async function assertRecords(client: NecoPerfClient): Promise<void> {
  await using target = run(targets.spin);
  const text = await new Promise<string>((resolve, reject) =>
    client.Record(
      { containerId: `${target.pid}`, interval: 1 },
      (error, response) => error ? reject(error) : resolve(response!.data.toString()),
    )
  );
  assert.ok(text.includes(BUSY_FUNCTION));
}

async function metric(daemon: TestDaemon, name: string): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

function openSocket(daemon: TestDaemon): Promise<Socket> {
  const [host, port] = daemon.address.split(":");
  const socket = connect(Number(port), host);
  socket.on("error", () => {});
  return once(socket, "connect").then(() => socket);
}

/** Starts a TLS connection that offers one protocol. */
function openTlsSocket(
  daemon: TestDaemon,
  { cert }: TestCertificate,
  protocol: "h2" | "http/1.1",
): TLSSocket {
  const [host, port] = daemon.address.split(":");
  return connectTls({
    ...{ host, port: Number(port), ca: Buffer.from(cert), servername: SERVER_NAME },
    ALPNProtocols: [protocol],
  });
}

/** Resolves when a connection has ended, in whatever way. */
function ended(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Error("the daemon has not ended the connection")),
    CONNECTION_DEADLINE_MS,
  );
  socket.once("close", () => resolve());
  return promise.finally(() => clearTimeout(timer));
}

/** Sends bytes and resolves with what came back when the daemon has ended the connection. */
async function exchange(daemon: TestDaemon, bytes: Uint8Array | string): Promise<Buffer> {
  return await exchangeOn(await openSocket(daemon), bytes);
}

async function exchangeOn(socket: Socket, bytes: Uint8Array | string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  const closed = ended(socket);
  socket.write(bytes);
  await closed;
  return Buffer.concat(chunks);
}

/** The types of the frames in what a peer has sent. */
function frameTypes(sent: Uint8Array): number[] {
  const types: number[] = [];
  new FrameHeaders(({ type }) => types.push(type)).add(sent);
  return types;
}

/**
 * What ends a connection before it was one: an alert of TLS, or frames of HTTP/2 that are no
 * answer.
 */
function assertNoAnswer(sent: Uint8Array, isEncrypted: boolean): void {
  if (isEncrypted) {
    assert.ok(sent.length === 0 || sent[0] === TLS_ALERT, `${sent}`);
    return;
  }
  for (const type of frameTypes(sent)) {
    assert.ok([h2.SETTINGS, h2.WINDOW_UPDATE, h2.GOAWAY].includes(type), `a frame of type ${type}`);
  }
}

/** The type of a record that says why a connection ends (RFC 8446, section 5.1). */
const TLS_ALERT = 21;
const CLIENT_HELLO = new Uint8Array([22, 3, 1, 0, 5, 1, 0, 0, 1, 3]);
const HTTP1 = "GET /necoperf.NecoPerf/Record HTTP/1.1\r\nHost: necoperf\r\n\r\n";

Deno.test("TLS: with a certificate calls are encrypted, and a metric shows when it expires", async () => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using daemon = await startEncrypted(directory, "server");
    using client = connectClient(daemon, authority);
    await assertRecords(client);
    const expiry = await metric(daemon, "necoperf_tls_certificate_expiry_seconds");
    const days = (expiry - Date.now() / 1000) / 86400;
    assert.ok(days > 29 && days <= 30, `${days} days`);
    assert.equal(await metric(daemon, "necoperf_auth_disabled"), 1);
    assert.ok(daemon.log.some(({ message }) => String(message).startsWith("--auth=none: ")));
  });
});

Deno.test("TLS: a client refuses a certificate that expired, has another name or authority", async () => {
  await withAuthority(async (authority, directory) => {
    const stranger = await createAuthority(directory, "stranger");
    await authority.issue("expired", { dnsName: SERVER_NAME, expired: true });
    await authority.issue("renamed", { dnsName: "another-daemon" });
    await stranger.issue("strange", { dnsName: SERVER_NAME });
    for (const name of ["expired", "renamed", "strange"]) {
      await using daemon = await startEncrypted(directory, name);
      using client = connectClient(daemon, authority);
      const { code } = await ask(client);
      assert.equal(code, grpc.status.UNAVAILABLE, name);
    }
  });
});

Deno.test("TLS: files that do not fit together keep the daemon from starting", async () => {
  await withAuthority(async (authority, directory) => {
    const server = await authority.issue("server", { dnsName: SERVER_NAME });
    const other = await authority.issue("other");
    const broken: [string, Uint8Array, Uint8Array, RegExp][] = [
      ["mixed", server.cert, other.key, /mixed\.key is not the key of the certificate/],
      ["swapped", server.key, server.cert, /swapped\.crt holds no certificate/],
      ["cut", server.cert.slice(0, 300), server.key, /cut\.crt holds no certificate/],
      ["keyless", server.cert, new Uint8Array(100), /keyless\.key holds no private key/],
    ];
    for (const [name, cert, key, words] of broken) {
      await Deno.writeFile(`${directory}/${name}.crt`, cert);
      await Deno.writeFile(`${directory}/${name}.key`, key);
      await assert.rejects(startEncrypted(directory, name), words);
    }
  });
});

Deno.test("client certificates: a good one is a caller, a bad one is refused", async () => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    const stranger = await createAuthority(directory, "stranger");
    const good = await authority.issue("alice");
    const bad = [
      await stranger.issue("mallory"),
      await authority.issue("late", { expired: true }),
    ];
    await using daemon = await startEncrypted(directory, "server", {
      args: [
        // No API server is asked who the holder of a certificate is.
        ...["--auth", "kubernetes", "--kube-api", "https://127.0.0.1:1"],
        ...["--container-lookup", "cri", "--client-ca-file", `${CONFIG_DIR}/authority.crt`],
      ],
    });
    using honest = connectClient(daemon, authority, good);
    await assertServed(honest);
    const line = await daemon.logged(({ method }) => method === "StopRecording");
    assert.equal(line.user, "alice");
    using nobody = connectClient(daemon, authority);
    assert.equal((await ask(nobody)).code, grpc.status.UNAUTHENTICATED);
    for (const certificate of bad) {
      using client = connectClient(daemon, authority, certificate);
      assert.equal((await ask(client)).code, grpc.status.UNAVAILABLE);
    }
    const refused = 'necoperf_connections_refused_total{reason="client-certificate"}';
    assert.ok(await metric(daemon, refused) >= bad.length);
    await assertServed(honest);
  });
});

Deno.test("TLS: a peer that speaks something else is sent away, and the next is served", async () => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using encrypted = await startEncrypted(directory, "server");
    await using plain = await startDaemon({ args: ["--container-lookup", "pid"] });
    for (const bytes of [HTTP1, new Uint8Array(100_000), CLIENT_HELLO]) {
      assertNoAnswer(await exchange(plain, bytes), false);
    }
    for (const bytes of [HTTP1, new Uint8Array(100_000), h2.PREFACE]) {
      assertNoAnswer(await exchange(encrypted, bytes), true);
    }
    using toEncrypted = connectClient(encrypted, authority);
    using toPlain = connectClient(plain, authority);
    const [host, port] = encrypted.address.split(":");
    using inPlainText = Object.assign(
      new (loadNecoPerf().NecoPerf)(`${host}:${port}`, grpc.credentials.createInsecure()),
      { [Symbol.dispose]: () => inPlainText.close() },
    );
    assert.equal((await ask(inPlainText)).code, grpc.status.UNAVAILABLE);
    assert.equal((await ask(toPlain)).code, grpc.status.UNAVAILABLE);
    // HTTP/1 inside TLS.
    const http1 = openTlsSocket(encrypted, authority, "http/1.1");
    http1.on("error", () => {});
    await ended(http1);
    await assertRecords(toEncrypted);
    await assertRecords(plain.client);
  });
});

Deno.test("TLS: a connection that the daemon ends gets the reason", async () => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using encrypted = await startEncrypted(directory, "server");
    await using plain = await startDaemon({ args: ["--container-lookup", "pid"] });
    for (const daemon of [encrypted, plain]) {
      const socket = daemon === plain
        ? await openSocket(plain)
        : openTlsSocket(encrypted, authority, "h2");
      const sent = await exchangeOn(socket, HTTP1);
      assert.equal(frameTypes(sent).at(-1), h2.GOAWAY);
      assert.match(`${sent}`, /the connection does not start with the preface of HTTP\/2$/);
    }
  });
});

Deno.test("TLS: a message above the limit is refused, and the next call is served", async () => {
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  const { code } = await ask(daemon.client, "x".repeat(1 << 20));
  assert.equal(code, grpc.status.RESOURCE_EXHAUSTED);
  await assertServed(daemon.client);
});

Deno.test("TLS: a thousand connections that say nothing take no place and leave nothing", async (t) => {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    for (const tls of [true, false]) {
      await t.step(tls ? "encrypted" : "in plain text", async () => {
        const args = ["--container-lookup", "pid", "--max-connections", "100"];
        await using daemon = tls
          ? await startEncrypted(directory, "server", { args })
          : await startDaemon({ args });
        using encrypted = connectClient(daemon, authority);
        const client = tls ? encrypted : daemon.client;
        await assertServed(client);
        const countFiles = () => [...Deno.readDirSync(`/proc/${daemon.pid}/fd`)].length;
        const filesBefore = countFiles();
        const memoryBefore = await metric(daemon, "process_resident_memory_bytes");

        // A recording that is under way keeps its connection.
        await using target = run(targets.spin);
        const request = { containerId: `${target.pid}`, duration: { seconds: 60, nanos: 0 } };
        const call = client.StartRecording(request);
        let failure: unknown;
        call.on("error", (error) => failure = error);
        await once(call, "data");
        const closed: Promise<unknown>[] = [];
        for (let batch = 0; batch < 20; batch++) {
          const sockets = await Promise.all(Array.from({ length: 50 }, () => openSocket(daemon)));
          for (const socket of sockets) {
            socket.resume();
            closed.push(ended(socket));
          }
        }
        // Not all of a thousand, and long before any has been silent for too long.
        await eventually(
          () => assert.ok(countFiles() < filesBefore + 150, `${countFiles()} files`),
          5,
        );
        assert.equal(failure, undefined);
        using late = connectClient(daemon, authority);
        if (tls) await assertServed(late);
        // All are sent away, whether there is a lack of places or not.
        await eventually(() => assert.ok(countFiles() <= filesBefore + 20), 40);
        await Promise.all(closed);
        await once(call, "data");
        call.cancel();
        await eventually(() => assert.notEqual(failure, undefined));
        const memory = await metric(daemon, "process_resident_memory_bytes");
        const grown = (memory - memoryBefore) / 1e6;
        assert.ok(grown < 80, `${grown} MB more than before`);
        await assertRecords(client);
      });
    }
  });
});

Deno.test("TLS: a certificate that is replaced on disk is used; one that does not fit is not", async () => {
  await withAuthority(async (authority, directory) => {
    const [first, second] = [
      await authority.issue("first", { dnsName: SERVER_NAME }),
      await authority.issue("second", { dnsName: SERVER_NAME }),
    ];
    /** As the kubelet does it: a directory for each version, and a link that is replaced. */
    const publish = async (version: string, cert: Uint8Array, key: Uint8Array) => {
      await Deno.mkdir(`${directory}/${version}`);
      await Deno.writeFile(`${directory}/${version}/tls.crt`, cert);
      await Deno.writeFile(`${directory}/${version}/tls.key`, key);
      await Deno.symlink(version, `${directory}/..new`);
      await Deno.rename(`${directory}/..new`, `${directory}/..data`);
    };
    await publish("v1", first.cert, first.key);
    for (const name of ["tls.crt", "tls.key"]) {
      await Deno.symlink(`..data/${name}`, `${directory}/${name}`);
    }
    await using daemon = await startEncrypted(directory, "tls");
    const subject = async () => {
      const socket = openTlsSocket(daemon, authority, "h2");
      try {
        await once(socket, "secureConnect", { signal: AbortSignal.timeout(CALL_DEADLINE_MS) });
        return socket.getPeerCertificate().subject.CN;
      } finally {
        socket.destroy();
      }
    };
    using before = connectClient(daemon, authority);
    await assertServed(before);
    assert.equal(await subject(), "first");
    await publish("v2", second.cert, first.key);
    await daemon.logged(({ message }) => String(message).startsWith("the TLS files cannot be"));
    assert.equal(await subject(), "first");
    await publish("v3", second.cert, second.key);
    await daemon.logged(({ message }) => message === "TLS certificate replaced");
    assert.equal(await subject(), "second");
    using after = connectClient(daemon, authority);
    await assertServed(after);
    // Those that were connected are not sent away.
    await assertServed(before);
  });
});
