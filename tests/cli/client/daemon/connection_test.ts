/** How the client connects and what it sends, seen by a server that it really connects to. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import type { TlsOptions } from "node:tls";
import { recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import type {
  DaemonCredentials,
  TlsConnection,
} from "../../../../cli/client/daemon/daemon_credentials.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { grpc } from "../../../../proto/grpc.ts";
import { createAuthority } from "../../authority.ts";
import {
  type StandInHandlers,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../../stand_in_daemon.ts";

const NAME = "necoperf-daemon.perf.svc";
const TOKEN = "t0ken-that-nobody-may-see";
const RESULT = new TextEncoder().encode("spin 42 cpu-clock: necoperf_busy_loop\n");

const authority = await createAuthority("right");
const otherAuthority = await createAuthority("other");
Deno.test.afterAll(() => {
  authority[Symbol.dispose]();
  otherAuthority[Symbol.dispose]();
});
const right = await authority.sign({ name: NAME });
const tenant = await authority.sign({ name: "tenant" });

const HANDLERS: StandInHandlers = {
  start: (call) => {
    writeStart(call);
    writeFinished(call, RESULT);
  },
  fetch: (call) => writeResult(call, RESULT),
};

const PLAIN: DaemonCredentials = {
  token: () => Promise.resolve(TOKEN),
  connection: { kind: "plain", because: "this is a test" },
};

function encrypted(changes: Partial<TlsConnection> = {}): DaemonCredentials {
  return {
    token: () => Promise.resolve(TOKEN),
    connection: {
      kind: "tls",
      authoritiesPem: authority.pem,
      serverName: NAME,
      ...changes,
    },
  };
}

function record(
  address: string,
  access: DaemonCredentials | undefined,
  hooks: Partial<Parameters<typeof recordContainer>[1]> = {},
) {
  return recordContainer({
    endpoint: { address },
    containerId: "c0ffee",
    durationSeconds: 1,
    options: {},
    access,
  }, { write: () => Promise.resolve(), ...hooks });
}

function failsWith(recording: Promise<unknown>, exitStatus: ExitStatus, words: RegExp) {
  return assert.rejects(recording, (error) => {
    assert(error instanceof CliError, String(error));
    assert.equal(error.exitStatus, exitStatus, error.message);
    assert.match(error.message, words);
    assert(!Deno.inspect(error).includes(TOKEN), "the token is told");
    return true;
  });
}

/** An address of this machine that is not loopback: what goes there could as well leave it. */
function outerAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outer = addresses.find(({ internal, family }) => !internal && family === "IPv4");
  assert(outer, "this machine has no network");
  return outer.address;
}

Deno.test("recordContainer: every call carries the token", async () => {
  let startCall: Parameters<StandInHandlers["start"]>[0];
  const stop = new AbortController();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      startCall = call;
      writeStart(call);
    },
    stop: () => writeFinished(startCall, RESULT, { completeness: "COMPLETENESS_STOPPED" }),
    fetch: (call) => {
      stop.abort();
      writeResult(call, RESULT);
    },
  });
  await record(daemon.address, PLAIN, { stopSignal: stop.signal });
  const authorization = `Bearer ${TOKEN}`;
  assert.deepEqual(daemon.authorizations, [
    { method: "StartRecording", authorization },
    { method: "FetchResult", authorization },
    { method: "StopRecording", authorization },
    { method: "DeleteResult", authorization },
  ]);
});

Deno.test("recordContainer: a token that is replaced while it records: later calls have the new one", async () => {
  let token = "first";
  await using daemon = await startStandInDaemon({
    ...HANDLERS,
    start: (call) => {
      token = "second";
      HANDLERS.start(call);
    },
  });
  await record(daemon.address, { ...PLAIN, token: () => Promise.resolve(token) });
  assert.deepEqual(daemon.authorizations.map(({ authorization }) => authorization), [
    "Bearer first",
    "Bearer second",
    "Bearer second",
  ]);
});

Deno.test("recordContainer: without a token there is no such entry, and the daemon decides", async () => {
  await using daemon = await startStandInDaemon(HANDLERS);
  await record(daemon.address, { connection: PLAIN.connection });
  assert.equal(daemon.authorizations.length, 3);
  assert(daemon.authorizations.every(({ authorization }) => authorization === undefined));
});

Deno.test("recordContainer: no token over plain text, unless told to", async () => {
  await using daemon = await startStandInDaemon(HANDLERS, { hostname: outerAddress() });
  let asked = false;
  const token = () => {
    asked = true;
    return Promise.resolve(TOKEN);
  };
  await failsWith(
    record(daemon.address, { ...PLAIN, token }),
    ExitStatus.NOT_ALLOWED,
    /token was not sent/,
  );
  assert.equal(daemon.authorizations.length, 0);
  assert(!asked, "a token is made that cannot be used");

  const connection = { kind: "plain", because: "this is a test", sendToken: true } as const;
  await record(daemon.address, { ...PLAIN, connection });
  assert.equal(daemon.authorizations[0].authorization, `Bearer ${TOKEN}`);
});

