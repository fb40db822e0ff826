/** The least size of a chunk, unless it is the last one. */
const CHUNK_LENGTH = 64 * 1024;

/** Puts small pieces of text together into fewer, larger ones, as UTF-8. */
export async function* textChunks(
  pieces: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let held = "";
  for await (const piece of pieces) {
    held += piece;
    if (held.length < CHUNK_LENGTH) continue;
    yield encoder.encode(held);
    held = "";
  }
  if (held) yield encoder.encode(held);
}

/** Puts small pieces together into fewer, larger ones. */
export function* byteChunks(pieces: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>> {
  let held: Uint8Array[] = [];
  let length = 0;
  const release = () => {
    const chunk = new Uint8Array(length);
    length = 0;
    for (const piece of held) {
      chunk.set(piece, length);
      length += piece.length;
    }
    held = [];
    length = 0;
    return chunk;
  };
  for (const piece of pieces) {
    held.push(piece);
    length += piece.length;
    if (length >= CHUNK_LENGTH) yield release();
  }
  if (length > 0) yield release();
}
