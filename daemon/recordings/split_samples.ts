const NEWLINE = 0x0a;
/** More than any sample has: text that goes on longer is passed on as it is. */
const MAX_HELD_BYTES = 1 << 20;
/**
 * perf script writes 4 KB at a time: whole samples are passed on when they make up as much as this.
 */
const CHUNK_BYTES = 64 << 10;
/** With room for a read beyond that. */
const BUFFER_BYTES = 2 * CHUNK_BYTES;

/**
 * Cuts perf script's text into chunks that each end with a whole sample, so that the texts of
 * several perf scripts can be put one after the other as they come. A chunk is good until the next
 * one is asked for.
 *
 * With call graphs a sample ends with an empty line, without them with its only line.
 */
export async function* splitSamples(
  source: AsyncIterable<Uint8Array>,
  callGraph: boolean,
): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(BUFFER_BYTES);
  let heldBytes = 0;
  /** How much of what is held are whole samples. */
  let wholeBytes = 0;
  for await (const chunk of source) {
    if (heldBytes + chunk.length > buffer.length) {
      const larger = new Uint8Array(2 * (heldBytes + chunk.length));
      larger.set(buffer.subarray(0, heldBytes));
      buffer = larger;
    }
    // The end may lie across chunks: look at the last byte held together with this chunk.
    const end = lastSampleEnd(chunk, callGraph, heldBytes > 0 && buffer[heldBytes - 1] === NEWLINE);
    if (end > 0) wholeBytes = heldBytes + end;
    buffer.set(chunk, heldBytes);
    heldBytes += chunk.length;
    if (heldBytes >= MAX_HELD_BYTES && wholeBytes < CHUNK_BYTES) wholeBytes = heldBytes;
    if (wholeBytes < CHUNK_BYTES) continue;
    yield buffer.subarray(0, wholeBytes);
    buffer.copyWithin(0, wholeBytes, heldBytes);
    heldBytes -= wholeBytes;
    wholeBytes = 0;
  }
  if (wholeBytes > 0) yield buffer.subarray(0, wholeBytes);
  if (heldBytes > wholeBytes) yield buffer.subarray(wholeBytes, heldBytes);
}

/** Where the last whole sample of a chunk ends; 0 when none does. */
function lastSampleEnd(chunk: Uint8Array, callGraph: boolean, afterNewline: boolean): number {
  let end = chunk.lastIndexOf(NEWLINE);
  if (!callGraph) return end + 1;
  while (end > 0 && chunk[end - 1] !== NEWLINE) end = chunk.lastIndexOf(NEWLINE, end - 1);
  if (end > 0) return end + 1;
  return end === 0 && afterNewline ? 1 : 0;
}
