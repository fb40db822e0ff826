import { createHash } from "node:crypto";
import { once } from "node:events";
import { createGzip } from "node:zlib";
import type { Caller } from "./caller.ts";
import { gathered } from "./gathered.ts";
import type { RecordingSummary } from "./recorder.ts";
import { StatusError } from "./status_error.ts";

/** gzip's fastest: perf script's text shrinks more than tenfold with it. */
const GZIP_LEVEL = 1;
/** grpc-js holds 16 messages for a reader that is slow: with this, 256 KB for each. */
const READ_CHUNK_BYTES = 16 * 1024;
/** gzip gives what it has in pieces of a few hundred bytes, each of which would be a write and a read. */
const WRITE_CHUNK_BYTES = 16 * 1024;

/** What the bytes of a result are. */
export interface ResultDigest {
  /** Bytes of the result itself. */
  sizeBytes: number;
  /** SHA-256 of the result itself. */
  sha256: Uint8Array;
  /** Bytes of the gzip stream in which it rests and travels. */
  compressedSizeBytes: number;
}

/** A result that is whole: what its recording was, and what its bytes are. */
export interface WholeResult extends RecordingSummary, ResultDigest {}

/** One result, written once and read by any number of readers, also while it is written. */
export class Result {
  #compressedSizeBytes = 0;
  #digest: ResultDigest | undefined;
  #whole: WholeResult | undefined;
  #failure: { error: unknown } | undefined;
  /** Settles when the file has grown, is whole or has failed; then a new one takes its place. */
  #changed = Promise.withResolvers<void>();
  #onRemove = () => {};

  private constructor(
    private readonly path: string,
    private readonly file: Deno.FsFile,
    /** Who asked for it. */
    readonly owner: Caller,
  ) {}

  /** Rejects with `RESOURCE_EXHAUSTED` when the file cannot be made. */
  static async create(path: string, owner: Caller): Promise<Result> {
    try {
      const file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
      return new Result(path, file, owner);
    } catch (error) {
      throw writeError(error);
    }
  }

  /** What there is to say of it; `undefined` until it is whole. */
  get whole(): WholeResult | undefined {
    return this.#whole;
  }

  /** Where the result itself is written to. When that is closed, `finish` makes the result whole. */
  writable(): WritableStream<Uint8Array> {
    const hash = createHash("sha256");
    const gzip = createGzip({ level: GZIP_LEVEL });
    const written = this.#writeFile(gzip);
    written.catch(() => {});
    // What goes wrong is told by `written`.
    gzip.on("error", () => {});
    let sizeBytes = 0;
    return new WritableStream({
      write: async (chunk) => {
        if (this.#failure) throw this.#failure.error;
        hash.update(chunk);
        sizeBytes += chunk.length;
        if (gzip.write(chunk)) return;
        // Whichever comes first: a disk that is full ends the writing, and no drain comes then.
        await Promise.race([once(gzip, "drain"), written]);
      },
      close: async () => {
        gzip.end();
        await written;
        const compressedSizeBytes = this.#compressedSizeBytes;
        this.#digest = { sizeBytes, sha256: hash.digest(), compressedSizeBytes };
      },
      abort: async (error) => {
        this.#failure ??= { error };
        gzip.destroy();
        await written.catch(() => {});
        this.#notify();
      },
    });
  }

  /** Makes a result whole that is written to its end: readers come to theirs. */
  finish(summary: RecordingSummary): WholeResult {
    this.#whole = { ...summary, ...this.#digest! };
    this.#notify();
    return this.#whole;
  }

  /**
   * Reads the gzip stream from an offset on, following it while it is written. Throws what the
   * writing failed with.
   */
  async *read(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    using file = await Deno.open(this.path, { read: true });
    await file.seek(offset, Deno.SeekMode.Start);
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve(), { once: true });
    for (let position = offset; !signal.aborted;) {
      const changed = this.#changed.promise;
      const whole = this.#whole !== undefined;
      if (this.#failure) throw this.#failure.error;
      if (position < this.#compressedSizeBytes) {
        const chunk = new Uint8Array(READ_CHUNK_BYTES);
        const length = await file.read(chunk) ?? 0;
        position += length;
        yield chunk.subarray(0, length);
      } else if (whole) {
        return;
      } else {
        await Promise.race([changed, aborted.promise]);
      }
    }
  }

  /** Says what is to be done when the result is removed. */
  onRemove(action: () => void): void {
    this.#onRemove = action;
  }

  /** Removes the file. Readers that have it open read on to its end. */
  async remove(): Promise<void> {
    this.#onRemove();
    await Deno.remove(this.path).catch(() => {});
  }

  async #writeFile(gzip: AsyncIterable<Uint8Array>): Promise<void> {
    using file = this.file;
    try {
      for await (const chunk of gathered(gzip, WRITE_CHUNK_BYTES)) {
        for (let written = 0; written < chunk.length;) {
          written += await file.write(chunk.subarray(written));
        }
        this.#compressedSizeBytes += chunk.length;
        this.#notify();
      }
    } catch (error) {
      const failure = this.#failure ? this.#failure.error : writeError(error);
      this.#failure = { error: failure };
      throw failure;
    }
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

function writeError(error: unknown): StatusError {
  return new StatusError(
    "RESOURCE_EXHAUSTED",
    `the daemon cannot write to its work directory: ${(error as Error).message}`,
    { cause: error },
  );
}