for (const code of ["UNAUTHENTICATED", "PERMISSION_DENIED"] as const) {
  Deno.test(`${code}: exit status 4 with the daemon's words, and without the token`, async () => {
    await using daemon = await startStandInDaemon({
      start: (call) => {
        const [authorization] = call.metadata.get("authorization");
        call.emit("error", { code: grpc.status[code], details: `may not: ${authorization}` });
      },
    });
    await failsWith(
      record(daemon.address, PLAIN),
      ExitStatus.NOT_ALLOWED,
      /: may not: Bearer \(the token\)$/,
    );
  });
}

Deno.test("recordContainer: a caller without a token is told where one comes from", async () => {
  await using daemon = await startStandInDaemon({
    start: (call) => {
      call.emit("error", { code: grpc.status.UNAUTHENTICATED, details: "who are you?" });
    },
  });
  await failsWith(
    record(daemon.address, { connection: PLAIN.connection }),
    ExitStatus.NOT_ALLOWED,
    /: who are you\?\nno token was sent: .*--token-file.*--service-account/,
  );
});

Deno.test("recordContainer: what is wrong with a token is told, and nothing is called", async () => {
  await using daemon = await startStandInDaemon(HANDLERS);
  const none = new CliError(ExitStatus.NOT_ALLOWED, "no token for you");
  await assert.rejects(
    record(daemon.address, { ...PLAIN, token: () => Promise.reject(none) }),
    none,
  );
  assert.deepEqual(daemon.authorizations, []);
});

Deno.test("recordContainer: gives up while it waits for a token", async () => {
  await using daemon = await startStandInDaemon(HANDLERS);
  const giveUp = new AbortController();
  const token = () => {
    queueMicrotask(() => giveUp.abort());
    return new Promise<string>(() => {});
  };
  await failsWith(
    record(daemon.address, { ...PLAIN, token }, { signal: giveUp.signal }),
    ExitStatus.INTERRUPTED,
    /interrupted/,
  );
});

Deno.test("recordContainer: TLS with a daemon that proves its name", async () => {
  await using daemon = await startStandInDaemon(HANDLERS, { tls: right });
  assert.equal((await record(daemon.address, encrypted())).samples, 7);
  assert.equal(daemon.authorizations[0].authorization, `Bearer ${TOKEN}`);
});

/** A server that the client does not go on with; no call may reach it. */
async function refusesServer(
  tls: TlsOptions | undefined,
  access: DaemonCredentials,
  words: RegExp,
) {
  await using daemon = await startStandInDaemon(HANDLERS, { tls });
  await failsWith(record(daemon.address, access), ExitStatus.UNREACHABLE, words);
  assert.deepEqual(daemon.authorizations, []);
}

Deno.test("recordContainer: a certificate that has expired", async () => {
  const expired = await authority.sign({ name: NAME, validDays: -1 });
  await refusesServer(expired, encrypted(), /no connection to .*: its certificate has expired/);
});

Deno.test("recordContainer: a certificate for another name", async () => {
  const named = await authority.sign({ name: "other.example" });
  await refusesServer(
    named,
    encrypted(),
    /for another name than necoperf-daemon\.perf\.svc: DNS:other\.example; .*--tls-server-name/,
  );
  await using daemon = await startStandInDaemon(HANDLERS, { tls: named });
  await record(daemon.address, encrypted({ serverName: "other.example" }));
});

Deno.test("recordContainer: a certificate from another authority", async () => {
  await refusesServer(
    await otherAuthority.sign({ name: NAME }),
    encrypted(),
    /from another authority than the CA certificate that is trusted here/,
  );
});

Deno.test("recordContainer: TLS on a port that speaks plain text: no fallback", async () => {
  await refusesServer(
    undefined,
    encrypted(),
    /does not speak TLS, which a client with a CA certificate requires/,
  );
});

Deno.test("recordContainer: plain text on a port that speaks TLS", async () => {
  await refusesServer(
    right,
    PLAIN,
    /it speaks TLS, and this client did not, because this is a test; .*--ca-file/,
  );
});

