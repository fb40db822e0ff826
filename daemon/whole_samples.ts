import { concat } from "./gathered.ts";

const NEWLINE = 0x0a;
/** More than any sample has: text that goes on longer is passed on as it is. */
const MAX_HELD_BYTES = 1 << 20;
/** perf script writes 4 KB at a time: whole samples are passed on when they make up as much as this. */
const CHUNK_BYTES = 64 << 10;

/**
 * Cuts perf script's text into chunks that each end with a whole sample, so that the texts of
 * several perf scripts can be put one after the other as they come.
 *
 * With call graphs a sample ends with an empty line, without them with its only line.
 */
export function wholeSamples(callGraph: boolean): TransformStream<Uint8Array, Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** How much of what is held are whole samples. */
  let wholeBytes = 0;
  const hold = (chunk: Uint8Array) => {
    held.push(chunk);
    heldBytes += chunk.length;
  };
  const release = (bytes: number) => {
    const all = concat(held, heldBytes);
    held = bytes < heldBytes ? [all.subarray(bytes)] : [];
    heldBytes -= bytes;
    wholeBytes = 0;
    return all.subarray(0, bytes);
  };
  return new TransformStream({
    transform(chunk, controller) {
      // The end may lie across chunks: look at the last byte held together with this chunk.
      const end = lastSampleEnd(chunk, callGraph, held.at(-1)?.at(-1) === NEWLINE);
      if (end > 0) wholeBytes = heldBytes + end;
      hold(chunk);
      if (wholeBytes >= CHUNK_BYTES) controller.enqueue(release(wholeBytes));
      else if (heldBytes >= MAX_HELD_BYTES) controller.enqueue(release(heldBytes));
    },
    flush(controller) {
      if (wholeBytes > 0) controller.enqueue(release(wholeBytes));
      if (heldBytes > 0) controller.enqueue(release(heldBytes));
    },
  });
}

/** Where the last whole sample of a chunk ends; 0 when none does. */
function lastSampleEnd(chunk: Uint8Array, callGraph: boolean, afterNewline: boolean): number {
  let end = chunk.lastIndexOf(NEWLINE);
  if (!callGraph) return end + 1;
  while (end > 0 && chunk[end - 1] !== NEWLINE) end = chunk.lastIndexOf(NEWLINE, end - 1);
  if (end > 0) return end + 1;
  return end === 0 && afterNewline ? 1 : 0;
}
