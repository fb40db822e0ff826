import { FILE_HEADER_BYTES } from "../perf/perf_data_records.ts";
import type { PerfRecord, RecordExit } from "../perf/perf.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";

/** A recording that has less than this left is not begun again. */
const MIN_BURST_SECONDS = 0.2;
/** When to try again to attach to processes that could not be attached to. */
const RETRY_MS = 1000;

/** What bursts are made with. */
interface BurstsParts {
  /** Resolves when perf may record again, or as soon as the signal aborts. */
  rested(signal: AbortSignal): Promise<void>;
  /**
   * Attaches to the same processes for `durationSeconds`, or to their heirs. Resolves with nothing
   * when there are none any more; rejects with a `StatusError` when it is not possible now.
   */
  attach(durationSeconds: number): Promise<PerfRecord | undefined>;
  /** Is called when a pause is over, with its seconds, before anything that comes after it. */
  resumed(seconds: number): Promise<void>;
  durationSeconds: number;
  /** Ends everything. */
  abort: AbortSignal;
}

/** One of the perf records, and which one comes after it. */
interface Burst {
  perf: PerfRecord;
  next: Promise<Burst | undefined>;
}

/**
 * Perf records of the same processes, one after the other, as if they were one that pauses: while
 * none is attached, the processes run as fast as ever. (Events that are attached but disabled still
 * cost at each switch of a thread, and perf would not hear of new processes, names and mappings.)
 *
 * Their perf.data becomes one stream, which perf script reads as it would read one recording.
 */
export class Bursts implements PerfRecord {
  readonly attached: Promise<void>;
  readonly full: Promise<void>;
  readonly output: AsyncIterable<Uint8Array>;
  readonly exit: Promise<RecordExit>;

  #perf: PerfRecord;
  /** Since when there is a pause, as `performance.now()` has it. */
  #pausedAt: number | undefined;
  #next = Promise.withResolvers<Burst | undefined>();
  #onSampling = Promise.withResolvers<void>();
  readonly #stopped = new AbortController();
  readonly #ended: AbortSignal;
  #endsAt = Infinity;

  constructor(first: PerfRecord, private readonly parts: BurstsParts) {
    this.#perf = first;
    this.attached = first.attached;
    this.full = first.full;
    this.#ended = AbortSignal.any([parts.abort, this.#stopped.signal]);
    this.#onSampling.resolve();
    this.attached.then(
      () => this.#endsAt = performance.now() + parts.durationSeconds * 1000,
      () => {},
    );
    this.output = streamOf({ perf: first, next: this.#next.promise });
    this.exit = this.#run().finally(() => {
      this.#next.resolve(undefined);
      this.#onSampling.resolve();
    });
  }

  /** Ends the burst; the next one begins after a rest. */
  pause(): void {
    if (this.#pausedAt !== undefined || this.#ended.aborted) return;
    this.#pausedAt = performance.now();
    this.#onSampling = Promise.withResolvers();
    this.#perf.stop();
  }

  /** Resolves when there is no pause. */
  get sampling(): Promise<void> {
    return this.#onSampling.promise;
  }

  flush(): void {
    if (this.#pausedAt === undefined) this.#perf.flush();
  }

  stop(): void {
    this.#stopped.abort();
    this.#perf.stop();
  }

  discard(): Promise<void> {
    this.#stopped.abort();
    return this.#perf.discard();
  }

  async #run(): Promise<RecordExit> {
    for (;;) {
      const exit = await this.#perf.exit;
      if (this.#pausedAt === undefined || exit.failure || exit.wholeDuration) return exit;
      const outcome = await this.#rest();
      const seconds = (performance.now() - this.#pausedAt) / 1000;
      if ("perf" in outcome) {
        this.#perf = outcome.perf;
        this.#pausedAt = undefined;
        this.#onSampling.resolve();
      }
      await this.parts.resumed(seconds);
      if ("exit" in outcome) return outcome.exit;
      const { resolve } = this.#next;
      this.#next = Promise.withResolvers();
      resolve({ perf: outcome.perf, next: this.#next.promise });
      // Whoever stops it meanwhile has stopped the one before.
      if (this.#ended.aborted) outcome.perf.stop();
    }
  }

  /** Resolves with the next perf record, or with how the recording has ended. */
  async #rest(): Promise<{ perf: PerfRecord } | { exit: RecordExit }> {
    const timeIsOver = new AbortController();
    const timer = setTimeout(
      () => timeIsOver.abort(),
      Math.max(this.#endsAt - performance.now(), 0),
    );
    const signal = AbortSignal.any([this.#ended, timeIsOver.signal]);
    try {
      await this.parts.rested(signal);
      for (;;) {
        if (this.#ended.aborted) return { exit: { wholeDuration: false } };
        const leftSeconds = (this.#endsAt - performance.now()) / 1000;
        if (leftSeconds < MIN_BURST_SECONDS) {
          await wait(leftSeconds * 1000, this.#ended);
          return { exit: { wholeDuration: !this.#ended.aborted } };
        }
        try {
          const perf = await this.parts.attach(leftSeconds);
          return perf ? { perf } : { exit: { wholeDuration: false } };
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          await wait(RETRY_MS, signal);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** perf.data of the pipe form, as of one perf record: it has one file header. */
async function* streamOf(first: Burst): AsyncGenerator<Uint8Array> {
  let headerBytes = 0;
  for (let burst: Burst | undefined = first; burst; burst = await burst.next) {
    let skipped = headerBytes;
    for await (const chunk of burst.perf.output) {
      const rest = chunk.subarray(skipped);
      skipped -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
    headerBytes = FILE_HEADER_BYTES;
  }
}
