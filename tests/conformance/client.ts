/**
 * The client under test. Run as a program: `client.ts ADDRESS [--without-measure]`.
 *
 * Reads commands from standard input, one `[id, name, ...arguments]` in JSON a line, and answers
 * each with a line `{id, answer}` or `{id, error}`. Ends with the input.
 */
import type { grpc as Grpc } from "../../proto/grpc.ts";
import { toDuration } from "../../proto/duration.ts";
import { collectGarbage } from "./collect_garbage.ts";
import { lines } from "./lines.ts";
import type { ServerState } from "./server.ts";

const [address, withoutMeasure] = Deno.args;
const { grpc, loadCri, loadNecoPerf } = withoutMeasure
  ? await import("./grpc_without_measure.ts")
  : await import("../../proto/grpc.ts");
const { NecoPerf } = loadNecoPerf();
const { RuntimeService } = loadCri();

/** A connection of its own: without the option, grpc-js shares one per address. */
const connect = () =>
  new NecoPerf(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
  });
type Client = ReturnType<typeof connect>;

/** The daemon's channel to the container runtime. */
const runtime = new RuntimeService(address, grpc.credentials.createInsecure(), {
  "grpc.default_authority": "localhost",
});

/** Runs `use` with a new connection and closes it. */
async function withConnection<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = connect();
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Reads a stream to its end: how many bytes came. Rejects unless it ends well. */
function drain(stream: Grpc.ClientReadableStream<{ data: Uint8Array }>): Promise<number> {
  return new Promise((resolve, reject) => {
    let receivedBytes = 0;
    stream.on("data", ({ data }) => receivedBytes += data.length);
    stream.on("end", () => resolve(receivedBytes));
    stream.on("error", reject);
  });
}

/** The name of the status with which a stream ends. */
async function statusName(stream: Parameters<typeof drain>[0]): Promise<string> {
  try {
    await drain(stream);
    return "OK";
  } catch (error) {
    return grpc.status[(error as Grpc.ServiceError).code];
  }
}

function firstMessage(stream: Grpc.ClientReadableStream<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("data", () => resolve());
    stream.once("error", reject);
  });
}

const fetchResult = (client: Client, sizeBytes: number) =>
  client.fetchResult({ recordingId: String(sizeBytes) });

async function cancelledStatus(
  stream: Grpc.ClientReadableStream<{ data: Uint8Array }>,
): Promise<string> {
  const status = statusName(stream);
  await firstMessage(stream);
  stream.cancel();
  return await status;
}

const profile = (client: Client, seconds: number, deadline = Infinity) =>
  client.profile({ timeout: toDuration(seconds) }, { deadline });

const deadlineStatus = (client: Client, milliseconds: number) =>
  statusName(profile(client, 600, Date.now() + milliseconds));

function record(client: Client): Promise<ServerState> {
  return new Promise((resolve, reject) =>
    client.record({}, { deadline: Date.now() + 10_000 }, (error, response) => {
      if (error) reject(error);
      else resolve(JSON.parse(new TextDecoder().decode(response!.data)));
    })
  );
}

function containerStatus(containerId: string, deadlineMilliseconds: number): Promise<string> {
  return new Promise((resolve) => {
    const metadata = new grpc.Metadata({ waitForReady: true });
    const deadline = Date.now() + deadlineMilliseconds;
    runtime.containerStatus({ containerId }, metadata, { deadline }, (error) => {
      resolve(error ? grpc.status[error.code] : "OK");
    });
  });
}

const times = <T>(count: number, make: () => Promise<T>) =>
  Promise.all(Array.from({ length: count }, make));

let idle: Client[] = [];
let slow: { stream: ReturnType<typeof fetchResult>; receivedBytes: number; ended: Promise<number> };

