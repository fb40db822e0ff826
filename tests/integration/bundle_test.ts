/**
 * The client as it is shipped: bundled, and run with its permissions by the Deno that it is made
 * for. The compiler that there is where this is tested makes programs that cannot speak gRPC.
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { type Bundle, bundle } from "../../scripts/bundle.ts";
import { FILES, MAIN } from "../../scripts/compile.ts";
import { daemonPod, runningPod, type StandInApi, startStandInApi } from "../cli/stand_in_api.ts";
import {
  type StandInDaemon,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../cli/stand_in_daemon.ts";

const RESULT = new TextEncoder().encode("spin 42 cpu-clock: necoperf_busy_loop\n");

let directory: string;
let bundled: Bundle;
let daemon: StandInDaemon;
let api: StandInApi;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "necoperf-bundle-" });
  bundled = await bundle(MAIN.client, FILES.client, directory);
  daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    fetch: (call) => writeResult(call, RESULT),
  });
  const [host, port] = daemon.address.split(":");
  const pods = [runningPod("web-0", "node1"), daemonPod("node1", host, Number(port))];
  api = await startStandInApi({ pods });
});

Deno.test.afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  await Deno.remove(directory, { recursive: true });
});

/** Runs the bundle; resolves with what it wrote to standard output. */
async function run(args: string[], kubeconfig = api.kubeconfig): Promise<string> {
  const flags = permissionFlags("client", { embedded: true });
  const main = join(directory, bundled.main);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-config", "--no-check", ...flags, main, ...args],
    env: { KUBECONFIG: kubeconfig },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

const RECORD = ["web-0", "--duration", "1s", "-o", "-", "--quiet"];

Deno.test("bundle: the bundled client finds a pod and its daemon, and delivers the result", async () => {
  assert.equal(await run(RECORD), new TextDecoder().decode(RESULT));
});

Deno.test("bundle: the bundled client asks the API server through a SOCKS proxy", async () => {
  await using proxy = await startSocksProxy();
  const config = JSON.parse(await Deno.readTextFile(api.kubeconfig));
  config.clusters[0].cluster["proxy-url"] = `socks5://${proxy.address}`;
  const kubeconfig = join(directory, "kubeconfig");
  await Deno.writeTextFile(kubeconfig, JSON.stringify(config));
  assert.equal(await run(RECORD, kubeconfig), new TextDecoder().decode(RESULT));
  const { host } = new URL(config.clusters[0].cluster.server);
  assert.deepEqual([...new Set(proxy.asked)], [host]);
});

interface SocksProxy extends AsyncDisposable {
  address: string;
  /** `host:port` of whatever was asked for. */
  asked: string[];
}

/** A proxy that knows of SOCKS 5 (RFC 1928) what it takes to connect to an IPv4 address. */
async function startSocksProxy(): Promise<SocksProxy> {
  const asked: string[] = [];
  const server = createServer((client) => {
    client.on("error", () => {});
    // The ways to log in that the client offers; answered: none is needed.
    client.once("data", () => {
      client.once("data", (request: Buffer) => {
        const host = request.subarray(4, 8).join(".");
        const port = request.readUInt16BE(8);
        asked.push(`${host}:${port}`);
        const far = connect({ host, port }, () => {
          client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
          client.pipe(far).pipe(client);
        });
        far.on("error", () => client.destroy());
        client.on("close", () => far.destroy());
      });
      client.write(Uint8Array.of(5, 0));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
