/** The content type of a TLS record, and the type of the message in it (RFC 8446, 5.1 and 4). */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** 3 of `legacy_record_version`: SSL 3.0 and all versions of TLS. */
const MAJOR_VERSION = 3;
/** A record's header, and that of a handshake message. */
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
/** Today's clients send up to 2 KB, most of it a post-quantum key share. */
const MAX_MESSAGE_BYTES = 16 * 1024;

/**
 * Whether the bytes that a connection starts with are a ClientHello's; undefined when that takes
 * more of them.
 */
export function startsWithClientHello(bytes: Uint8Array): boolean | undefined {
  const known = [[0, HANDSHAKE], [1, MAJOR_VERSION], [RECORD_HEADER_BYTES, CLIENT_HELLO]];
  if (known.some(([at, value]) => at < bytes.length && bytes[at] !== value)) return false;
  if (bytes.length < RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES) return undefined;
  const recordBytes = bytes[3] << 8 | bytes[4];
  const messageBytes = bytes[6] << 16 | bytes[7] << 8 | bytes[8];
  return recordBytes >= MESSAGE_HEADER_BYTES && recordBytes <= 2 ** 14 &&
    messageBytes <= MAX_MESSAGE_BYTES;
}
