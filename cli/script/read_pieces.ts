const PIECE_BYTES = 256 * 1024;

/** What can be read, such as a `Deno.FsFile`. */
export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

/**
 * Reads a file for `parsePerfScript` or `foldPerfScript`, with half the work of its `readable`.
 *
 * All pieces share their memory: each is there until the next is asked for. The file stays open.
 */
export async function* readPieces(file: Readable): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const length = await file.read(buffer);
    if (length === null) return;
    yield buffer.subarray(0, length);
  }
}
