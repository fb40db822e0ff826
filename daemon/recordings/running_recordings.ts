import type { Caller } from "../caller.ts";
import { AbandonmentTimer } from "./abandonment_timer.ts";

/** How long a recording that is told to stop at shutdown has for the rest of its work. */
const SHUTDOWN_STOP_SECONDS = 20;

/** A recording from its request to its end. */
export interface RunningRecording {
  /** Who asked for it, once that is known. */
  caller?: Caller;
  /** Whether it has a place among those that run at a time. */
  admitted: boolean;
  /** Whether its sampling has started. */
  started: boolean;
  /** Whether its sampling has ended. */
  sampled: boolean;
  stop: AbortController;
  abort: AbortController;
  /** Aborts it when its caller is lost and does not come back. */
  abandonment: AbandonmentTimer;
  /** Settles, never with an error, when nothing of it goes on. */
  ended: Promise<unknown>;
}

/** The recordings that have been asked for and have not ended, by their ids. */
export class RunningRecordings {
  readonly #running = new Map<string, RunningRecording>();

  /** Starts one; `run` is what it does. Resolves and rejects as that does. */
  async start<T>(id: string, run: (running: RunningRecording) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const running: RunningRecording = {
      admitted: false,
      started: false,
      sampled: false,
      stop: new AbortController(),
      abort,
      abandonment: new AbandonmentTimer(() => abort.abort()),
      ended: Promise.resolve(),
    };
    this.#running.set(id, running);
    const finished = run(running);
    running.ended = finished.catch(() => {});
    try {
      return await finished;
    } finally {
      running.abandonment.end();
      this.#running.delete(id);
    }
  }

  /** The recording of that id, unless it has ended. */
  get(id: string): RunningRecording | undefined {
    return this.#running.get(id);
  }

  /**
   * Sends those that wait away and resolves when all have ended. After `graceSeconds`, or when
   * `now` aborts, those that still run are stopped and deliver what they have.
   */
  async shutDown(graceSeconds: number, now: AbortSignal): Promise<void> {
    const all = [...this.#running.values()];
    for (const running of all) if (!running.admitted) running.stop.abort("shutdown");
    const ended = Promise.all(all.map((running) => running.ended));
    await Promise.race([ended, deadline(graceSeconds, now)]);
    for (const running of all) running.stop.abort("shutdown");
    await Promise.race([ended, deadline(SHUTDOWN_STOP_SECONDS)]);
    for (const running of all) running.abort.abort();
    await ended;
  }
}

function deadline(seconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  if (signal?.aborted) resolve();
  return promise.finally(() => clearTimeout(timer));
}
