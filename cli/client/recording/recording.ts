import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { toDuration } from "../../../proto/duration.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../../../proto/gen/necoperf/RecordingEvent.ts";
import type { Connection } from "../daemon/connection.ts";
import { isUnreachable, type ReconnectingClient } from "../daemon/reconnecting_client.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeControls } from "../../escape_controls.ts";
import {
  type RecordingEvent,
  type RecordingSummary,
  toEvent,
  toSummary,
} from "./recording_event.ts";
import { type RecordOptions, toMessage } from "./record_options.ts";
import {
  type Arrived,
  checkArrived,
  downloadResult,
  messages,
  type ResultSink,
} from "./result_download.ts";
import { keepPendingResult, keptUntil } from "./pending_result.ts";
import { RecordingLostError } from "./recording_lost_error.ts";
import { requireThreadTime } from "./require_thread_time.ts";
import { isRpcFailure, isStatus } from "../daemon/rpc_failure.ts";

/** What is recorded. */
export interface RecordingOrder {
  /** As the runtime names it, without `containerd://` before it. */
  containerId: string;
  /** How long to sample; the daemon has an upper limit. */
  durationSeconds: number;
  /** How to sample. */
  options: RecordOptions;
}

/** What a recording reads and reports while it runs. */
export interface RecordingHooks extends ResultSink {
  /** Hears what happens, in order. */
  onEvent?(event: RecordingEvent): void;
  /** Gives the recording up: the daemon ends it and drops what it made. */
  signal?: AbortSignal;
  /** Ends sampling early; what was sampled by then is delivered. Gives up when none was yet. */
  stopSignal?: AbortSignal;
}

/** One attempt at a recording, from its request to its result. */
export interface RecordingRun {
  /** `waiting`: sampling has not started; `over`: it has ended, or the result arrives. */
  readonly phase: "waiting" | "sampling" | "over";
  /** Runs it once; `waiting` ends it as long as sampling has not started. */
  run(waiting: AbortSignal): Promise<RecordingSummary>;
}

/** How long answers that the result does not depend on are waited for, in milliseconds. */
const PATIENCE_MS = { stop: 5_000, delete: 2_000 };

/** One recording, from its request to its result. */
export class Recording implements RecordingRun {
  /** Lost connections change it no more than they do on the daemon. */
  phase: RecordingRun["phase"] = "waiting";
  #recordingId = "";
  /** What the daemon samples with, once it has said so. */
  #frequencyHz?: number;
  #finished: Finished | undefined;
  #keptUntil: Date | undefined;
  #arriving: Promise<Arrived> | undefined;
  #receivedBytes = 0;
  #writeError: unknown;
  readonly #ends = new AbortController();

  constructor(
    private readonly link: ReconnectingClient,
    private readonly order: RecordingOrder,
    private readonly hooks: RecordingHooks,
  ) {}

