import type { Caller } from "./caller.ts";
import type { RecordingSummary } from "./recorder.ts";
import { Result, type WholeResult } from "./result.ts";
import { StatusError } from "./status_error.ts";

/**
 * Keeps results, compressed, as files of the work directory: while they are made, and for a while
 * after that for callers who ask again.
 */
export class ResultStore {
  readonly #results = new Map<string, Result>();
  /** When whole results go, by `performance.now()`: the clock on the wall may be set. */
  readonly #expiresAt = new Map<string, number>();
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
    const result = await Result.create(path, owner);
    this.#results.set(name, result);
    return result;
  }

  /** Makes a result whole that is written to its end. It is kept for the retention from now on. */
  finish(name: string, summary: RecordingSummary): Promise<WholeResult> {
    const result = this.#results.get(name)!;
    this.#retain(name, result);
    return Promise.resolve(result.finish(summary));
  }

  /** How long a whole result is kept from now on. */
  keptSeconds(name: string): number {
    const expiresAt = this.#expiresAt.get(name) ?? 0;
    return Math.max(0, expiresAt - performance.now()) / 1000;
  }

  /** The result of that name, whole or not. */
  get(name: string): Result | undefined {
    return this.#results.get(name);
  }

  /** Removes a result; one that is not there is removed already. */
  async delete(name: string): Promise<void> {
    const result = this.#results.get(name);
    this.#results.delete(name);
    this.#expiresAt.delete(name);
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
    this.#expiresAt.set(name, performance.now() + this.retentionSeconds * 1000);
    const timer = setTimeout(() => void this.delete(name), this.retentionSeconds * 1000);
    result.onRemove(() => clearTimeout(timer));
  }
}

const RESULT_SUFFIX = ".result.gz";
