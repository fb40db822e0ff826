// Pieces that stay in the processor's cache until they are read.
const PIECE_BYTES = 128 * 1024;
/** After how much something else gets its turn, such as a signal. */
const TURN_BYTES = 8 << 20;

/** What can be read, such as a `Deno.FsFile`. */
export interface Readable {
  /** Fills `into` and resolves with how many bytes; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** The same without waiting, for what `stat` says is a file. */
  readSync?(into: Uint8Array): number | null;
  /** Says whether it is a file, which can be read without waiting. */
  stat?(): Promise<{ isFile: boolean }>;
}

/**
 * Reads a file for `parsePerfScript` or `foldPerfScript`, with less work than its `readable`:
 * what another thread has read is not in this one's cache.
 *
 * All pieces share their memory: each is there until the next is asked for. The file stays open.
 *
 * ```ts
 * import { foldPerfScript, readPieces } from "@necoperf/necoperf";
 * import { strictEqual } from "node:assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "web 7/7 12.5: 10101 cycles: \n\t55f0 main+0x8 (/web)\n\n");
 * using file = await Deno.open(path);
 * const { samples } = await foldPerfScript(readPieces(file));
 * strictEqual(samples, 1);
 * await Deno.remove(path);
 * ```
 */
export async function* readPieces(file: Readable): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(PIECE_BYTES);
  const readSync = (await file.stat?.())?.isFile ? file.readSync?.bind(file) : undefined;
  let inTurn = 0;
  for (;;) {
    const length = readSync ? readSync(buffer) : await file.read(buffer);
    if (length === null) return;
    yield buffer.subarray(0, length);
    inTurn += length;
    if (!readSync || inTurn < TURN_BYTES) continue;
    inTurn = 0;
    await new Promise((resolve) => setTimeout(resolve));
  }
}
