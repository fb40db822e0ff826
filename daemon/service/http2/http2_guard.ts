import {
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameHeaders,
  FrameType,
  readFrameHeader,
} from "./frames.ts";
import { HeaderListTooLargeError, HpackMeter } from "./hpack_meter.ts";
import type { RequestAccount } from "./request_budget.ts";

/**
 * The largest header list of a call. A token of 16 KB has room, and what proxies add. The number of
 * fields is below that of which Deno's `node:http2` makes an end itself: it forgets then to free
 * them.
 */
export const HEADER_LIST_LIMITS = { maxSizeBytes: 32 * 1024, maxFields: 100 };

/** The frames that a header block may come in: two are enough for the largest list. */
const MAX_BLOCK_FRAMES = 8;

/** The most that a header block may have as bytes on the wire. */
const MAX_BLOCK_BYTES = HEADER_LIST_LIMITS.maxSizeBytes;

/** The frames that a peer may send at once when none of them carries or gets anything. */
const MAX_CREDITS = 500;
/**
 * How many more it may send for each answer, for what the frames carry either way, and as time
 * passes. Bytes that carry nothing for a call take as many as they would have given.
 */
const CREDITS_PER_ANSWER = 3;
const BYTES_PER_CREDIT = 256;
const CREDITS_PER_SECOND = 50;

/**
 * The settings that a frame may have, each with 6 bytes. HTTP/2 knows ten, and nghttp2 takes as
 * many as this.
 */
const MAX_SETTINGS = 32;

/** The header blocks of a connection that may pass before others have their turn. */
const MAX_BLOCKS_A_TURN = 8;

/** The memory of an open stream, about, without the data that its peer has sent for it. */
const STREAM_BYTES = 4096;

/** How often the runtime and grpc-js hold what has come of a message, about. */
const DATA_COPIES = 4;

const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Why the guard ends a connection; names in a metric. */
export type GuardReason = "header-list" | "flood" | "protocol";

/** A connection that has to end. The message is for its peer. */
export class GuardError extends Error {
  constructor(
    readonly reason: GuardReason,
    /** Of HTTP/2. */
    readonly errorCode: number,
    message: string,
  ) {
    super(message);
  }
}

interface OpenStream {
  bytes: number;
  /** Which sides have said that they are done. */
  peerEnded: boolean;
  selfEnded: boolean;
}

/**
 * Looks at all that the peer of an HTTP/2 connection sends before it is read: refuses header lists
 * that are too large, whatever a few bytes of HPACK make of themselves, and floods of frames that
 * carry next to nothing; and counts what the calls under way take. Deno's `node:http2` (2.9.6)
 * builds header lists of any size, see docs/decisions/http2-header-lists.md.
 */
export class Http2Guard {
  readonly #hpack = new HpackMeter(HEADER_LIST_LIMITS);
  readonly #streams = new Map<number, OpenStream>();
  readonly #sentFrames = new FrameHeaders((frame) => this.#onSentFrame(frame));
  /** Received bytes that may not pass yet: a part of a frame's header, or of a header block. */
  #held: Uint8Array = new Uint8Array(0);
  #prefaceRead = 0;
  /** Bytes that are still to come of the payload of a frame that passes. */
  #payloadLeft = 0;
  #credits = MAX_CREDITS;
  #creditedAt: number;

  /** `account` is told what the calls under way take; `now` is a clock in milliseconds. */
  constructor(
    private readonly account: RequestAccount,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#creditedAt = now();
  }

