const NEWLINE = 0x0a;
/** More than any sample has: text that goes on longer is passed on as it is. */
const MAX_HELD_BYTES = 1 << 20;

/**
 * Cuts perf script's text into chunks that each end with a whole sample, so that the texts of
 * several perf scripts can be put one after the other as they come.
 *
 * With call graphs a sample ends with an empty line, without them with its only line.
 */
export function wholeSamples(callGraph: boolean): TransformStream<Uint8Array, Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const hold = (chunk: Uint8Array) => {
    held.push(chunk);
    heldBytes += chunk.length;
  };
  const release = () => {
    const all = held.length === 1 ? held[0] : concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return all;
  };
  return new TransformStream({
    transform(chunk, controller) {
      // The end may lie across chunks: look at the last byte held together with this chunk.
      const end = lastSampleEnd(chunk, callGraph, held.at(-1)?.at(-1) === NEWLINE);
      hold(end > 0 ? chunk.subarray(0, end) : chunk);
      if (end > 0 || heldBytes >= MAX_HELD_BYTES) controller.enqueue(release());
      if (end > 0 && end < chunk.length) hold(chunk.subarray(end));
    },
    flush(controller) {
      if (heldBytes > 0) controller.enqueue(release());
    },
  });
}

function concat(parts: Uint8Array[], totalBytes: number): Uint8Array {
  const all = new Uint8Array(totalBytes);
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.length;
  }
  return all;
}

/** Where the last whole sample of a chunk ends; 0 when none does. */
function lastSampleEnd(chunk: Uint8Array, callGraph: boolean, afterNewline: boolean): number {
  let end = chunk.lastIndexOf(NEWLINE);
  if (!callGraph) return end + 1;
  while (end > 0 && chunk[end - 1] !== NEWLINE) end = chunk.lastIndexOf(NEWLINE, end - 1);
  if (end > 0) return end + 1;
  return end === 0 && afterNewline ? 1 : 0;
}
