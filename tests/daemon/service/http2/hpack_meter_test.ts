import assert from "node:assert/strict";
import http2 from "node:http2";
import { type AddressInfo, connect, createServer } from "node:net";
import { FrameHeaders, readFrameHeader } from "../../../../daemon/service/http2/frames.ts";
import {
  HeaderListTooLargeError,
  HpackMeter,
} from "../../../../daemon/service/http2/hpack_meter.ts";
import * as h2 from "../../../testing/http2_frames.ts";
import { createRandom, type Random, SEED } from "../../../fuzz/random.ts";

const NO_LIMITS = { maxSizeBytes: Infinity, maxFields: Infinity };

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** The size of a header list as RFC 9113 says it (6.5.2). */
function sizeOf(fields: readonly (readonly [string, string])[]): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

/** RFC 7541, appendix C: header blocks of one connection each, and what they stand for. */
const EXAMPLES: Record<string, [hex: string, fields: [string, string][]][]> = {
  "C.2": [
    [
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      [["custom-key", "custom-header"]],
    ],
    ["040c 2f73 616d 706c 652f 7061 7468", [[":path", "/sample/path"]]],
    ["1008 7061 7373 776f 7264 0673 6563 7265 74", [["password", "secret"]]],
    ["82", [[":method", "GET"]]],
  ],
  "C.3": [
    ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", [
      ...[[":method", "GET"], [":scheme", "http"], [":path", "/"]] as [string, string][],
      [":authority", "www.example.com"],
    ]],
    ["8286 84be 5808 6e6f 2d63 6163 6865", [
      ...[[":method", "GET"], [":scheme", "http"], [":path", "/"]] as [string, string][],
      ...[[":authority", "www.example.com"], ["cache-control", "no-cache"]] as [string, string][],
    ]],
    ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", [
      ...[[":method", "GET"], [":scheme", "https"], [":path", "/index.html"]] as [string, string][],
      ...[[":authority", "www.example.com"], ["custom-key", "custom-value"]] as [string, string][],
    ]],
  ],
  "C.4": [
    ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", [
      ...[[":method", "GET"], [":scheme", "http"], [":path", "/"]] as [string, string][],
      [":authority", "www.example.com"],
    ]],
    ["8286 84be 5886 a8eb 1064 9cbf", [
      ...[[":method", "GET"], [":scheme", "http"], [":path", "/"]] as [string, string][],
      ...[[":authority", "www.example.com"], ["cache-control", "no-cache"]] as [string, string][],
    ]],
    ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", [
      ...[[":method", "GET"], [":scheme", "https"], [":path", "/index.html"]] as [string, string][],
      ...[[":authority", "www.example.com"], ["custom-key", "custom-value"]] as [string, string][],
    ]],
  ],
  // With a table of 256 bytes, which has to be said here first: fields are evicted.
  "C.6": [
    [
      "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b " +
      "ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      [
        ...[[":status", "302"], ["cache-control", "private"]] as [string, string][],
        ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
        ["location", "https://www.example.com"],
      ],
    ],
    ["4883 640e ffc1 c0bf", [
      ...[[":status", "307"], ["cache-control", "private"]] as [string, string][],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ]],
    [
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 " +
      "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed " +
      "4ee5 b106 3d50 07",
      [
        ...[[":status", "200"], ["cache-control", "private"]] as [string, string][],
        ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
        ["location", "https://www.example.com"],
        ["content-encoding", "gzip"],
        ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
      ],
    ],
  ],
};

for (const [section, blocks] of Object.entries(EXAMPLES)) {
  Deno.test(`HpackMeter: measures the examples of RFC 7541, ${section}`, () => {
    const meter = new HpackMeter(NO_LIMITS);
    for (const [hex, fields] of blocks) {
      assert.equal(meter.measure(bytes(hex)), sizeOf(fields), hex);
    }
  });
}

Deno.test("HpackMeter: refuses a list that is too large or has too many fields", () => {
  const limits = { maxSizeBytes: 4000, maxFields: 50 };
  const tooLarge = new HpackMeter(limits);
  const value = "x".repeat(1000);
  assert.equal(tooLarge.measure(Uint8Array.from(h2.indexing("a", value))), 1033);
  assert.equal(tooLarge.measure(Uint8Array.of(0xbe, 0xbe, 0xbe)), 3 * 1033);
  assert.throws(
    () => tooLarge.measure(Uint8Array.of(0xbe, 0xbe, 0xbe, 0xbe)),
    HeaderListTooLargeError,
  );
  // 42 bytes each.
  const tooMany = new HpackMeter(limits);
  assert.equal(tooMany.measure(new Uint8Array(50).fill(0x82)), 50 * 42);
  assert.throws(() => tooMany.measure(new Uint8Array(51).fill(0x82)), HeaderListTooLargeError);
});