  /**
   * Takes what has come and returns what of it may pass on. When there is more than fair to others
   * `hasMore` says so: `receive` is then to be called again, with nothing new, after their turn.
   * Throws a `GuardError`.
   */
  receive(chunk: Uint8Array): { passed: Uint8Array; hasMore: boolean } {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    let at = this.#prefaceRead < PREFACE.length ? this.#readPreface(bytes) : 0;
    let blocks = 0;
    while (blocks < MAX_BLOCKS_A_TURN) {
      const passed = Math.min(this.#payloadLeft, bytes.length - at);
      this.#payloadLeft -= passed;
      at += passed;
      if (bytes.length - at < FRAME_HEADER_BYTES) break;
      const frame = readFrameHeader(bytes, at);
      if (frame.type === FrameType.HEADERS) {
        const end = this.#readHeaderBlock(bytes, at, frame);
        if (end === undefined) break;
        this.#takeCredits();
        at = end;
        blocks++;
      } else {
        this.#takeCredits();
        this.#onFrame(frame);
        at += FRAME_HEADER_BYTES;
        this.#payloadLeft = frame.payloadBytes;
      }
    }
    // A copy, so that a large chunk is not kept for a few bytes.
    this.#held = at < bytes.length ? bytes.slice(at) : new Uint8Array(0);
    return { passed: bytes.subarray(0, at), hasMore: blocks === MAX_BLOCKS_A_TURN };
  }

  /** Takes note of what is sent to the peer. */
  sent(chunk: Uint8Array): void {
    this.#addCredits(chunk.length / BYTES_PER_CREDIT);
    this.#sentFrames.add(chunk);
  }

  /** What is passed of the preface with which a client starts. */
  #readPreface(bytes: Uint8Array): number {
    let at = 0;
    for (; at < bytes.length && this.#prefaceRead < PREFACE.length; at++) {
      if (bytes[at] !== PREFACE[this.#prefaceRead++]) {
        throw protocolError("the connection does not start with the preface of HTTP/2");
      }
    }
    return at;
  }

  /**
   * Where the header block ends that starts with a HEADERS frame, or nothing while it is not whole.
   */
  #readHeaderBlock(bytes: Uint8Array, start: number, headers: FrameHeader): number | undefined {
    const fragments: Uint8Array[] = [];
    let blockBytes = 0;
    let frame = headers;
    for (let at = start;;) {
      blockBytes += frame.payloadBytes;
      if (blockBytes > MAX_BLOCK_BYTES || fragments.length === MAX_BLOCK_FRAMES) {
        throw headerListError(`a header block has more than ${MAX_BLOCK_BYTES} bytes, or frames`);
      }
      const end = at + FRAME_HEADER_BYTES + frame.payloadBytes;
      if (end > bytes.length) return undefined;
      const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end);
      fragments.push(frame === headers ? fragmentOf(frame, payload) : payload);
      if (frame.flags & Flag.END_HEADERS) {
        this.#onHeaderList(headers, this.#measure(fragments));
        return end;
      }
      if (bytes.length - end < FRAME_HEADER_BYTES) return undefined;
      frame = readFrameHeader(bytes, end);
      if (frame.type !== FrameType.CONTINUATION || frame.streamId !== headers.streamId) {
        throw protocolError("a header block is interrupted by another frame");
      }
      at = end;
    }
  }

  #measure(fragments: Uint8Array[]): number {
    try {
      return this.#hpack.measure(fragments.length === 1 ? fragments[0] : Buffer.concat(fragments));
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof HeaderListTooLargeError) throw headerListError(message);
      throw new GuardError("protocol", ErrorCode.COMPRESSION_ERROR, message);
    }
  }

  #onHeaderList({ streamId, flags }: FrameHeader, sizeBytes: number): void {
    let stream = this.#streams.get(streamId);
    if (!stream) {
      stream = { bytes: 0, peerEnded: false, selfEnded: false };
      this.#streams.set(streamId, stream);
      this.#count(stream, STREAM_BYTES);
    }
    this.#count(stream, sizeBytes);
    if (flags & Flag.END_STREAM) this.#end(streamId, "peerEnded");
  }

  /** A frame from the peer without headers. */
  #onFrame({ type, flags, streamId, payloadBytes }: FrameHeader): void {
    const stream = this.#streams.get(streamId);
    if (type === FrameType.CONTINUATION || type === FrameType.PUSH_PROMISE) {
      throw protocolError("a client may not send such a frame here");
    }
    if (type === FrameType.SETTINGS && payloadBytes > MAX_SETTINGS * 6) {
      throw floodError("a SETTINGS frame has too many settings");
    }
    if (type === FrameType.RST_STREAM) this.#close(streamId);
    if (type !== FrameType.DATA || !stream) {
      // Nobody reads data of a call that is over, or that there never was, and other frames are
      // short.
      this.#takeCredits(payloadBytes / BYTES_PER_CREDIT);
      return;
    }
    this.#addCredits(payloadBytes / BYTES_PER_CREDIT);
    this.#count(stream, payloadBytes * DATA_COPIES);
    if (flags & Flag.END_STREAM) this.#end(streamId, "peerEnded");
  }

  #onSentFrame({ type, flags, streamId }: FrameHeader): void {
    const canEnd = type === FrameType.DATA || type === FrameType.HEADERS;
    if (type === FrameType.HEADERS) this.#addCredits(CREDITS_PER_ANSWER);
    if (type === FrameType.RST_STREAM) this.#close(streamId);
    else if (canEnd && flags & Flag.END_STREAM) this.#end(streamId, "selfEnded");
  }

  #end(streamId: number, side: "peerEnded" | "selfEnded"): void {
    const stream = this.#streams.get(streamId);
    if (!stream) return;
    stream[side] = true;
    if (stream.peerEnded && stream.selfEnded) this.#close(streamId);
  }

  #close(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (!stream) return;
    this.#streams.delete(streamId);
    this.account.add(-stream.bytes);
  }

  #count(stream: OpenStream, bytes: number): void {
    stream.bytes += bytes;
    this.account.add(bytes);
  }

  #takeCredits(count = 1): void {
    if (this.#credits < count) {
      const now = this.now();
      this.#addCredits((now - this.#creditedAt) / 1000 * CREDITS_PER_SECOND);
      this.#creditedAt = now;
    }
    this.#credits -= count;
    if (this.#credits < 0) throw floodError("too many frames for what they carry");
  }

  #addCredits(count: number): void {
    this.#credits = Math.min(MAX_CREDITS, this.#credits + count);
  }
}

/** The part of the payload of a HEADERS frame that is HPACK. */
function fragmentOf({ flags }: FrameHeader, payload: Uint8Array): Uint8Array {
  const isPadded = (flags & Flag.PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + (flags & Flag.PRIORITY ? 5 : 0);
  const end = payload.length - (isPadded ? payload[0] : 0);
  // `end` is not a number for a frame that has no length of its padding.
  if (!(start <= end)) throw protocolError("a HEADERS frame is shorter than it says");
  return payload.subarray(start, end);
}

function protocolError(words: string): GuardError {
  return new GuardError("protocol", ErrorCode.PROTOCOL_ERROR, words);
}

function floodError(words: string): GuardError {
  return new GuardError("flood", ErrorCode.ENHANCE_YOUR_CALM, words);
}

function headerListError(words: string): GuardError {
  return new GuardError("header-list", ErrorCode.ENHANCE_YOUR_CALM, words);
}