/** Servers of other kinds, as they are; what each is called. */
const FOREIGN: Record<string, { server: () => Server; plain: RegExp; tls: RegExp }> = {
  "an HTTP/2 server without the page": {
    server: () => http2.createServer((_, response) => response.writeHead(404).end()),
    plain: /not a necoperf-daemon but a web server or a proxy \(HTTP status 404\)/,
    tls: /it speaks HTTP\/2 without TLS: was the daemon started without a certificate/,
  },
  "a page over HTTP/2": {
    server: () =>
      http2.createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/html" });
        response.end("<!DOCTYPE html><html><title>Sign in</title></html>");
      }),
    plain: /not a necoperf-daemon but a web server or a proxy \(a page of text\)/,
    tls: /it speaks HTTP\/2 without TLS/,
  },
  "a login page's redirection": {
    server: () => http2.createServer((_, response) => response.writeHead(302).end()),
    plain: /not a necoperf-daemon but a web server or a proxy \(HTTP status 302\)/,
    tls: /it speaks HTTP\/2 without TLS/,
  },
  "an HTTP/1 server": {
    server: () => http.createServer((_, response) => response.end("<html>")),
    plain: /not a necoperf-daemon but a web server or a proxy for HTTP\/1 \(HTTP\/1\.1 400 /,
    tls: /not a necoperf-daemon but a web server or a proxy for HTTP\/1 \(HTTP\/1\.1 400 /,
  },
  "an HTTPS server without HTTP/2": {
    server: () => https.createServer(right, (_, response) => response.end("<html>")),
    plain: /it speaks TLS, and this client did not, because this is a test; .*--ca-file/,
    tls: /speaks TLS but not HTTP\/2: it is a web server or a proxy/,
  },
  "an SSH server's banner": {
    server: () => createServer((socket) => socket.write("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    plain: /not a necoperf-daemon but an SSH server \(SSH-2\.0-OpenSSH_9\.2p1 Debian-2\)/,
    tls: /not a necoperf-daemon but an SSH server \(SSH-2\.0-OpenSSH_9\.2p1 Debian-2\)/,
  },
  "a server that says something else": {
    server: () => createServer((socket) => socket.write("-ERR \x1b[2Jwho are you?\r\n")),
    plain: /not a necoperf-daemon but something that says "-ERR \S+\[2Jwho are you\?"/,
    tls: /not a necoperf-daemon but something that says "-ERR \S+\[2Jwho are you\?"/,
  },
};
for (const [name, { server, plain, tls }] of Object.entries(FOREIGN)) {
  Deno.test(`recordContainer: ${name} is told as what it is`, async () => {
    const foreign = server();
    foreign.on("connection", (socket) => socket.on("error", () => {}));
    foreign.listen(0, "127.0.0.1");
    await once(foreign, "listening");
    const address = `127.0.0.1:${(foreign.address() as AddressInfo).port}`;
    try {
      await failsWith(record(address, PLAIN), ExitStatus.UNREACHABLE, plain);
      await failsWith(record(address, encrypted()), ExitStatus.UNREACHABLE, tls);
    } finally {
      foreign.close();
    }
  });
}

Deno.test("recordContainer: a proxy that has no daemon behind it yet is asked again, and reported as a proxy", async () => {
  const proxy = http2.createServer((_, response) => response.writeHead(503).end());
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  let losses = 0;
  try {
    await failsWith(
      recordContainer({
        endpoint: { address },
        containerId: "c0ffee",
        durationSeconds: 1,
        options: {},
        access: PLAIN,
        retryTimeoutSeconds: 1,
      }, {
        write: () => Promise.resolve(),
        onEvent: ({ kind }) => void (losses += Number(kind === "lost")),
      }),
      ExitStatus.UNREACHABLE,
      /a web server or a proxy \(HTTP status 503\)/,
    );
  } finally {
    proxy.close();
  }
  assert.equal(losses, 1);
});

const MUTUAL = { ...right, requestCert: true, rejectUnauthorized: true, ca: authority.pem };

Deno.test("recordContainer: a client certificate, where the daemon wants one", async () => {
  await using daemon = await startStandInDaemon(HANDLERS, { tls: MUTUAL });
  const clientCertificate = { certificatePem: tenant.cert, keyPem: tenant.key };
  const access = { connection: encrypted({ clientCertificate }).connection };
  assert.equal((await record(daemon.address, access)).samples, 7);
});

Deno.test("recordContainer: no client certificate, or one from another authority, where one is wanted", async () => {
  await refusesServer(MUTUAL, encrypted(), /it wants a client certificate: --client-cert-file/);
  const { cert, key } = await otherAuthority.sign({ name: "tenant" });
  await refusesServer(
    MUTUAL,
    encrypted({ clientCertificate: { certificatePem: cert, keyPem: key } }),
    /does it accept this client's certificate|does not accept this client's certificate/,
  );
});

Deno.test("recordContainer: a daemon that comes back at once is worth another try", async () => {
  // The first connection is cut before anything is said, as while a daemon restarts.
  await using daemon = await startStandInDaemon(HANDLERS);
  const [hostname, port] = daemon.address.split(":");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const served = (async () => {
    (await listener.accept()).close();
    const client = await listener.accept();
    const server = await Deno.connect({ hostname, port: Number(port) });
    connections.push(client, server);
    await Promise.all([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]).catch(() => {});
  })();
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  assert.equal((await record(address, PLAIN)).samples, 7);
  await served;
});

Deno.test("recordContainer: a refused connection is final after three attempts", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const begin = performance.now();
  await failsWith(
    record(`127.0.0.1:${port}`, PLAIN),
    ExitStatus.UNREACHABLE,
    new RegExp(
      `cannot reach .*: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}; is the daemon running`,
    ),
  );
  // Between its two pauses and the ten seconds after which it gives up in any case.
  const seconds = (performance.now() - begin) / 1000;
  assert(seconds > 1.4 && seconds < 8, `${seconds} s`);
});
