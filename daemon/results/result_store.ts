import { RETRY_TIMEOUT_SECONDS } from "../../proto/defaults.ts";
import type { Grant, Owner } from "../caller.ts";
import type { Log } from "../operations/log.ts";
import type { RecordingSummary } from "../recording.ts";
import { cannotWrite, Result } from "./result.ts";
import { formatMetadata, parseMetadata } from "./result_metadata.ts";
import { pickEviction } from "./eviction.ts";
import { formatSize } from "../size.ts";
import { StatusError } from "../status_error.ts";

/** How results are kept. */
export interface ResultStoreOptions {
  directory: string;
  /** How long a whole result is kept when nobody deletes it. */
  retentionSeconds: number;
  /** Bytes, compressed, that all results may have together. */
  maxResultsBytes: number;
  /** Bytes, compressed, that one result may have. */
  maxResultBytes: number;
  log: Log;
}

/** The bytes of a result. Without metadata beside them it is not whole. */
const DATA_SUFFIX = ".result.gz";
const METADATA_SUFFIX = ".result.json";
/** Metadata that is just written. */
const NEW_SUFFIX = ".result.json.new";
/** Far above what is written. */
const MAX_METADATA_BYTES = 64 << 10;

/**
 * Keeps results, compressed, as files of the work directory: while they are made, and for a while
 * after that for callers who come back. Those that are whole outlive the process.
 */
export class ResultStore {
  /** By name, with removed ones as long as they are read and so take room. */
  readonly #results = new Map<string, Result>();
  #onEmpty = () => {};

  constructor(private readonly options: ResultStoreOptions) {}

  /** How many results there are, those included that are written or still read. */
  get count(): number {
    return this.#results.size;
  }

