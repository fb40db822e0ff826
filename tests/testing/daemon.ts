/**
 * Starts the real daemon, with the permissions it is compiled with.
 *
 * @module
 */
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import type { NecoPerfClient } from "../../proto/gen/necoperf/NecoPerf.ts";
import { programCommand } from "./programs.ts";

const START_DEADLINE_MS = 30_000;

/** How a test wants its daemon. */
export interface TestDaemonOptions {
  /**
   * Arguments after `start`; the address is loopback, the ports are free ones, and nobody is asked
   * who they are unless these say otherwise.
   */
  args?: string[];
  /** With which the client connects; default: in plain text. */
  credentials?: grpc.ChannelCredentials;
  clientOptions?: grpc.ChannelOptions;
  /** Directories that stand in for others in the daemon's mount namespace, by the place. */
  binds?: Record<string, string>;
  /** Runs before the daemon in its mount namespace. */
  prepare?: string;
  /** Words put before the daemon's command line, such as `setpriv ...`. */
  wrapper?: string[];
}

/** A daemon of a test's own. Its end comes with the test's, by `await using`. */
export interface TestDaemon extends AsyncDisposable {
  pid: number;
  /** `host:port` of the gRPC service. */
  address: string;
  /** `http://host:port` of /metrics, /healthz and /readyz. */
  http: string;
  /** Its work directory, as seen from the test. */
  workDir: string;
  client: NecoPerfClient;
  /** What it has logged so far, parsed. */
  log: Record<string, unknown>[];
  /**
   * Resolves with the first line of the log, old or new, that fits. Rejects when the daemon ends.
   */
  logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  kill(signal: Deno.Signal): void;
  status: Promise<Deno.CommandStatus>;
}

/**
 * Starts a daemon and resolves when it serves. In a mount namespace of its own it finds the
 * machine's /proc at /host/proc and a directory of the test's at /var/necoperf: its permissions
 * name these paths and no others. Needs root.
 */
export async function startDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const workDir = await Deno.makeTempDir({ prefix: "necoperf-test-" });
  await Deno.chmod(workDir, 0o777);
  const binds = { "/host/proc": "/proc", "/var/necoperf": workDir, ...options.binds };
  for (const place of Object.keys(binds)) await Deno.mkdir(place, { recursive: true });
  const mounts = Object.entries(binds).map(([place, source]) => `mount --bind ${source} ${place}`);
  const script = ["set -e", ...mounts, options.prepare ?? ":", 'exec "$@"'].join("\n");
  const daemon = [
    ...programCommand("daemon"),
    ...["start", "--address", "127.0.0.1", "--port", "0", "--metrics-port", "0"],
    ...["--auth", "none"],
    ...options.args ?? [],
  ];
  const process = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, "sh", ...options.wrapper ?? [], ...daemon],
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();

  const log: Record<string, unknown>[] = [];
  const listeners = new Set<() => void>();
  let ended = false;
  const read = readLog(process.stderr, log, () => listeners.forEach((listener) => listener()))
    .finally(() => {
      ended = true;
      listeners.forEach((listener) => listener());
    });
  const logged = (fits: (line: Record<string, unknown>) => boolean) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const look = () => {
        const line = log.find(fits);
        if (line) resolve(line);
        else if (ended) reject(new Error(`the daemon ended; it said ${JSON.stringify(log)}`));
        else return;
        listeners.delete(look);
      };
      listeners.add(look);
      look();
    });

  let client: NecoPerfClient | undefined;
  const dispose = async () => {
    client?.close();
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await process.status;
    await read;
    await Deno.remove(workDir, { recursive: true });
  };
  const timer = setTimeout(() => process.kill("SIGKILL"), START_DEADLINE_MS);
  try {
    const serving = await logged((line) => line.message === "serving");
    const address = `127.0.0.1:${serving.port}`;
    client = new (loadNecoPerf().NecoPerf)(
      address,
      options.credentials ?? grpc.credentials.createInsecure(),
      options.clientOptions,
    );
    return {
      pid: process.pid,
      address,
      http: `http://127.0.0.1:${serving.metricsPort}`,
      workDir,
      client,
      log,
      logged,
      kill: (signal) => process.kill(signal),
      status: process.status,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function readLog(
  stderr: ReadableStream<Uint8Array>,
  log: Record<string, unknown>[],
  onLine: () => void,
): Promise<void> {
  let rest = "";
  for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      log.push(line.startsWith("{") ? JSON.parse(line) : { raw: line });
      onLine();
    }
  }
}