  /**
   * Runs it once; `waiting` ends it as long as sampling has not started.
   *
   * Rejects with the failed call, with a `RecordingLostError`, with a `PendingResultError` when the
   * daemon has a result, or as the link or the sink do.
   */
  async run(waiting: AbortSignal): Promise<RecordingSummary> {
    const { link, hooks: { signal, stopSignal } } = this;
    const connection = await link.connect(waiting);
    const metadata = await connection.authorize(waiting);
    const lossesBefore = link.losses;
    const giveUp = () => this.#ends.abort();
    const giveUpWaiting = () => this.phase === "waiting" && giveUp();
    const stop = () => this.#stop();
    signal?.addEventListener("abort", giveUp);
    stopSignal?.addEventListener("abort", stop);
    waiting.addEventListener("abort", giveUpWaiting);
    try {
      if (waiting.aborted) giveUp();
      if (this.order.options.threadTime) {
        await requireThreadTime(link, connection, metadata, waiting);
      }
      await this.#follow(connection, metadata);
      const arrived = await this.#receive();
      if (arrived.finished) this.#hearEnd(arrived.finished);
      const finished = this.#finished;
      if (!finished) throw endedWithoutResult(link.name);
      checkArrived(arrived, finished);
      const summary = { ...toSummary(finished), frequencyHz: this.#frequencyHz };
      await this.hooks.commit?.(summary);
      await deleteResult(link, this.#recordingId);
      return summary;
    } catch (error) {
      giveUp();
      await this.#arriving?.catch(() => {});
      throw await this.#judge(error, link.losses > lossesBefore);
    } finally {
      signal?.removeEventListener("abort", giveUp);
      stopSignal?.removeEventListener("abort", stop);
      waiting.removeEventListener("abort", giveUpWaiting);
    }
  }

  /** Asks for the recording and hears what happens to it, until that ends or cannot be heard. */
  async #follow(connection: Connection, metadata: Metadata): Promise<void> {
    const { containerId, durationSeconds, options } = this.order;
    const call = connection.client.startRecording({
      containerId,
      duration: toDuration(durationSeconds),
      options: toMessage(options),
    }, metadata);
    const { signal: ends } = this.#ends;
    ends.addEventListener("abort", () => call.cancel());
    if (ends.aborted) call.cancel();
    try {
      for await (const message of messages(call)) {
        this.link.progressed();
        switch (message.event) {
          case "accepted":
            this.#recordingId = checkRecordingId(message.accepted!.recordingId);
            break;
          case "started":
            this.phase = "sampling";
            this.#frequencyHz = message.started!.frequency || undefined;
            // Awaited last: when the recording fails as well, its own call has the better words.
            this.#receive().catch(() => {});
            break;
          case "converting":
            this.phase = "over";
            break;
          case "finished":
            this.#hearEnd(message.finished!);
            this.#tellReceived();
            break;
        }
        const event = toEvent(message, this.#recordingId);
        if (event) this.hooks.onEvent?.(event);
      }
    } catch (error) {
      if (ends.aborted || !this.link.isLost(connection, error)) throw error;
      if (this.phase === "waiting") throw new RecordingLostError();
      // The result's own call shows what becomes of the recording. The daemon may not have noticed
      // that this one was lost, or the news that sampling is over may have been lost with it.
      return;
    }
    if (!this.#finished) throw endedWithoutResult(this.link.name);
  }

  #hearEnd(finished: Finished): void {
    this.phase = "over";
    this.#finished = finished;
    this.#keptUntil = keptUntil(finished);
  }

  #receive(): Promise<Arrived> {
    const hold =
      <Args extends unknown[], T>(take: (...args: Args) => Promise<T>) => (...args: Args) =>
        take(...args).catch((error) => {
          // When the bytes can go nowhere there is no use in going on.
          this.#writeError = error;
          this.#ends.abort();
          throw error;
        });
    const { begin, keep, write } = this.hooks;
    const sink = { begin: begin && hold(begin), keep: keep && hold(keep), write: hold(write) };
    return this.#arriving ??= downloadResult(this.link, this.#recordingId, sink, {
      signal: this.#ends.signal,
      onReceived: (bytes) => {
        this.#receivedBytes = bytes;
        this.#tellReceived();
      },
    });
  }

  #tellReceived(): void {
    this.hooks.onEvent?.({
      kind: "downloading",
      receivedBytes: this.#receivedBytes,
      totalBytes: this.#finished?.compressedSize || undefined,
    });
  }

  #stop(): void {
    if (this.phase === "waiting") return;
    this.hooks.onEvent?.({ kind: "stopping", sampling: this.phase === "sampling" });
    if (this.phase === "over") return;
    // When this fails the recording takes its time, and the user can still give up.
    stopRecording(this.link, this.#recordingId, this.#ends.signal).catch(() => {});
  }

  /** The cause of a failure, and what to fix on the daemon's side. */
  async #judge(error: unknown, interrupted: boolean): Promise<unknown> {
    const unwanted = this.hooks.signal?.aborted ||
      this.#writeError instanceof CliError && this.#writeError.message === "";
    const cause = this.#writeError ?? error;
    if (unwanted) {
      // Cancelling is enough only for what has not been converted yet.
      await deleteResult(this.link, this.#recordingId);
      return cause;
    }
    if (isRpcFailure(error) && !this.#writeError) {
      return interrupted && isStatus(error, "NOT_FOUND") ? new RecordingLostError() : error;
    }
    const sure = this.phase === "over";
    // The news that sampling is over may have been lost with the connection.
    const maybe = this.phase === "sampling" && !this.#writeError && isUnreachable(cause);
    if (!sure && !maybe) return cause;
    return keepPendingResult(cause, {
      recordingId: this.#recordingId,
      sure,
      keptUntil: this.#keptUntil,
    });
  }
}

/**
 * Spares the daemon to keep what is not wanted any more. It forgets results by itself, if later.
 */
export async function deleteResult(link: ReconnectingClient, recordingId: string): Promise<void> {
  const { current } = link;
  if (!current || recordingId === "") return;
  const deadline = Date.now() + PATIENCE_MS.delete;
  let metadata: Metadata;
  try {
    metadata = await current.authorize(AbortSignal.timeout(PATIENCE_MS.delete));
  } catch {
    return;
  }
  await new Promise<void>((resolve) => {
    const done = (_error: ServiceError | null) => resolve();
    current.client.deleteResult({ recordingId }, metadata, { deadline }, done);
  });
}

/**
 * Ends sampling; over the next connection when this one is lost, where the daemon may sample yet.
 */
async function stopRecording(
  link: ReconnectingClient,
  recordingId: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const connection = await link.connect(signal);
    try {
      const metadata = await connection.authorize(signal);
      const deadline = Date.now() + PATIENCE_MS.stop;
      return await new Promise((resolve, reject) => {
        const done = (error: ServiceError | null) => error ? reject(error) : resolve();
        connection.client.stopRecording({ recordingId }, metadata, { deadline }, done);
      });
    } catch (error) {
      if (!link.isLost(connection, error)) throw error;
    }
  }
}

function endedWithoutResult(daemon: string): CliError {
  return new CliError(
    ExitStatus.RECORDING_FAILED,
    `${daemon} ended the recording without a result`,
  );
}

/**
 * Checks a recording's id, which becomes part of a file name and of a command to type. Throws a
 * `CliError`: a daemon's ids are UUIDs.
 */
function checkRecordingId(recordingId: string): string {
  if (/^[\w-]{1,64}$/.test(recordingId)) return recordingId;
  const shown = escapeControls(recordingId.slice(0, 80));
  throw new CliError(ExitStatus.OTHER, `the daemon gave a recording the invalid id "${shown}"`);
}
