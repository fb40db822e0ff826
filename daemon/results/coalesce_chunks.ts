/**
 * Joins the chunks of a source until they make up `minBytes`; the last may be shorter. What each
 * chunk costs downstream, a write to a file above all, is then paid once for many.
 */
export async function* coalesceChunks(
  source: AsyncIterable<Uint8Array>,
  minBytes: number,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of source) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < minBytes) continue;
    yield concat(held, heldBytes);
    held = [];
    heldBytes = 0;
  }
  if (heldBytes > 0) yield concat(held, heldBytes);
}

/** Joins chunks of so many bytes in total; a single one is not copied. */
function concat(chunks: Uint8Array[], totalBytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(totalBytes);
  let position = 0;
  for (const chunk of chunks) {
    all.set(chunk, position);
    position += chunk.length;
  }
  return all;
}
