/** Requests that no gRPC client sends, and the status that the real daemon answers with. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { deflateSync, gzipSync } from "node:zlib";
import { grpc } from "../../proto/grpc.ts";
import { startDaemon } from "../testing/daemon.ts";

const CALL_DEADLINE_MS = 60_000;

/** A message as gRPC sends it. */
function framed(bytes: Uint8Array, { compressed = 0, length = bytes.length } = {}): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

const bytes = (...values: number[]) => Uint8Array.from(values);

/** StopRecordingRequest and the others have a string as the field 1. */
const WHOLE = framed(bytes(0x0a, 1, 0x61));

interface Case {
  body: Uint8Array;
  encoding?: string;
  status: keyof typeof grpc.status;
}

const CASES: Record<string, Case> = {
  "bytes that are no message": { body: framed(bytes(255, 255, 255)), status: "INVALID_ARGUMENT" },
  "a field that is cut off": { body: framed(bytes(0x0a, 64, 0x61)), status: "INVALID_ARGUMENT" },
  "a tag that is cut off": { body: framed(bytes(0x80)), status: "INVALID_ARGUMENT" },
  "a field of another wire type": { body: framed(bytes(0x08, 1)), status: "INVALID_ARGUMENT" },
  "a wire type that there is not": { body: framed(bytes(0x0f, 1)), status: "INVALID_ARGUMENT" },
  "a number of more than ten bytes": {
    body: framed(new Uint8Array(12).fill(0xff)),
    status: "INVALID_ARGUMENT",
  },
  "a group without an end": { body: framed(bytes(0x7b, 0x7b)), status: "INVALID_ARGUMENT" },
  "text that is not UTF-8": {
    body: framed(bytes(0x0a, 2, 0xc3, 0x28)),
    status: "INVALID_ARGUMENT",
  },
  "a message that is cut off": {
    body: framed(bytes(0x0a, 1), { length: 100 }),
    status: "INVALID_ARGUMENT",
  },
  "the start of a length": { body: bytes(0, 0), status: "INVALID_ARGUMENT" },
  "no message": { body: bytes(), status: "INVALID_ARGUMENT" },
  "two messages": { body: Buffer.concat([WHOLE, WHOLE]), status: "INVALID_ARGUMENT" },
  "a message and the start of a large one": {
    body: Buffer.concat([WHOLE, bytes(0, 255, 255, 255, 255)]),
    status: "RESOURCE_EXHAUSTED",
  },
  "compression that is not said": {
    body: framed(gzipSync(bytes(0x0a, 1, 0x61)), { compressed: 1 }),
    status: "INVALID_ARGUMENT",
  },
  "garbage instead of gzip": {
    body: framed(bytes(1, 2, 3, 4), { compressed: 1 }),
    encoding: "gzip",
    status: "INVALID_ARGUMENT",
  },
  "gzip that is cut off": {
    body: framed(gzipSync(bytes(0x0a, 1, 0x61)).subarray(0, 12), { compressed: 1 }),
    encoding: "gzip",
    status: "INVALID_ARGUMENT",
  },
  "garbage in gzip": {
    body: framed(gzipSync(bytes(255, 255)), { compressed: 1 }),
    encoding: "gzip",
    status: "INVALID_ARGUMENT",
  },
  "garbage instead of deflate": {
    body: framed(bytes(1, 2, 3, 4), { compressed: 1 }),
    encoding: "deflate",
    status: "INVALID_ARGUMENT",
  },
  "unknown compression": {
    body: framed(bytes(1, 2, 3), { compressed: 1 }),
    encoding: "snappy",
    status: "UNIMPLEMENTED",
  },
  "more than a message may have": {
    body: framed(new Uint8Array(100_000)),
    status: "RESOURCE_EXHAUSTED",
  },
  "a length of 4 GB": {
    body: framed(bytes(), { length: 2 ** 32 - 1 }),
    status: "RESOURCE_EXHAUSTED",
  },
  "a little gzip of much": {
    body: framed(gzipSync(new Uint8Array(10_000_000)), { compressed: 1 }),
    encoding: "gzip",
    status: "RESOURCE_EXHAUSTED",
  },
  "good gzip": {
    body: framed(gzipSync(bytes(0x0a, 1, 0x61)), { compressed: 1 }),
    encoding: "gzip",
    status: "NOT_FOUND",
  },
  "good deflate": {
    body: framed(deflateSync(bytes(0x0a, 1, 0x61)), { compressed: 1 }),
    encoding: "deflate",
    status: "NOT_FOUND",
  },
  "a good message": { body: WHOLE, status: "NOT_FOUND" },
};

/** Sends a body as it is; the status of the call, and its words. */
async function send(
  session: http2.ClientHttp2Session,
  method: string,
  { body, encoding }: Case,
): Promise<{ status: string; message: string }> {
  const stream = session.request({
    ":method": "POST",
    ":path": `/necoperf.NecoPerf/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...encoding === undefined ? {} : { "grpc-encoding": encoding },
  });
  const found: Record<string, unknown> = {};
  stream.on("response", (headers) => Object.assign(found, headers));
  stream.on("trailers", (headers) => Object.assign(found, headers));
  stream.on("error", () => {});
  stream.resume();
  stream.end(body);
  await once(stream, "close", { signal: AbortSignal.timeout(CALL_DEADLINE_MS) });
  return {
    status: grpc.status[Number(found["grpc-status"] ?? -1)],
    message: decodeURI(String(found["grpc-message"] ?? "")),
  };
}

Deno.test("daemon: a request that is malformed gets INVALID_ARGUMENT", async (t) => {
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  const session = http2.connect(`http://${daemon.address}`);
  session.on("error", () => {});
  try {
    // A call with one answer, and one with a stream of them.
    for (const method of ["StopRecording", "FetchResult"]) {
      for (const [what, sent] of Object.entries(CASES)) {
        await t.step(`${method}: ${what}`, async () => {
          const { status, message } = await send(session, method, sent);
          assert.equal(status, sent.status, message);
          assert.notEqual(message, "");
        });
      }
    }
    const errors = daemon.log.filter((line) =>
      line.level === "ERROR" && line.message !== "not ready"
    );
    assert.deepEqual(errors, []);
  } finally {
    session.destroy();
  }
});
