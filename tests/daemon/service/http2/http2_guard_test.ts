import assert from "node:assert/strict";
import {
  GuardError,
  type GuardReason,
  HEADER_LIST_LIMITS,
  Http2Guard,
} from "../../../../daemon/service/http2/http2_guard.ts";
import * as h2 from "../../../testing/http2_frames.ts";

const START = h2.concat(h2.PREFACE, h2.frame(h2.SETTINGS));
const FIELDS = h2.callFields("/a.B/C");
/** What the answer of a call starts and ends with. */
const answer = (streamId: number) =>
  h2.frame(h2.HEADERS, [0x88], { streamId, flags: h2.END_HEADERS | h2.END_STREAM });

/** A guard whose clock stands, and what the calls take. */
function startGuard() {
  const state = { takenBytes: 0, nowMs: 0 };
  const guard = new Http2Guard({ add: (bytes) => state.takenBytes += bytes }, () => state.nowMs);
  /** All that passes of what is received, and of what waits for its turn. */
  const receive = (...parts: Uint8Array[]) => {
    const passed: Uint8Array[] = [];
    for (const part of parts) {
      for (let chunk = part, more = true; more; chunk = new Uint8Array(0)) {
        const answer = guard.receive(chunk);
        passed.push(answer.passed);
        more = answer.hasMore;
      }
    }
    return h2.concat(...passed);
  };
  receive(START);
  return { guard, state, receive };
}

function assertRefused(reason: GuardReason, ...parts: Uint8Array[]): void {
  const { receive } = startGuard();
  assert.throws(() => receive(...parts), (error: GuardError) => error.reason === reason);
}

Deno.test("Http2Guard: passes what is allowed, byte for byte, however it is cut", () => {
  const padding = [3, ...h2.uint32(0), 16];
  const all = h2.concat(
    ...[START, h2.headerBlock(1, FIELDS), h2.frame(h2.DATA, [1, 2, 3], { streamId: 1 })],
    h2.frame(h2.HEADERS, [...padding, ...FIELDS, 0, 0, 0], {
      streamId: 3,
      flags: h2.END_HEADERS | h2.PADDED | h2.PRIORITY_FLAG,
    }),
    h2.headerBlock(5, [...FIELDS, ...h2.literal("a", "x".repeat(20_000))]),
    h2.headerBlock(7, FIELDS, { frameBytes: 20 }),
    h2.frame(h2.DATA, new Uint8Array(16_384), { streamId: 1, flags: h2.END_STREAM }),
    h2.frame(h2.PING, new Uint8Array(8)),
  );
  for (const pieceBytes of [1, 2, 7, 9, 1000, all.length]) {
    const guard = new Http2Guard({ add: () => {} }, () => 0);
    const passed: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += pieceBytes) {
      passed.push(guard.receive(all.slice(at, at + pieceBytes)).passed);
    }
    assert.deepEqual(h2.concat(...passed), all, `in pieces of ${pieceBytes}`);
  }
});

Deno.test("Http2Guard: passes nothing of a header block before all of it has come", () => {
  const { guard } = startGuard();
  const block = h2.headerBlock(1, [...FIELDS, ...h2.literal("a", "x".repeat(20_000))]);
  assert.equal(guard.receive(block.subarray(0, -1)).passed.length, 0);
  assert.deepEqual(h2.concat(guard.receive(block.subarray(-1)).passed), block);
});

Deno.test("Http2Guard: passes a header list of the largest size, and none larger", () => {
  const name = "a";
  const room = HEADER_LIST_LIMITS.maxSizeBytes - 32 - name.length;
  const { receive } = startGuard();
  const largest = h2.headerBlock(1, h2.literal(name, "x".repeat(room - 8)));
  assert.deepEqual(receive(largest), largest);
  assertRefused("header-list", h2.headerBlock(1, h2.literal(name, "x".repeat(room + 1))));
});

Deno.test("Http2Guard: refuses references that make a large list of a few bytes", () => {
  const seed = h2.headerBlock(1, [...FIELDS, ...h2.indexing("a", "x".repeat(3900))]);
  const { receive } = startGuard();
  const two = h2.headerBlock(3, [...FIELDS, 0xbe, 0xbe]);
  assert.deepEqual(receive(seed, two), h2.concat(seed, two));
  const many = h2.headerBlock(3, [...FIELDS, ...new Array(10).fill(0xbe)]);
  assertRefused("header-list", seed, many);
  assertRefused("header-list", seed, h2.headerBlock(1, new Array(10).fill(0xbe)));
  // Of the static table: fields that cost nothing to name.
  assertRefused("header-list", h2.headerBlock(1, new Array(101).fill(0x82)));
});

