import type { RecordOptions__Output } from "../proto/gen/necoperf/RecordOptions.ts";
import type { Container, ContainerLookup } from "./containers.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { PerfDataCounts } from "./perf_data.ts";
import { type Perf, record, type RecordingObserver, type RecordingSummary } from "./recorder.ts";
import { quoted } from "./quoted.ts";
import {
  checkRecordingOptions,
  type DurationField,
  type Limits,
  type RecordingOptions,
} from "./recording_options.ts";
import type { RecordingQueue } from "./recording_queue.ts";
import type { Result, ResultDigest, ResultStore } from "./result_store.ts";
import { StatusError } from "./status_error.ts";

/** What a caller asks for, not checked yet. */
export interface RecordingRequest {
  containerId: string;
  duration: DurationField;
  options: RecordOptions__Output | null;
}

/** What a caller is told while a recording goes on. */
export interface RecordingListener {
  accepted(recordingId: string): void;
  queued(ahead: number): void;
  started(processes: number): void;
  progress(elapsedSeconds: number, counts: PerfDataCounts): void;
  converting(): void;
}

/** A recording whose result is whole. */
export interface FinishedRecording extends RecordingSummary, ResultDigest {
  recordingId: string;
}

/** What recordings are made of. */
export interface RecordingParts {
  lookup: ContainerLookup;
  perf: Perf;
  limits: Limits;
  queue: RecordingQueue;
  store: ResultStore;
  metrics: Metrics;
  log: Log;
}

/** How long a recording that is told to stop at shutdown has for the rest of its work. */
const SHUTDOWN_STOP_SECONDS = 20;

interface Running {
  /** Whether it has a place among those that run at a time. */
  admitted: boolean;
  stop: AbortController;
  abort: AbortController;
  ended: Promise<unknown>;
}

/** The recordings of this daemon, from the request to the result. */
export class Recordings {
  readonly #running = new Map<string, Running>();
  #shuttingDown = false;

  constructor(private readonly parts: RecordingParts) {}

  /** Whether new recordings are taken. */
  get accepting(): boolean {
    return !this.#shuttingDown;
  }