const COMMANDS = {
  /** The server's state, asked on a new connection. */
  state: () => withConnection(record),

  /** Streams that last, on one connection: the bytes of each. */
  watch: (streams: number, seconds: number) =>
    withConnection((client) => times(streams, () => drain(profile(client, seconds)))),

  /** Streams cancelled after the first message, on one connection: their statuses. */
  cancel: (streams: number, sizeBytes: number) =>
    withConnection((client) =>
      times(streams, () => cancelledStatus(fetchResult(client, sizeBytes)))
    ),

  /** Streams whose deadline passes, on one connection: their statuses. */
  deadline: (streams: number, milliseconds: number) =>
    withConnection((client) => times(streams, () => deadlineStatus(client, milliseconds))),

  /** A result of this size, on a connection that is closed at once after: bytes received. */
  download: (sizeBytes: number) =>
    withConnection((client) => drain(fetchResult(client, sizeBytes))),

  /** Leaves streams open, some that are read and some that are not, each on a connection. */
  async hold(streams: number, sizeBytes: number) {
    await times(streams, async () => {
      const client = connect();
      const [read, unread] = [
        profile(client, 600),
        fetchResult(client, sizeBytes),
      ];
      await Promise.all([firstMessage(read), firstMessage(unread)]);
      unread.pause();
      read.resume();
    });
  },

  /** Opens connections and leaves them idle. */
  async open(connections: number) {
    idle = Array.from({ length: connections }, connect);
    await Promise.all(idle.map(record));
  },

  /** Reclaims memory, its own and (by asking on the last one) the server's. */
  async collect() {
    for (let round = 0; round < 5; round++) {
      Array.from({ length: 100_000 }, (_, index) => ({ index }));
      collectGarbage();
      await record(idle[idle.length - 1]);
    }
  },

  /** Uses every idle connection again. */
  async reuse() {
    await Promise.all(idle.map(record));
  },

  /** Closes the idle connections. */
  close() {
    idle.forEach((client) => client.close());
    idle = [];
  },

  /** Connections in a row, each with a small result, a cancel and a deadline: the statuses seen. */
  async churn(connections: number) {
    const seen = new Set<string>();
    for (let connection = 0; connection < connections; connection++) {
      await withConnection(async (client) => {
        await drain(fetchResult(client, 64 * 1024));
        seen.add(await cancelledStatus(profile(client, 600)));
        seen.add(await deadlineStatus(client, 10));
      });
    }
    return [...seen];
  },

  /** Starts a result that is read only by `sip` and `finish`. */
  slow(sizeBytes: number) {
    const stream = fetchResult(connect(), sizeBytes);
    const ended = drain(stream);
    // Whoever asks for the rest is told.
    ended.catch(() => {});
    stream.pause();
    slow = { stream, receivedBytes: 0, ended };
  },

  /** Takes this much more of it: bytes received. */
  async sip(sizeBytes: number) {
    const enough = slow.receivedBytes + sizeBytes;
    const reached = Promise.withResolvers<void>();
    const take = ({ data }: { data: Uint8Array }) => {
      slow.receivedBytes += data.length;
      if (slow.receivedBytes < enough) return;
      slow.stream.pause();
      slow.stream.off("data", take);
      reached.resolve();
    };
    slow.stream.on("data", take);
    slow.stream.resume();
    await reached.promise;
    return slow.receivedBytes;
  },

  /** Takes the rest of it: bytes received in all. */
  finish() {
    slow.stream.resume();
    return slow.ended;
  },

  /** A call on the runtime's channel, which waits for the connection: the status. */
  containerStatus,
};

/** The commands, as the test sees them. */
export type Commands = typeof COMMANDS;

async function run(id: number, name: keyof Commands, parameters: unknown[]): Promise<void> {
  const command = COMMANDS[name] as (...parameters: unknown[]) => unknown;
  const answer = await Promise.resolve(command(...parameters)).then(
    (answer) => ({ id, answer }),
    (error) => ({ id, error: String(error) }),
  );
  console.log(JSON.stringify(answer));
}

console.log("ready");
for await (const line of lines(Deno.stdin.readable)) {
  const [id, name, ...parameters] = JSON.parse(line);
  // Not awaited: a call may be open while others are made.
  run(id, name, parameters);
}
Deno.exit(0);
