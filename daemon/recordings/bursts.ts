import { FILE_HEADER_BYTES } from "../perf/perf_data_records.ts";
import type { PerfRecord, RecordExit } from "../perf/perf.ts";
import { StatusError } from "../status_error.ts";
import { wait } from "../../wait.ts";

/** A recording that has less than this left is not begun again. */
const MIN_BURST_SECONDS = 0.2;
/** When to try again to attach to processes that could not be attached to. */
const RETRY_MS = 1000;

/** The parts that bursts are made with. */
interface BurstsParts {
  /** Resolves when perf may record everything again, or as soon as the signal aborts. */
  rested(signal: AbortSignal): Promise<void>;
  /**
   * Attaches to the same processes for `durationSeconds`, or to their heirs. Resolves with nothing
   * when there are none any more; rejects with a `StatusError` when it is not possible now.
   */
  attach(durationSeconds: number): Promise<PerfRecord | undefined>;
  /**
   * Attaches to those of their threads that cost little. Resolves with nothing where there are
   * none; rejects with a `StatusError` when it is not possible now.
   */
  attachToQuiet(durationSeconds: number): Promise<PerfRecord | undefined>;
  /**
   * Resolves when those are to be left as well, at the latest soon after the signal aborts; with
   * whether fewer of them may be recorded before perf has rested.
   */
  quietIsOver(signal: AbortSignal): Promise<{ mayBeFewer: boolean }>;
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
 * In the rest between two bursts the threads that cost little are recorded alone.
 *
 * Their perf.data becomes one stream, which perf script reads as it would read one recording.
 */
export class Bursts implements PerfRecord {
  readonly attached: Promise<void>;
  readonly full: Promise<void>;
  readonly output: AsyncIterable<Uint8Array>;
  readonly exit: Promise<RecordExit>;

  #perf: PerfRecord;
  /** Whether a perf record runs, of all threads or of some. */
  #isAttached = true;
  /** Since when not, as `performance.now()` has it. */
  #detachedAt = 0;
  /** Whether there is a rest between two bursts. */
  #isResting = false;
  #next = Promise.withResolvers<Burst | undefined>();
  #onSampling = Promise.withResolvers<void>();
  readonly #stopped = new AbortController();
  readonly #ended: AbortSignal;
  #endsAt = Infinity;
  readonly #timeIsOver = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(first: PerfRecord, private readonly parts: BurstsParts) {
    this.#perf = first;
    this.attached = first.attached;
    this.full = first.full;
    this.#ended = AbortSignal.any([parts.abort, this.#stopped.signal]);
    this.#onSampling.resolve();
    const begun = this.attached.then(
      () => this.#endsAt = performance.now() + parts.durationSeconds * 1000,
      () => {},
    );
    this.output = streamOf({ perf: first, next: this.#next.promise });
    this.exit = this.#run(begun).finally(() => {
      clearTimeout(this.#timer);
      this.#next.resolve(undefined);
      this.#onSampling.resolve();
    });
  }

  /** Ends the burst; the next one begins after a rest. */
  pause(): void {
    if (this.#isResting || this.#ended.aborted) return;
    this.#isResting = true;
    this.#onSampling = Promise.withResolvers();
    this.#detach();
  }

  /** Resolves when there is no rest. */
  get sampling(): Promise<void> {
    return this.#onSampling.promise;
  }

  flush(): void {
    if (this.#isAttached) this.#perf.flush();
  }

  stop(): void {
    this.#stopped.abort();
    this.#perf.stop();
  }

  discard(): Promise<void> {
    this.#stopped.abort();
    return this.#perf.discard();
  }

  async #run(begun: Promise<unknown>): Promise<RecordExit> {
    for (;;) {
      const exit = await this.#perf.exit;
      if (!this.#isResting || hasEnded(exit)) return exit;
      await begun;
      this.#timer ??= setTimeout(
        () => this.#timeIsOver.abort(),
        Math.max(this.#endsAt - performance.now(), 0),
      );
      const quietExit = await this.#recordQuiet();
      if (quietExit && hasEnded(quietExit)) return quietExit;
      const outcome = await this.#rest();
      if ("perf" in outcome) {
        this.#isResting = false;
        this.#onSampling.resolve();
        await this.#goOn(outcome.perf);
      } else {
        await this.parts.resumed(this.#detachedSeconds());
        return outcome.exit;
      }
    }
  }

  /** Records the threads that cost little; resolves with how that has ended, if there are any. */
  async #recordQuiet(): Promise<RecordExit | undefined> {
    const quiet = await this.#attachToQuiet();
    if (!quiet) return undefined;
    await this.#goOn(quiet);
    const gone = new AbortController();
    quiet.exit.then(() => gone.abort());
    const signal = AbortSignal.any([this.#ended, gone.signal]);
    const { mayBeFewer } = await this.parts.quietIsOver(signal);
    this.#detach();
    const exit = await quiet.exit;
    return mayBeFewer && !hasEnded(exit) ? await this.#recordQuiet() : exit;
  }

  async #attachToQuiet(): Promise<PerfRecord | undefined> {
    const leftSeconds = this.#leftSeconds();
    if (this.#ended.aborted || leftSeconds < MIN_BURST_SECONDS) return undefined;
    try {
      return await this.parts.attachToQuiet(leftSeconds);
    } catch (error) {
      if (error instanceof StatusError) return undefined;
      throw error;
    }
  }

  /** Resolves with the next perf record of all, or with how the recording has ended. */
  async #rest(): Promise<{ perf: PerfRecord } | { exit: RecordExit }> {
    const signal = AbortSignal.any([this.#ended, this.#timeIsOver.signal]);
    await this.parts.rested(signal);
    for (;;) {
      if (this.#ended.aborted) return { exit: { wholeDuration: false } };
      const leftSeconds = this.#leftSeconds();
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
  }

  #detach(): void {
    this.#isAttached = false;
    this.#detachedAt = performance.now();
    this.#perf.stop();
  }

  /** Goes on with the next perf record, when what has to be said before has been. */
  async #goOn(perf: PerfRecord): Promise<void> {
    const seconds = this.#detachedSeconds();
    this.#perf = perf;
    this.#isAttached = true;
    await this.parts.resumed(seconds);
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve({ perf, next: this.#next.promise });
    // A stop in the meantime has stopped the one before.
    if (this.#ended.aborted) perf.stop();
  }

  #detachedSeconds(): number {
    return (performance.now() - this.#detachedAt) / 1000;
  }

  #leftSeconds(): number {
    return (this.#endsAt - performance.now()) / 1000;
  }
}

/** Whether a perf record has ended by itself, with what it was to record. */
function hasEnded({ failure, wholeDuration }: RecordExit): boolean {
  return failure !== undefined || wholeDuration;
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
