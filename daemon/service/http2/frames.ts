/** Types of frames (RFC 9113, section 6). */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  GOAWAY: 7,
  CONTINUATION: 9,
} as const;

/** Flags of frames; `END_STREAM` counts for DATA and HEADERS only. */
export const Flag = { END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

/** Codes that say why a stream or a connection ends (RFC 9113, section 7). */
export const ErrorCode = {
  PROTOCOL_ERROR: 1,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** The bytes before the payload of each frame. */
export const FRAME_HEADER_BYTES = 9;

/** What a frame says before its payload. */
export interface FrameHeader {
  payloadBytes: number;
  type: number;
  flags: number;
  streamId: number;
}

/** The header of the frame that starts at an offset, all of which has to be there. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader {
  return {
    payloadBytes: bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2],
    type: bytes[at + 3],
    flags: bytes[at + 4],
    streamId: (bytes[at + 5] & 127) << 24 | bytes[at + 6] << 16 | bytes[at + 7] << 8 |
      bytes[at + 8],
  };
}

/** A GOAWAY frame: why a connection ends, with words for who debugs it. */
export function goaway(errorCode: number, reason: string): Uint8Array {
  const words = new TextEncoder().encode(reason);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + 8 + words.length);
  const view = new DataView(frame.buffer);
  view.setUint16(1, 8 + words.length);
  frame[3] = FrameType.GOAWAY;
  // Any stream may have been processed: nobody is to repeat a call because of this.
  view.setUint32(FRAME_HEADER_BYTES, 2 ** 31 - 1);
  view.setUint32(FRAME_HEADER_BYTES + 4, errorCode);
  frame.set(words, FRAME_HEADER_BYTES + 8);
  return frame;
}

/**
 * Finds the frames in what one side of a connection sends, in whatever pieces it comes, when
 * nothing but their headers matters.
 */
export class FrameHeaders {
  readonly #partial = new Uint8Array(FRAME_HEADER_BYTES);
  #partialBytes = 0;
  /** What is left of the payload of the last frame. */
  #payloadLeft = 0;

  constructor(private readonly onFrame: (frame: FrameHeader) => void) {}

  /** Takes the next piece. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#payloadLeft > 0) {
        const passed = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= passed;
        at += passed;
      } else {
        this.#partial[this.#partialBytes++] = bytes[at++];
        if (this.#partialBytes < FRAME_HEADER_BYTES) continue;
        this.#partialBytes = 0;
        const frame = readFrameHeader(this.#partial, 0);
        this.#payloadLeft = frame.payloadBytes;
        this.onFrame(frame);
      }
    }
  }
}
