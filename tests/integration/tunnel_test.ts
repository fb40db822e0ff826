/**
 * The real client, in a process of its own, that reaches a daemon through an API server's
 * port-forward. The API server is a stand-in: no real one is as slow as one likes, or cuts tunnels
 * when it is told to.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { createAuthority as createApiAuthority } from "../cli/authority.ts";
import { openCluster } from "../../cli/client/cluster/kubernetes.ts";
import { daemonPod, runningPod, type StandInApi, startStandInApi } from "../cli/stand_in_api.ts";
import { startStandInDaemon, writeFinished, writeStart } from "../cli/stand_in_daemon.ts";
import type { TestDaemon } from "../testing/daemon.ts";
import { SERVER_NAME, startEncrypted, withAuthority } from "../testing/encrypted_daemon.ts";
import { withLargePerf } from "../testing/large_perf.ts";
import { eventually, run } from "../testing/process.ts";
import { programCommand } from "../testing/programs.ts";
import { type Relay, startRelay } from "../testing/relay.ts";
import { peakBytes } from "../testing/resources.ts";
import { buildTargets } from "../testing/targets.ts";

const targets = await buildTargets();
/** Vouches for the API server and for stand-ins of daemons. */
const authority = await createApiAuthority("api");
Deno.test.afterAll(() => authority[Symbol.dispose]());
const apiCertificate = await authority.sign({ name: "kubernetes" });

const MB = 1e6;
const RESULT_BYTES = 1000 * MB;
const PEAK_BYTES = 200 * MB;
const DEADLINE_MS = 300_000;
/** An address of loopback at which nobody listens. */
const NOBODY = "127.9.9.9";

/**
 * Starts an API server with TLS whose one daemon is at `forward`, and has a container of that id.
 * At its address, that is not there unless told otherwise.
 */
function startApi(
  forward: string,
  containerId: string,
  [podIP, port] = [NOBODY, 6543],
): Promise<StandInApi> {
  const web = runningPod("web", "node1");
  web.status!.containerStatuses![0].containerID = `containerd://${containerId}`;
  return startStandInApi({
    pods: [web, daemonPod("node1", podIP, port)],
    forwards: { "daemon-node1": forward },
  }, {
    tls: { cert: apiCertificate.cert, key: apiCertificate.key },
    cluster: {
      "certificate-authority-data": btoa(authority.pem),
      "tls-server-name": "kubernetes",
    },
  });
}

/** A kubeconfig file for another address at which the API server is reached. */
async function leadTo(address: string, api: StandInApi): Promise<void> {
  const text = await Deno.readTextFile(api.kubeconfig);
  await Deno.writeTextFile(api.kubeconfig, text.replace(api.address, address));
}

/** A client in a process of its own. */
interface TunnelClient {
  /** Resolves when it has said so on standard error; rejects when it ends before. */
  says(words: RegExp): Promise<void>;
  /** Its result, to be read at any pace. */
  stdout: ReadableStream<Uint8Array>;
  /**
   * Asserts that it ends well, and resolves with what it has said on standard error, and how much
   * memory it took at most.
   */
  ends(): Promise<{ said: string; peakBytes: number }>;
}

