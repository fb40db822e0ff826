import { wait } from "../../wait.ts";

const BUFFER_BYTES = 64 << 10;

/**
 * Reads a stream of bytes into one buffer, over and over: a chunk is valid until the next one is
 * requested. After a chunk that left room, the writer has `pauseMs` to fill the pipe, until
 * `ended` aborts: to be woken up for a few bytes costs as much as for 64 KB.
 */
export async function* throttledReader(
  source: ReadableStream<Uint8Array>,
  pauseMs: number,
  ended: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = source.getReader({ mode: "byob" });
  let chunk: Uint8Array | undefined = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    ({ value: chunk } = await reader.read(new Uint8Array(chunk.buffer)));
    if (!chunk?.length) return;
    yield chunk;
    if (chunk.length < BUFFER_BYTES / 2 && !ended.aborted) await wait(pauseMs, ended);
  }
}