Deno.test("Http2Guard: refuses a header block of too many frames", () => {
  const start = h2.frame(h2.HEADERS, FIELDS, { streamId: 1 });
  const more = h2.frame(h2.CONTINUATION, [], { streamId: 1 });
  assertRefused("header-list", start, ...new Array(8).fill(more));
});

const PROTOCOL_ERRORS: Record<string, Uint8Array[]> = {
  "a CONTINUATION without a start": [h2.frame(h2.CONTINUATION, [], { streamId: 1 })],
  "a CONTINUATION of another stream": [
    h2.frame(h2.HEADERS, FIELDS, { streamId: 1 }),
    h2.frame(h2.CONTINUATION, [], { streamId: 3, flags: h2.END_HEADERS }),
  ],
  "another frame inside a header block": [
    h2.frame(h2.HEADERS, FIELDS, { streamId: 1 }),
    h2.frame(h2.PING, new Uint8Array(8)),
  ],
  "PUSH_PROMISE": [h2.frame(h2.PUSH_PROMISE, [0, 0, 0, 2, 0x82], { streamId: 1 })],
  "padding that is longer than the frame": [
    h2.frame(h2.HEADERS, [9, 0x82], { streamId: 1, flags: h2.END_HEADERS | h2.PADDED }),
  ],
  "padding that is not there": [
    h2.frame(h2.HEADERS, [], { streamId: 1, flags: h2.END_HEADERS | h2.PADDED }),
  ],
  "a priority that is not there": [
    h2.frame(h2.HEADERS, [0, 0], { streamId: 1, flags: h2.END_HEADERS | h2.PRIORITY_FLAG }),
  ],
  "HPACK that no encoder makes": [h2.headerBlock(1, [0x80])],
};

for (const [what, frames] of Object.entries(PROTOCOL_ERRORS)) {
  Deno.test(`Http2Guard: refuses ${what}`, () => assertRefused("protocol", ...frames));
}

Deno.test("Http2Guard: refuses what does not start with HTTP/2's preface", () => {
  const guard = new Http2Guard({ add: () => {} });
  guard.receive(h2.PREFACE.subarray(0, 10));
  assert.throws(() => guard.receive(new TextEncoder().encode("GET / HTTP/1.1")), GuardError);
});

const NEXT_TO_NOTHING: Record<string, Uint8Array> = {
  PING: h2.frame(h2.PING, new Uint8Array(8)),
  SETTINGS: h2.frame(h2.SETTINGS),
  WINDOW_UPDATE: h2.frame(h2.WINDOW_UPDATE, h2.uint32(1)),
  PRIORITY: h2.frame(h2.PRIORITY, [0, 0, 0, 0, 1], { streamId: 1 }),
  "frames of an unknown type": h2.frame(99),
  "DATA without any": h2.frame(h2.DATA, [], { streamId: 1 }),
  "DATA of a byte": h2.frame(h2.DATA, [0], { streamId: 1 }),
  "header blocks that nobody answers": h2.headerBlock(1, [0x82]),
};

for (const [what, flood] of Object.entries(NEXT_TO_NOTHING)) {
  Deno.test(`Http2Guard: refuses a flood of ${what}`, () => {
    const { receive } = startGuard();
    receive(h2.headerBlock(1, FIELDS), ...new Array(400).fill(flood));
    assert.throws(
      () => receive(...new Array(200).fill(flood)),
      (error: GuardError) => error.reason === "flood",
    );
  });
}

const BYTES_FOR_NOBODY: Record<string, Uint8Array> = {
  "DATA of a call that is over": h2.frame(h2.DATA, new Uint8Array(10_000), { streamId: 1 }),
  "DATA of no call": h2.frame(h2.DATA, new Uint8Array(10_000), { streamId: 5 }),
  "GOAWAY with a long text": h2.frame(h2.GOAWAY, new Uint8Array(10_000)),
  "long frames of an unknown type": h2.frame(99, new Uint8Array(10_000), { streamId: 3 }),
};