Deno.test("HpackMeter: a field that is larger than the table empties it", () => {
  const meter = new HpackMeter(NO_LIMITS);
  meter.measure(Uint8Array.from(h2.indexing("a", "b")));
  meter.measure(Uint8Array.from(h2.indexing("a", "x".repeat(4096))));
  assert.throws(() => meter.measure(Uint8Array.of(0xbe)), RangeError);
});

const MALFORMED: Record<string, number[]> = {
  "the index 0": [0x80],
  "an index above the table": [0xbe],
  "a name of an index above the table": [0x7f, 0x00],
  "a table that is made too large": h2.integer(0x20, 5, 4097),
  "a table size update after a field": [0x82, 0x20],
  "an integer without an end": [0xff, 0x80],
  "an integer that is too large": [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  "an integer with zeros to no end": [0xff, ...new Array(20).fill(0x80), 0],
  "a name that is cut off": [0x00, 5, 97],
  "no value": [0x00, 1, 97],
  "a value that is cut off": [0x00, 1, 97, 2, 98],
  "a Huffman-coded value without padding": [0x00, 1, 97, 0x81, 0x00],
};

for (const [what, block] of Object.entries(MALFORMED)) {
  Deno.test(`HpackMeter: refuses ${what}`, () => {
    assert.throws(() => new HpackMeter(NO_LIMITS).measure(Uint8Array.from(block)), RangeError);
  });
}

/** A header block of anything that a table of `entries` fields allows. */
function randomBlock(random: Random, isFirst: boolean): number[] {
  // What HTTP/2 wants of a request.
  const block = [h2.indexed(3), h2.indexed(6), h2.indexed(4), h2.integer(0, 4, 1), h2.string("x")]
    .flat();
  if (!isFirst && random.integer(4) === 0) {
    const sizes = [0, 40, 200, 1000, 4096];
    block.unshift(...h2.integer(0x20, 5, 4096));
    if (random.integer(2)) block.unshift(...h2.integer(0x20, 5, random.pick(sizes)));
  }
  const text = (max: number) => "v".repeat(random.integer(max));
  const name = () => "n".repeat(1 + random.integer(60));
  for (let count = random.integer(12); count > 0; count--) {
    const value = h2.string(text(random.pick([4, 300, 5000])));
    block.push(
      ...random.pick<() => number[]>([
        () => [0x40, ...h2.string(name()), ...value],
        () => [0x00, ...h2.string(name()), ...value],
        () => [0x10, ...h2.string(name()), ...value],
        // Names of the static table; not of fields that may come once only.
        () => [...h2.integer(0x40, 6, 15 + random.integer(5)), ...value],
        () => [...h2.integer(0x00, 4, 15 + random.integer(5)), ...value],
        () => h2.indexed(15 + random.integer(5)),
      ])(),
    );
  }
  return block;
}

/** Serves header blocks with Deno's own decoder and tells the size of each list. */
async function decodedSizes(blocks: Uint8Array[]): Promise<number[]> {
  const sizes: number[] = [];
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const server = http2.createServer({
    maxHeaderListPairs: 1000,
    settings: { maxHeaderListSize: 1e6 },
  });
  const onStream = (
    stream: http2.ServerHttp2Stream,
    _: unknown,
    _flags: unknown,
    raw: string[],
  ) => {
    stream.on("error", () => {});
    sizes.push(
      sizeOf(Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at], raw[2 * at + 1]])),
    );
    if (sizes.length === blocks.length) resolve();
  };
  server.on("stream", onStream as (stream: http2.ServerHttp2Stream) => void);
  server.on("session", (session) => session.on("error", reject));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("close", () => reject(new Error(`closed after ${sizes.length} header lists`)));
  socket.on("data", () => {});
  try {
    socket.write(h2.concat(h2.PREFACE, h2.frame(h2.SETTINGS)));
    const frames = blocks.map((block, index) =>
      h2.headerBlock(1 + 2 * index, block, { flags: h2.END_STREAM })
    );
    socket.write(h2.concat(...frames));
    await done;
    return sizes;
  } finally {
    socket.destroy();
    server.close();
  }
}