  /** Bytes that they take on the disk. */
  get sizeBytes(): number {
    return this.#results.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /**
   * Makes the directory, takes over the whole results that an earlier process left there and
   * removes what else it left. Rejects with an error for the administrator when the directory
   * cannot be used.
   */
  async open(): Promise<void> {
    const { directory, maxResultsBytes } = this.options;
    try {
      await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
      const uid = await this.#probe();
      const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
      for (const name of names) {
        if (name.endsWith(METADATA_SUFFIX)) await this.#restore(stem(name), uid);
      }
      for (const name of names) {
        const ours = [DATA_SUFFIX, METADATA_SUFFIX, NEW_SUFFIX].some((end) => name.endsWith(end));
        if (ours && !this.#results.has(stem(name))) await this.#removeLeft(name);
      }
    } catch (error) {
      throw new StatusError(
        "FAILED_PRECONDITION",
        `the work directory ${directory} cannot be used: ${(error as Error).message}`,
        { cause: error },
      );
    }
    // The limit may be lower than it was.
    while (this.sizeBytes > maxResultsBytes) await this.#makeRoom(NOBODY, 0);
  }

  /** Starts a result under a name of its own, for the caller who asked for it. */
  async create(name: string, owner: Owner, grant?: Grant): Promise<Result> {
    const result = await Result.create(name, this.#path(name + DATA_SUFFIX), owner, grant);
    this.#results.set(name, result);
    return result;
  }

  /** Where a result is written to, as long as there is room for it. */
  writable(result: Result): WritableStream<Uint8Array> {
    return result.writable((bytes) => this.#reserve(result, bytes));
  }

  /**
   * Makes a result whole that is written to its end: it can be fetched for the retention from now
   * on, also from the next process. Rejects with `RESOURCE_EXHAUSTED` when that cannot be written.
   */
  async keep(result: Result, summary: RecordingSummary): Promise<void> {
    const { name, path, owner, grant } = result;
    const whole = result.describe(summary);
    try {
      // Metadata stand for bytes that are there, also after a crash of the node.
      await syncData(path);
      await this.#writeMetadata(name, formatMetadata({ owner, grant, wholeAt: new Date(), whole }));
    } catch (error) {
      const failure = cannotWrite(error);
      result.fail(failure);
      throw failure;
    }
    this.#retain(result, this.options.retentionSeconds);
    result.finish(whole);
  }

  /** The result of that name, whole or not. */
  get(name: string): Result | undefined {
    const result = this.#results.get(name);
    return result?.removed ? undefined : result;
  }

  /**
   * Removes a result; removing one that is not there does nothing. Open readers read on to its end.
   */
  async delete(name: string): Promise<void> {
    const result = this.get(name);
    if (!result) return;
    await this.#removeFiles(result);
    result.unread().then(() => this.#forget(result));
  }

  /** Resolves when every result has been deleted and nobody reads one, or after `seconds`. */
  async drained(seconds: number): Promise<void> {
    if (this.#results.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, seconds * 1000);
    await promise;
    clearTimeout(timer);
  }

  /** Removes what is not whole, and leaves the rest to the next process. */
  async close(): Promise<void> {
    for (const result of [...this.#results.values()]) {
      if (result.expiresAt === undefined) await this.#removeFiles(result);
      result.release();
    }
  }

  async #reserve(result: Result, bytes: number): Promise<void> {
    const { maxResultBytes, maxResultsBytes } = this.options;
    if (result.sizeBytes + bytes > maxResultBytes) {
      throw exhausted(
        `the result is larger than ${formatSize(maxResultBytes)} compressed, the limit of one ` +
          "result (--max-result-size)",
      );
    }
    while (this.sizeBytes + bytes > maxResultsBytes) {
      if (await this.#makeRoom(result.owner, bytes)) continue;
      throw exhausted(
        `the results of this node take ${formatSize(maxResultsBytes)} compressed, the limit of ` +
          "all together (--max-results-size), and none can be removed for this one: delete some, " +
          "or try again later",
      );
    }
    result.sizeBytes += bytes;
  }

  /** Removes a result, readers or not, for another one. Resolves with whether one could go. */
  async #makeRoom(asking: Owner, bytes: number): Promise<boolean> {
    const result = pickEviction(this.#results.values(), { owner: asking, bytes });
    if (!result) return false;
    const { name, sizeBytes, owner } = result;
    result.fail(new StatusError("NOT_FOUND", "the result was removed to make room for others"));
    this.#forget(result);
    await this.#removeFiles(result);
    this.options.log.info("a result is removed to make room", {
      ...{ requestId: name, user: owner.user || undefined, sizeBytes },
      for: asking.user || undefined,
    });
    return true;
  }

  async #removeFiles(result: Result): Promise<void> {
    result.release();
    result.removed = true;
    // The metadata first: without them the bytes belong to nobody.
    await Deno.remove(this.#path(result.name + METADATA_SUFFIX)).catch(() => {});
    await Deno.remove(result.path).catch(() => {});
  }

  #forget(result: Result): void {
    this.#results.delete(result.name);
    if (this.#results.size === 0) this.#onEmpty();
  }

  #retain(result: Result, seconds: number): void {
    result.retain(seconds, () => void this.delete(result.name));
  }

  async #writeMetadata(name: string, text: string): Promise<void> {
    const path = this.#path(name + NEW_SUFFIX);
    await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
    await syncData(path);
    await Deno.rename(path, this.#path(name + METADATA_SUFFIX));
  }

  /** Takes a result over from an earlier process. One that is not as that wrote it is left out. */
  async #restore(name: string, uid: number | null): Promise<void> {
    const { log, retentionSeconds } = this.options;
    const path = this.#path(name + DATA_SUFFIX);
    const metadataPath = this.#path(name + METADATA_SUFFIX);
    try {
      if (!/^[0-9a-f-]{36}$/.test(name)) throw new Error("its name is not a recording's");
      const metadataBytes = await ownFileSize(metadataPath, uid);
      if (metadataBytes > MAX_METADATA_BYTES) throw new Error("its metadata are too large");
      const metadata = parseMetadata(await Deno.readTextFile(metadataPath));
      const { wholeAt, whole } = metadata;
      const sizeBytes = await ownFileSize(path, uid);
      if (sizeBytes !== whole.compressedSizeBytes) {
        throw new Error(`it has ${sizeBytes} bytes, not ${whole.compressedSizeBytes}`);
      }
      // A clock that was set meanwhile must not keep it for ever, nor take it from a caller who
      // tries to come back: it is there because its time was not over when the earlier process
      // ended.
      const ageSeconds = Math.max(0, (Date.now() - wholeAt.getTime()) / 1000);
      const leastSeconds = Math.min(RETRY_TIMEOUT_SECONDS, retentionSeconds);
      const result = Result.restore(name, path, metadata);
      this.#results.set(name, result);
      this.#retain(result, Math.max(leastSeconds, retentionSeconds - ageSeconds));
    } catch (error) {
      log.warning("a result of an earlier process is not usable and is removed", {
        requestId: name,
        error: (error as Error).message,
      });
    }
  }

  async #removeLeft(name: string): Promise<void> {
    try {
      await Deno.remove(this.#path(name));
    } catch (error) {
      const { message } = error as Error;
      this.options.log.warning("a file in the work directory cannot be removed", {
        error: message,
      });
    }
  }

  /** Finds out now, not by the first caller, whether files can be made; and whose they are. */
  async #probe(): Promise<number | null> {
    const path = this.#path(`probe${NEW_SUFFIX}`);
    await Deno.remove(path).catch(() => {});
    await Deno.writeFile(path, new Uint8Array(), { createNew: true });
    const { uid } = await Deno.lstat(path);
    await Deno.remove(path);
    return uid;
  }

  #path(name: string): string {
    return `${this.options.directory}/${name}`;
  }
}

/** Holds nothing, so the owner that holds most gives way. */
const NOBODY: Owner = { user: "", uid: "nobody" };

function stem(fileName: string): string {
  return fileName.slice(0, fileName.indexOf(".result."));
}

async function syncData(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.syncData();
}

/** Throws for what is not a file, such as a symbolic link, and for files of others. */
async function ownFileSize(path: string, uid: number | null): Promise<number> {
  const stat = await Deno.lstat(path);
  if (!stat.isFile || stat.uid !== uid) throw new Error(`${path} is not a file of this daemon`);
  return stat.size;
}

function exhausted(message: string): StatusError {
  return new StatusError(
    "RESOURCE_EXHAUSTED",
    `${message}. Record for a shorter time, at a lower frequency, or with frame pointers ` +
      "(--call-graph fp) to get a smaller one",
  );
}