function startClient(api: StandInApi, caFile: string, ...args: string[]): TunnelClient {
  const [command, ...begin] = programCommand("client");
  const process = new Deno.Command(command, {
    args: [
      ...begin,
      ...["--kubeconfig", api.kubeconfig, "--via", "port-forward", "web", "-d", "1s"],
      ...["--ca-file", caFile, "--tls-server-name", SERVER_NAME, ...args],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  let peak = 0;
  const timer = setInterval(() => {
    // It may have ended meanwhile.
    peakBytes(process.pid).then((bytes) => peak = bytes, () => {});
  }, 100);
  let said = "";
  const listeners = new Set<() => void>();
  const heard = (async () => {
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      for (const listener of listeners) listener();
    }
  })();
  return {
    stdout: process.stdout,
    says: (words) =>
      new Promise((resolve, reject) => {
        const look = () => words.test(said) && resolve();
        listeners.add(look);
        heard.then(() => reject(new Error(`it never said ${words}: ${said}`)));
        look();
      }),
    ends: async () => {
      const [{ code }] = await Promise.all([process.status, heard])
        .finally(() => clearInterval(timer));
      assert.equal(code, 0, said);
      return { said, peakBytes: peak };
    },
  };
}

function assertMemory(name: string, { peakBytes }: { peakBytes: number }): void {
  console.log(`${name}: at most ${Math.round(peakBytes / MB)} MB resident`);
  assert.ok(peakBytes > 0);
  assert.ok(peakBytes < PEAK_BYTES, `the client took ${Math.round(peakBytes / MB)} MB`);
}

/** Waits as long as it takes to have `bytes` at this rate since the first call. */
function createPace(bytesPerSecond: number): (bytes: number) => Promise<void> {
  let startedAt: number | undefined;
  return async (bytes) => {
    startedAt ??= performance.now();
    const dueMs = startedAt + bytes / bytesPerSecond * 1000 - performance.now();
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
  };
}

Deno.test("profile: a result of 1 GB through a slow tunnel", () =>
  withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    const start = startEncrypted.bind(undefined, directory, "server");
    await withLargePerf({ bytes: RESULT_BYTES, start }, async (daemon) => {
      await using target = run(targets.spin);
      // 100 MB, compressed.
      using link = startRelay(daemon.address, { onBytes: createPace(8 * MB) });
      await using api = await startApi(link.address, `${target.pid}`);
      const output = await Deno.makeTempDir();
      try {
        const client = startClient(api, authority.certFile, "-o", output);
        const [path, end] = await Promise.all([new Response(client.stdout).text(), client.ends()]);
        const text = createHash("sha256");
        await pipeline(createReadStream(path.trim()), text);
        assert.equal(text.digest("hex"), await digestOfText());
        assertMemory("a slow tunnel", end);
      } finally {
        await Deno.remove(output, { recursive: true });
      }
    });
  }));

/** The SHA-256 of the text, from the program that prints it. */
async function digestOfText(): Promise<string> {
  const pipe = `"$1" ${RESULT_BYTES} | sha256sum`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", pipe, "sh", targets.scriptText] })
    .output();
  return new TextDecoder().decode(stdout).slice(0, 64);
}

/**
 * A stand-in sends it, because it does not shrink: a real result of so many bytes on the wire is
 * one of 10 GB.
 */
Deno.test("profile: a reader that is slower than the tunnel, and 1 GB on the wire", async () => {
  const part = new Uint8Array(MB);
  for (let at = 0; at < part.length; at += 65536) {
    crypto.getRandomValues(part.subarray(at, at + 65536));
  }
  const parts = RESULT_BYTES / part.length;
  const made = createHash("sha256");
  for (let count = 0; count < parts; count++) made.update(part);
  const sha256 = made.digest();
  const packed = gzipSync(part, { level: 0 });
  const { cert, key } = await authority.sign({ name: SERVER_NAME });
  await using daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      writeFinished(call, new Uint8Array(), { size: RESULT_BYTES, sha256 });
    },
    fetch: async (call) => {
      assert.equal(call.request.offset, 0);
      for (let count = 0; count < parts; count++) {
        for (let at = 0; at < packed.length; at += 16_384) {
          if (call.write({ data: packed.subarray(at, at + 16_384) })) continue;
          await new Promise((resolve) => call.once("drain", resolve));
        }
      }
      call.end();
    },
  }, { tls: { cert, key } });
  await using api = await startApi(daemon.address, "0123456789abcdef");
  const client = startClient(api, authority.file, "-o", "-", "-q");
  const end = client.ends();
  const arrived = createHash("sha256");
  let bytes = 0;
  // As slow for the first 60 MB; then as fast as the client is.
  const pace = createPace(6 * MB);
  for await (const chunk of client.stdout) {
    arrived.update(chunk);
    if ((bytes += chunk.length) < 60 * MB) await pace(bytes);
  }
  assertMemory("a slow reader", await end);
  assert.equal(arrived.digest("hex"), sha256.toString("hex"));
});

/** What load balancers and API servers do between a client and a daemon that are both real. */
async function profileThrough(
  link: Parameters<typeof startRelay>[1],
  args: string[],
  use: (parts: {
    link: Relay;
    api: StandInApi;
    client: TunnelClient;
    daemon: TestDaemon;
  }) => Promise<void>,
): Promise<void> {
  await withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using daemon = await startEncrypted(directory, "server");
    await using target = run(targets.spin);
    await using api = await startApi(daemon.address, `${target.pid}`);
    using relay = startRelay(api.address, link);
    await leadTo(relay.address, api);
    const output = await Deno.makeTempDir();
    try {
      const client = startClient(api, authority.certFile, "-o", output, ...args);
      const path = new Response(client.stdout).text();
      await use({ link: relay, api, client, daemon });
      const text = await Deno.readTextFile((await path).trim());
      assert.match(text, /^spin +\d+\/\d+ /);
    } finally {
      await Deno.remove(output, { recursive: true });
    }
  });
}

