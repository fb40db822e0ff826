/**
 * Readers of results that take no more than they are told to, each on a connection of its own, in a
 * process of their own: what they do not take must wait in the daemon or with it.
 *
 * Run as a program it is that process:
 * `slow_readers.ts ADDRESS METHOD REQUEST COUNT BYTES_PER_SECOND [CA_FILE]`.
 * It answers each line on standard input with a line of {@linkcode ReaderState}s in JSON.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";
import { lines } from "../conformance/lines.ts";
import { encryptedTo } from "./encrypted_daemon.ts";

/** What a reader has so far. */
interface ReaderState {
  bytes: number;
  /** Of these bytes, in hexadecimal. */
  sha256: string;
  /** How the stream has ended: a gRPC status' name. */
  ended?: string;
}

/** Readers that read. Disposing of them makes them vanish. */
interface SlowReaders extends AsyncDisposable {
  /** What each has. */
  states(): Promise<ReaderState[]>;
}

/** What they read. */
interface SlowReading {
  method: "FetchResult" | "Profile";
  request: object;
  /** How many there are. */
  count: number;
  bytesPerSecond: number;
  /** Of the authority of a daemon that is behind TLS. */
  caFile?: string;
}

/** Starts readers of what the daemon at `address` has. */
export function startSlowReaders(address: string, reading: SlowReading): SlowReaders {
  const { method, request, count, bytesPerSecond, caFile } = reading;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--frozen", "--quiet", import.meta.filename!],
      ...[address, method, JSON.stringify(request), `${count}`, `${bytesPerSecond}`],
      ...caFile ? [caFile] : [],
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = process.stdin.getWriter();
  const output = lines(process.stdout);
  return {
    async states() {
      await input.write(new TextEncoder().encode("\n"));
      const { value, done } = await output.next();
      if (done) throw new Error("the readers' process has ended");
      return JSON.parse(value);
    },
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await Promise.allSettled([input.abort(), output.return(undefined)]);
    },
  };
}

type DataStream = AsyncIterable<{ data: Uint8Array }>;

async function readSlowly(
  stream: DataStream,
  bytesPerSecond: number,
  state: { bytes: number; hash: ReturnType<typeof createHash>; ended?: string },
): Promise<void> {
  let startedAt: number | undefined;
  try {
    for await (const { data } of stream) {
      startedAt ??= performance.now();
      state.bytes += data.length;
      state.hash.update(data);
      const dueMs = startedAt + state.bytes / bytesPerSecond * 1000 - performance.now();
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    }
    state.ended = "OK";
  } catch (error) {
    state.ended = grpc.status[(error as grpc.ServiceError).code];
  }
}

async function main(
  address: string,
  method: SlowReading["method"],
  request: object,
  count: number,
  bytesPerSecond: number,
  caFile?: string,
): Promise<void> {
  const { NecoPerf } = loadNecoPerf();
  const { credentials, clientOptions } = caFile
    ? encryptedTo({ cert: await Deno.readFile(caFile) })
    : { credentials: grpc.credentials.createInsecure(), clientOptions: {} };
  const states = Array.from({ length: count }, () => {
    const client = new NecoPerf(address, credentials, {
      ...clientOptions,
      "grpc.use_local_subchannel_pool": 1,
    });
    const state = { bytes: 0, hash: createHash("sha256") };
    const stream = method === "Profile" ? client.Profile(request) : client.FetchResult(request);
    readSlowly(stream as DataStream, bytesPerSecond, state);
    return state;
  });
  for await (const _ of lines(Deno.stdin.readable)) {
    console.log(JSON.stringify(states.map(({ hash, ...state }) => ({
      ...state,
      sha256: hash.copy().digest("hex"),
    }))));
  }
}

if (import.meta.main) {
  const [address, method, request, count, bytesPerSecond, caFile] = Deno.args;
  await main(
    address,
    method as SlowReading["method"],
    JSON.parse(request),
    Number(count),
    Number(bytesPerSecond),
    caFile,
  );
}