for (const [what, flood] of Object.entries(BYTES_FOR_NOBODY)) {
  Deno.test(`Http2Guard: passes 100 kB of ${what}, and refuses 150 kB`, () => {
    const { receive } = startGuard();
    const reset = h2.frame(h2.RST_STREAM, h2.uint32(8), { streamId: 1 });
    receive(h2.headerBlock(1, FIELDS), reset, h2.headerBlock(3, FIELDS));
    const ten = h2.concat(...new Array(10).fill(flood));
    assert.deepEqual(receive(ten), ten);
    assert.throws(
      () => receive(...new Array(5).fill(flood)),
      (error: GuardError) => error.reason === "flood",
    );
  });
}

Deno.test("Http2Guard: passes a frame of 32 settings, and refuses one of more", () => {
  const settings = (count: number) => h2.frame(h2.SETTINGS, new Uint8Array(count * 6));
  const { receive } = startGuard();
  assert.deepEqual(receive(settings(32)), settings(32));
  assertRefused("flood", settings(33));
});

Deno.test("Http2Guard: a client may send a few frames a second for ever", () => {
  const { receive, state } = startGuard();
  for (let second = 0; second < 60; second++) {
    state.nowMs += 1000;
    receive(...new Array(40).fill(NEXT_TO_NOTHING.PING));
  }
});

Deno.test("Http2Guard: a client may update windows as fast as it is sent data", () => {
  const { guard, receive } = startGuard();
  const updates = [0, 1].map((streamId) =>
    h2.frame(h2.WINDOW_UPDATE, h2.uint32(1000), { streamId })
  );
  receive(h2.headerBlock(1, FIELDS));
  for (let frame = 0; frame < 1000; frame++) {
    guard.sent(h2.frame(h2.DATA, new Uint8Array(1000), { streamId: 1 }));
    receive(...updates);
  }
});

Deno.test("Http2Guard: a client may make any number of calls that are answered", () => {
  const { guard, state, receive } = startGuard();
  for (let id = 1; id < 20_000; id += 2) {
    receive(
      h2.headerBlock(id, FIELDS),
      h2.frame(h2.DATA, [0, 0, 0, 0, 0], { streamId: id, flags: h2.END_STREAM }),
    );
    guard.sent(answer(id));
  }
  assert.equal(state.takenBytes, 0);
});

Deno.test("Http2Guard: counts what calls take until both sides have ended them, or one resets", () => {
  const { guard, state, receive } = startGuard();
  const open = (id: number, flags = 0) => receive(h2.headerBlock(id, FIELDS, { flags }));
  open(1);
  const ofCall = state.takenBytes;
  assert.ok(ofCall > 200);
  receive(h2.frame(h2.DATA, new Uint8Array(1000), { streamId: 1 }));
  const withData = state.takenBytes;
  assert.ok(withData >= ofCall + 1000);
  receive(h2.headerBlock(1, h2.literal("a", "x".repeat(100)), { flags: h2.END_STREAM }));
  assert.equal(state.takenBytes, withData + 133);
  // In pieces, as a runtime may write it.
  for (const byte of answer(1)) guard.sent(Uint8Array.of(byte));
  assert.equal(state.takenBytes, 0);

  open(3);
  guard.sent(answer(3));
  assert.equal(state.takenBytes, ofCall);
  receive(h2.frame(h2.RST_STREAM, h2.uint32(8), { streamId: 3 }));
  assert.equal(state.takenBytes, 0);

  open(5, h2.END_STREAM);
  guard.sent(h2.frame(h2.DATA, [1], { streamId: 5 }));
  assert.equal(state.takenBytes, ofCall);
  guard.sent(h2.frame(h2.RST_STREAM, h2.uint32(8), { streamId: 5 }));
  assert.equal(state.takenBytes, 0);
});

Deno.test("Http2Guard: lets others have their turn between many calls", () => {
  const { guard } = startGuard();
  const calls = Array.from({ length: 20 }, (_, index) => h2.headerBlock(1 + 2 * index, FIELDS));
  const all = h2.concat(...calls);
  const first = guard.receive(all);
  assert.equal(first.hasMore, true);
  assert.equal(first.passed.length, 8 * calls[0].length);
  const [second, third] = [0, 1].map(() => guard.receive(new Uint8Array(0)));
  assert.deepEqual([second.hasMore, third.hasMore], [true, false]);
  assert.deepEqual(h2.concat(first.passed, second.passed, third.passed), all);
});