Deno.test("HpackMeter: measures what Deno's own decoder decodes", async () => {
  const random = createRandom(SEED);
  for (let connection = 0; connection < 10; connection++) {
    const blocks: Uint8Array[] = [];
    /** The size of a block after those there are. */
    const measure = (block: number[]) => {
      const meter = new HpackMeter(NO_LIMITS);
      blocks.forEach((each) => meter.measure(each));
      return meter.measure(Uint8Array.from(block));
    };
    for (let count = 0; count < 40; count++) {
      const block = randomBlock(random, count === 0);
      // References to whatever the table has by now, as far as there is something.
      for (let tries = random.integer(6); tries > 0; tries--) {
        const reference = h2.indexed(62 + random.integer(20));
        try {
          measure([...block, ...reference]);
          block.push(...reference);
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
      }
      blocks.push(Uint8Array.from(block));
    }
    const meter = new HpackMeter(NO_LIMITS);
    const measured = blocks.map((block) => meter.measure(block));
    assert.deepEqual(
      measured,
      await decodedSizes(blocks),
      `seed ${SEED}, connection ${connection}`,
    );
  }
});

/** What Deno's own client sends for these requests, and what it says the fields were. */
async function encoded(
  requests: Record<string, string>[],
): Promise<{ bytes: Uint8Array; sizes: number[] }> {
  const chunks: Uint8Array[] = [];
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let headers = 0;
  const frames = new FrameHeaders(({ type }) => {
    if (type === h2.HEADERS && ++headers === requests.length) resolve();
  });
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(h2.frame(h2.SETTINGS, [0, 3, ...h2.uint32(1000)]));
    let passed = 0;
    socket.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      const start = Math.min(chunk.length, Math.max(0, h2.PREFACE.length - passed));
      passed += chunk.length;
      frames.add(chunk.subarray(start));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => {});
  try {
    const sizes = requests.map((fields) => {
      const stream = session.request(fields);
      stream.on("error", () => {});
      return sizeOf(Object.entries(stream.sentHeaders!) as [string, string][]);
    });
    await done;
    return { bytes: h2.concat(...chunks), sizes };
  } finally {
    session.destroy();
    server.close();
  }
}

Deno.test("HpackMeter: measures what Deno's own encoder encodes", async () => {
  const random = createRandom(SEED);
  const character = () => String.fromCharCode(0x21 + random.integer(0x5e));
  const text = (max: number) => Array.from({ length: random.integer(max) }, character).join("");
  const requests = Array.from({ length: 60 }, () => {
    const fields: Record<string, string> = { ":path": `/${text(20)}`, "authorization": text(600) };
    for (let count = random.integer(10); count > 0; count--) {
      fields[`x-${random.integer(30)}`] = text(random.pick([5, 100]));
    }
    return fields;
  });
  const { bytes, sizes } = await encoded(requests);
  const meter = new HpackMeter(NO_LIMITS);
  const measured: number[] = [];
  for (let at = h2.PREFACE.length; at < bytes.length;) {
    const { type, flags, payloadBytes } = readFrameHeader(bytes, at);
    const payload = bytes.subarray(at + 9, at + 9 + payloadBytes);
    at += 9 + payloadBytes;
    if (type !== h2.HEADERS || payload.length < payloadBytes) continue;
    assert.ok(flags & h2.END_HEADERS);
    measured.push(meter.measure(payload.subarray(flags & h2.PRIORITY_FLAG ? 5 : 0)));
  }
  assert.deepEqual(measured.slice(0, sizes.length), sizes);
});

Deno.test("HpackMeter: takes the two table size updates that an encoder may need, and no more", () => {
  const meter = new HpackMeter(NO_LIMITS);
  const updates = [0x20, ...h2.integer(0x20, 5, 4096)];
  const method = h2.indexed(2);
  assert.equal(meter.measure(Uint8Array.from([...updates, ...method])), 42);
  assert.throws(
    () => meter.measure(Uint8Array.from([...updates, 0x20, ...method])),
    new RangeError("a header block has too many table size updates"),
  );
});
