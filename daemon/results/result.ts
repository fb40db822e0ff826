import { createHash } from "node:crypto";
import { createGzip } from "node:zlib";
import type { Grant, Owner } from "../caller.ts";
import { coalesceChunks } from "./coalesce_chunks.ts";
import type { RecordingSummary } from "../recording.ts";
import { StatusError } from "../status_error.ts";

/** gzip's fastest: perf script's text shrinks more than tenfold with it. */
const GZIP_LEVEL = 1;
/** grpc-js holds 16 messages for a reader that is slow: with this, 256 KB for each. */
const READ_CHUNK_BYTES = 16 * 1024;
/** The most bytes that gzip hands over at once; it waits for room when the buffer is full. */
const GZIP_CHUNK_BYTES = 64 * 1024;
/**
 * gzip gives what it has in pieces of a few hundred bytes, each of which would be a write and a
 * read.
 */
const WRITE_CHUNK_BYTES = 16 * 1024;

/** The size and hash of a result. */
interface ResultDigest {
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
  /** Bytes that it takes on the disk, those included that are just written. */
  sizeBytes = 0;
  /** Whether it is there only for those who read it already. */
  removed = false;
  #expiresAt: number | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #writtenBytes = 0;
  #digest: ResultDigest | undefined;
  #whole: WholeResult | undefined;
  #failure: { error: unknown } | undefined;
  /** Settles when the file has grown, is whole or has failed; then a new one takes its place. */
  #changed = Promise.withResolvers<void>();
  readonly #readers = new Set<Deno.FsFile>();
  #onUnread = () => {};

  private constructor(
    readonly name: string,
    readonly path: string,
    /** Who asked for it. */
    readonly owner: Owner,
    /** What they had to be allowed; missing where nobody is asked who they are. */
    readonly grant: Grant | undefined,
  ) {}

  /** Starts one. Rejects with `RESOURCE_EXHAUSTED` when the file cannot be made. */
  static async create(
    name: string,
    path: string,
    owner: Owner,
    grant?: Grant,
  ): Promise<Result> {
    try {
      await Deno.writeFile(path, new Uint8Array(), { createNew: true, mode: 0o600 });
    } catch (error) {
      throw cannotWrite(error);
    }
    return new Result(name, path, owner, grant);
  }

  /** One that an earlier process has made. */
  static restore(
    name: string,
    path: string,
    { owner, grant, whole }: { owner: Owner; grant?: Grant; whole: WholeResult },
  ): Result {
    const result = new Result(name, path, owner, grant);
    result.#whole = whole;
    result.#writtenBytes = result.sizeBytes = whole.compressedSizeBytes;
    return result;
  }

  /** Its metadata; `undefined` until it is whole. */
  get whole(): WholeResult | undefined {
    return this.#whole;
  }

  /**
   * When it goes by itself, by `performance.now()`, as the clock on the wall may be set; not there
   * for one that is not kept.
   */
  get expiresAt(): number | undefined {
    return this.#expiresAt;
  }

  /** How long it is kept from now on. */
  get keptSeconds(): number {
    return Math.max(0, (this.#expiresAt ?? 0) - performance.now()) / 1000;
  }

  /** Says how long it is kept from now on, and what happens then. */
  retain(seconds: number, expire: () => void): void {
    this.#expiresAt = performance.now() + seconds * 1000;
    this.#expiry = setTimeout(expire, seconds * 1000);
  }

  /** Cancels the expiry timer. */
  release(): void {
    clearTimeout(this.#expiry);
  }

  /**
   * Where the result itself is written to. When that is closed, all of it is in the file; a chunk
   * that is written is no longer needed. `reserve` is asked before the file grows by so many bytes,
   * and rejects when it may not.
   */
  writable(reserve: (bytes: number) => Promise<void>): WritableStream<Uint8Array> {
    const hash = createHash("sha256");
    const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: GZIP_CHUNK_BYTES });
    const written = this.#writeFile(gzip, reserve);
    let stopWaiting = (_error: unknown) => {};
    written.catch((error) => stopWaiting(error));
    // `written` reports failures.
    gzip.on("error", () => {});
    let sizeBytes = 0;
    return new WritableStream({
      write: async (chunk) => {
        if (this.#failure) throw this.#failure.error;
        hash.update(chunk);
        sizeBytes += chunk.length;
        // Whichever comes first: a disk that is full ends the writing, and gzip takes no more then.
        await new Promise<void>((resolve, reject) => {
          stopWaiting = reject;
          gzip.write(chunk, () => resolve());
        });
      },
      close: async () => {
        gzip.end();
        await written;
        const compressedSizeBytes = this.#writtenBytes;
        const sha256 = new Uint8Array(hash.digest());
        this.#digest = { sizeBytes, sha256, compressedSizeBytes };
      },
      abort: async (error) => {
        this.fail(error);
        gzip.destroy();
        await written.catch(() => {});
      },
    });
  }

  /** The metadata of a result that is written to its end. */
  describe(summary: RecordingSummary): WholeResult {
    return { ...summary, ...this.#digest! };
  }

  /** Makes it whole: readers come to their end. */
  finish(whole: WholeResult): void {
    this.#whole = whole;
    this.#notify();
  }

  /** Ends all reading with an error, unless one has come before. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const file of this.#readers) this.#close(file);
    this.#notify();
  }

  /**
   * Reads the gzip stream from an offset on, following it while it is written. Throws what the
   * writing failed with.
   */
  async *read(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const file = await Deno.open(this.path, { read: true });
    this.#readers.add(file);
    try {
      await file.seek(offset, Deno.SeekMode.Start);
      // Raced against each change, a promise for this would remember all of them.
      signal.addEventListener("abort", () => this.#notify(), { once: true });
      for (let position = offset; !signal.aborted;) {
        const changed = this.#changed.promise;
        const whole = this.#whole !== undefined;
        if (this.#failure) throw this.#failure.error;
        if (position < this.#writtenBytes) {
          const chunk = new Uint8Array(READ_CHUNK_BYTES);
          const length = await file.read(chunk).catch((error) => {
            // The file is closed under a reader when the result has to go.
            throw this.#failure ? this.#failure.error : error;
          }) ?? 0;
          position += length;
          yield chunk.subarray(0, length);
        } else if (whole) {
          return;
        } else {
          await changed;
        }
      }
    } finally {
      this.#close(file);
    }
  }

  /** Resolves when nobody reads it. */
  async unread(): Promise<void> {
    if (this.#readers.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onUnread = resolve;
    await promise;
  }

  async #writeFile(
    gzip: AsyncIterable<Uint8Array>,
    reserve: (bytes: number) => Promise<void>,
  ): Promise<void> {
    try {
      using file = await Deno.open(this.path, { write: true });
      for await (const chunk of coalesceChunks(gzip, WRITE_CHUNK_BYTES)) {
        await reserve(chunk.length);
        for (let written = 0; written < chunk.length;) {
          written += await file.write(chunk.subarray(written));
        }
        this.#writtenBytes += chunk.length;
        this.#notify();
      }
    } catch (error) {
      this.fail(cannotWrite(error));
      throw this.#failure!.error;
    }
  }

  #close(file: Deno.FsFile): void {
    if (!this.#readers.delete(file)) return;
    file.close();
    if (this.#readers.size === 0) this.#onUnread();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** The error for the caller when something of a result cannot be written. */
export function cannotWrite(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  return new StatusError(
    "RESOURCE_EXHAUSTED",
    `the daemon cannot write to its work directory: ${(error as Error).message}`,
    { cause: error },
  );
}
