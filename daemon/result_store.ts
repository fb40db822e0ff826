import { createHash } from "node:crypto";
import { once } from "node:events";
import { createGzip } from "node:zlib";
import type { Caller } from "./caller.ts";
import { StatusError } from "./status_error.ts";

/** gzip's fastest: perf script's text shrinks more than tenfold with it. */
const GZIP_LEVEL = 1;
const READ_CHUNK_BYTES = 64 * 1024;

/** What is known of a result once it is whole. */
export interface ResultDigest {
  /** Bytes of the result itself. */
  sizeBytes: number;
  /** SHA-256 of the result itself. */
  sha256: Uint8Array;
  /** Bytes of the gzip stream in which it rests and travels. */
  compressedSizeBytes: number;
}

/**
 * Keeps results, compressed, as files of the work directory: while they are made, and for a while
 * after that for callers who ask again.
 */
export class ResultStore {
  readonly #results = new Map<string, Result>();
  #onEmpty = () => {};

  /** `retentionSeconds` is how long a whole result is kept when nobody deletes it. */
  constructor(private readonly directory: string, private readonly retentionSeconds: number) {}

  /**
   * Makes the directory and removes what an earlier daemon left there. Rejects with an error for
   * the administrator when the directory cannot be used.
   */
  async open(): Promise<void> {
    try {
      await Deno.mkdir(this.directory, { recursive: true, mode: 0o700 });
      for await (const entry of Deno.readDir(this.directory)) {
        if (entry.name.endsWith(RESULT_SUFFIX)) await Deno.remove(this.#path(entry.name));
      }
      // Found out now, not by the first caller.
      const probe = this.#path(`probe${RESULT_SUFFIX}`);
      await Deno.writeFile(probe, new Uint8Array(), { createNew: true });
      await Deno.remove(probe);
    } catch (error) {
      throw new StatusError(
        "FAILED_PRECONDITION",
        `the work directory ${this.directory} cannot be used: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** Starts a result under a name of its own, for whoever asked for it. */
  async create(name: string, owner: Caller): Promise<Result> {
    const path = this.#path(name + RESULT_SUFFIX);
    const result = await Result.create(path, owner, () => this.#retain(name, result));
    this.#results.set(name, result);
    return result;
  }

  /** The result of that name, whole or not. */
  get(name: string): Result | undefined {
    return this.#results.get(name);
  }

  /** Removes a result; one that is not there is removed already. */
  async delete(name: string): Promise<void> {
    const result = this.#results.get(name);
    this.#results.delete(name);
    await result?.remove();
    if (this.#results.size === 0) this.#onEmpty();
  }

  /** Resolves when every result has been deleted, or after `seconds`. */
  async drained(seconds: number): Promise<void> {
    if (this.#results.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, seconds * 1000);
    await promise;
    clearTimeout(timer);
  }

  /** Removes all results. */
  async close(): Promise<void> {
    for (const name of [...this.#results.keys()]) await this.delete(name);
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }

  #retain(name: string, result: Result): void {
    const timer = setTimeout(() => void this.delete(name), this.retentionSeconds * 1000);
    result.onRemove(() => clearTimeout(timer));
  }
}

const RESULT_SUFFIX = ".result.gz";

/** One result, written once and read by any number of readers, also while it is written. */
export class Result {
  #compressedSizeBytes = 0;
  #digest: ResultDigest | undefined;
  #failure: { error: unknown } | undefined;
  /** Settles when the file has grown, is whole or has failed; then a new one takes its place. */
  #changed = Promise.withResolvers<void>();
  #onRemove = () => {};

  private constructor(
    private readonly path: string,
    private readonly file: Deno.FsFile,
    /** Who asked for it. */
    readonly owner: Caller,
    private readonly onWhole: () => void,
  ) {}

  static async create(path: string, owner: Caller, onWhole: () => void): Promise<Result> {
    try {
      const file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
      return new Result(path, file, owner, onWhole);
    } catch (error) {
      throw writeError(error);
    }
  }

  /** What there is to say of it; `undefined` until it is whole. */
  get digest(): ResultDigest | undefined {
    return this.#digest;
  }

  /** Where the result itself is written to. Closing it makes the result whole. */
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
        this.onWhole();
        this.#notify();
      },
      abort: async (error) => {
        this.#failure ??= { error };
        gzip.destroy();
        await written.catch(() => {});
        this.#notify();
      },
    });
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
      const whole = this.#digest !== undefined;
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
      for await (const chunk of gzip) {
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