/** The requests for the daemon's port. */
function tunnels({ requests }: StandInApi): number {
  return requests.filter(({ pathname }) => pathname.endsWith("/portforward")).length;
}

Deno.test("profile: tunnels that are cut again and again leave the one recording", () =>
  profileThrough(
    {},
    ["-d", "15s", "--retry-timeout", "5s"],
    async ({ link, api, client, daemon }) => {
      await client.says(/: recording shop/);
      // With pauses that are longer together than what is tried again for.
      for (let cuts = 1; cuts <= 3; cuts++) {
        const before = tunnels(api);
        link.cut();
        await eventually(() => assert.ok(tunnels(api) > before));
        await new Promise((resolve) => setTimeout(resolve, 2500));
      }
      const { said } = await client.ends();
      assert.doesNotMatch(said, /recording again/);
      const recordings = daemon.log.filter(({ method }) => method === "StartRecording");
      assert.deepEqual(recordings.map(({ outcome }) => outcome), ["full"]);
    },
  ));

Deno.test("profile: a tunnel on which nothing happens is kept from being idle", () =>
  profileThrough({ idleSeconds: 8 }, ["-d", "20s"], async ({ link, api, client }) => {
    await client.says(/: recording shop/);
    // The relay means it: this connection is cut.
    const [hostname, port] = link.address.split(":");
    using idle = await Deno.connect({ hostname, port: Number(port) });
    assert.equal(await idle.read(new Uint8Array(1)), null);
    const { said } = await client.ends();
    assert.doesNotMatch(said, /trying again/);
    assert.equal(tunnels(api), 1);
  }));

Deno.test("doctor: says which way was taken, and what each costs", () =>
  withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using daemon = await startEncrypted(directory, "server");
    const [host, port] = daemon.address.split(":");
    const examine = async (address?: [string, number], ...args: string[]) => {
      await using api = await startApi(daemon.address, "0123456789abcdef", address);
      const [command, ...begin] = programCommand("client");
      const { stdout } = await new Deno.Command(command, {
        args: [
          ...[...begin, "doctor", "--kubeconfig", api.kubeconfig, "--node", "node1", ...args],
          ...["--ca-file", authority.certFile, "--tls-server-name", SERVER_NAME],
        ],
        stdin: "null",
        stderr: "null",
      }).output();
      return new TextDecoder().decode(stdout).split("\n")
        .filter((line) => /^\[\+\] node1: .*reached/.test(line))
        .map((line) => line.replaceAll(/\d+ ms/g, "N ms"));
    };
    const costs = "connected in N ms, answers in N ms";
    const tunnelled = `through the API server's port-forward: ${costs}`;
    assert.deepEqual(await examine([host, Number(port)]), [
      `[+] node1: reached at its pod's address: ${costs}`,
      `[+] node1: can be reached ${tunnelled}`,
    ]);
    assert.deepEqual(await examine(), [`[+] node1: reached ${tunnelled}`]);
    assert.deepEqual(await examine([host, Number(port)], "--via", "port-forward"), [
      `[+] node1: reached ${tunnelled}`,
    ]);
  }));

Deno.test("profile: more tunnels than the daemon takes connections keep nobody from profiling", () =>
  withAuthority(async (authority, directory) => {
    await authority.issue("server", { dnsName: SERVER_NAME });
    await using daemon = await startEncrypted(directory, "server", {
      args: ["--container-lookup", "pid", "--max-connections", "8"],
    });
    await using target = run(targets.spin);
    await using api = await startApi(daemon.address, `${target.pid}`);
    const cluster = await openCluster({ kubeconfig: api.kubeconfig });
    const place = { namespace: "necoperf", pod: "daemon-node1", port: 6543 };
    // All of them, and the client's, come from the API server's address.
    const flood = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const stream = await cluster.forwardPort(place);
        stream.on("error", () => {});
        stream.resume();
        // The greeting of a TLS client, that never ends.
        stream.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1));
        return stream;
      }),
    );
    const output = await Deno.makeTempDir();
    try {
      const client = startClient(api, authority.certFile, "-o", output);
      const [path] = await Promise.all([new Response(client.stdout).text(), client.ends()]);
      assert.match(await Deno.readTextFile(path.trim()), /^spin +\d+\/\d+ /);
      const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
      assert.match(metrics, /^necoperf_connections_refused_total\{reason="too-many"\} [1-9]/m);
    } finally {
      for (const stream of flood) stream.destroy();
      await Deno.remove(output, { recursive: true });
    }
  }));