  /**
   * Makes a recording and resolves when its result is whole. The result stays in the store under
   * the recording's id; it is for the caller to see to its end.
   *
   * Rejects with a `StatusError`; nothing is left then. Aborting `signal` gives the recording up.
   */
  async run(
    request: RecordingRequest,
    listener: RecordingListener,
    signal: AbortSignal,
  ): Promise<FinishedRecording> {
    const recordingId = crypto.randomUUID();
    const running: Running = {
      admitted: false,
      stop: new AbortController(),
      abort: new AbortController(),
      ended: Promise.resolve(),
    };
    const giveUp = () => running.abort.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    const finished = this.#account(
      recordingId,
      request,
      (account) => this.#run(recordingId, request, listener, running, account),
    );
    running.ended = finished.catch(() => {});
    this.#running.set(recordingId, running);
    try {
      return await finished;
    } finally {
      this.#running.delete(recordingId);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Ends the sampling of a recording early. Throws `NOT_FOUND` when it does not run. */
  stop(recordingId: string): void {
    const running = this.#running.get(recordingId);
    if (!running) {
      throw new StatusError("NOT_FOUND", "recording_id: no such recording runs on this node");
    }
    running.stop.abort("stopped");
  }

  /** The result of a recording, whole or not. Throws `NOT_FOUND` when there is none. */
  result(recordingId: string): Result {
    const result = this.parts.store.get(recordingId);
    if (!result) {
      throw new StatusError("NOT_FOUND", "recording_id: this node keeps no such result");
    }
    return result;
  }

  /** Removes the result of a recording that has ended. */
  async deleteResult(recordingId: string): Promise<void> {
    if (this.#running.has(recordingId)) {
      throw new StatusError("FAILED_PRECONDITION", "recording_id: the recording still runs");
    }
    await this.parts.store.delete(recordingId);
  }

  /**
   * Takes no new recordings, sends those that wait away and resolves when all have ended. After `graceSeconds`, or when `now`
   * aborts, those that still run are stopped and deliver what they have.
   */
  async shutDown(graceSeconds: number, now: AbortSignal): Promise<void> {
    this.#shuttingDown = true;
    const all = [...this.#running.values()];
    for (const running of all) if (!running.admitted) running.stop.abort("shutdown");
    const ended = Promise.all(all.map((running) => running.ended));
    await Promise.race([ended, deadline(graceSeconds, now)]);
    for (const running of all) running.stop.abort("shutdown");
    await Promise.race([ended, deadline(SHUTDOWN_STOP_SECONDS)]);
    for (const running of all) running.abort.abort();
    await ended;
  }

  async #run(
    recordingId: string,
    request: RecordingRequest,
    listener: RecordingListener,
    running: Running,
    account: Account,
  ): Promise<FinishedRecording> {
    const { lookup, limits, queue, store } = this.parts;
    if (this.#shuttingDown) throw shuttingDown();
    const options = checkRecordingOptions(request.duration, request.options, limits);
    account.options = options;
    const container = await lookup.find(request.containerId, running.abort.signal);
    account.container = container;
    listener.accepted(recordingId);
    const leave = await queue.enter(
      AbortSignal.any([running.abort.signal, running.stop.signal]),
      (ahead) => listener.queued(ahead),
    ).catch((error) => {
      throw running.stop.signal.reason === "shutdown" ? shuttingDown() : error;
    });
    running.admitted = true;
    try {
      const result = await store.create(recordingId);
      const control = { abort: running.abort.signal, stop: running.stop.signal };
      const output = result.writable();
      const observer = { ...listener, missed: this.#logMissed(recordingId) };
      const summary = await record(this.parts, container, options, output, control, observer);
      return { recordingId, ...summary, ...result.digest! };
    } catch (error) {
      await store.delete(recordingId);
      throw error;
    } finally {
      leave();
    }
  }

  #logMissed(requestId: string): RecordingObserver["missed"] {
    return (pids, { message: error }) =>
      this.parts.log.warning("processes that entered are not recorded", { requestId, pids, error });
  }

  /** Writes a line to the log and counts in the metrics what became of a request. */
  async #account(
    recordingId: string,
    request: RecordingRequest,
    run: (account: Account) => Promise<FinishedRecording>,
  ): Promise<FinishedRecording> {
    const { metrics, log } = this.parts;
    const startedAt = performance.now();
    const account: Account = {};
    const end = (outcome: string) => {
      const durationSeconds = (performance.now() - startedAt) / 1000;
      metrics.recordingEnded(outcome, durationSeconds);
      return {
        requestId: recordingId,
        containerId: account.container?.id ?? quoted(request.containerId),
        ...describePod(account.container),
        options: account.options,
        outcome,
        durationSeconds,
      };
    };
    try {
      const finished = await run(account);
      const { samples, lostSamples, sizeBytes } = finished;
      log.info("recording finished", {
        ...end(finished.completeness),
        samples,
        lostSamples,
        sizeBytes,
      });
      return finished;
    } catch (error) {
      const outcome = error instanceof StatusError ? error.status.toLowerCase() : "internal";
      const properties = { ...end(outcome), error: (error as Error).message };
      if (outcome === "internal") {
        log.error("recording failed", { ...properties, stack: (error as Error).stack });
      } else log.info("recording refused or failed", properties);
      throw error;
    }
  }
}

/** What the log says of a request, filled in as it becomes known. */
interface Account {
  container?: Container;
  options?: RecordingOptions;
}

function shuttingDown(): StatusError {
  return new StatusError("UNAVAILABLE", "the daemon of this node is shutting down: try again");
}

function describePod(container: Container | undefined): Record<string, string | undefined> {
  return {
    podNamespace: container?.podNamespace,
    pod: container?.podName,
    podUid: container?.podUid,
    container: container?.containerName,
  };
}

function deadline(seconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  if (signal?.aborted) resolve();
  return promise.finally(() => clearTimeout(timer));
}
