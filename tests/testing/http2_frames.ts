/**
 * Frames and header blocks of HTTP/2, made by hand (RFC 9113, RFC 7541): what a runtime's own
 * `node:http2` would not send.
 *
 * @module
 */

/** What a client sends first. */
export const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY_FLAG = 32;

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** One frame. */
export function frame(
  type: number,
  payload: ArrayLike<number> = [],
  { flags = 0, streamId = 0 } = {},
): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8 | type);
  bytes[4] = flags;
  view.setUint32(5, streamId);
  bytes.set(payload, 9);
  return bytes;
}

/** A number of 32 bits. */
export function uint32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}

/** Bytes one after the other. */
export function concat(...parts: ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An integer of HPACK after the first bits of a byte. */
export function integer(first: number, prefixBits: number, value: number): number[] {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) return [first | value];
  const bytes = [first | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(rest % 128 | 128);
  return [...bytes, rest];
}

/** A string of HPACK as it is, not Huffman-coded. */
export function string(text: string): number[] {
  return [...integer(0, 7, text.length), ...new TextEncoder().encode(text)];
}

/** A field of the static or the dynamic table. */
export function indexed(index: number): number[] {
  return integer(0x80, 7, index);
}

/** A field with a name of its own, which the table is to keep. */
export function indexing(name: string, value: string): number[] {
  return [0x40, ...string(name), ...string(value)];
}

/** A field with a name of its own, which the table is not to keep. */
export function literal(name: string, value: string): number[] {
  return [0x00, ...string(name), ...string(value)];
}

/** The fields of a call, without its token. */
export function callFields(path: string): number[] {
  return [
    // :method POST, :scheme http
    ...[...indexed(3), ...indexed(6)],
    // :path, :authority, content-type by the names in the static table
    ...[...integer(0, 4, 4), ...string(path), ...integer(0, 4, 1), ...string("x")],
    ...[...integer(0, 4, 31), ...string("application/grpc")],
    ...literal("te", "trailers"),
  ];
}

/** A header block of any size as HEADERS and the CONTINUATIONs that it takes. */
export function headerBlock(
  streamId: number,
  block: ArrayLike<number>,
  { flags = 0, frameBytes = 16384 } = {},
): Uint8Array {
  const bytes = Uint8Array.from(block);
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += frameBytes) {
    const isLast = at + frameBytes >= bytes.length;
    frames.push(frame(at === 0 ? HEADERS : CONTINUATION, bytes.subarray(at, at + frameBytes), {
      flags: (at === 0 ? flags : 0) | (isLast ? END_HEADERS : 0),
      streamId,
    }));
  }
  return concat(...frames);
}
