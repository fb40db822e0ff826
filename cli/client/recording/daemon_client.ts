import { formatDuration } from "../../../proto/duration.ts";
import { type DaemonReference, openReconnectingClient } from "../daemon/reconnecting_client.ts";
import { CliError, ExitStatus, interrupted } from "../../errors.ts";
import {
  deleteResult,
  Recording,
  type RecordingHooks,
  type RecordingOrder,
  type RecordingRun,
} from "./recording.ts";
import { type DownloadEvent, type RecordingSummary, toSummary } from "./recording_event.ts";
import { type Arrived, checkArrived, downloadResult, type ResultSink } from "./result_download.ts";
import { RecordingLostError } from "./recording_lost_error.ts";
import { keepPendingResult, keptUntil } from "./pending_result.ts";
import { foreignAnswer, isRpcFailure, isStatus } from "../daemon/rpc_failure.ts";
import {
  checkForProfile,
  createProfileRecording,
  PROFILE_KEEPALIVE_SECONDS,
} from "./profile_recording.ts";

/** One recording, asked of one daemon. */
export interface RecordingRequest extends RecordingOrder, DaemonReference {
  /** How long to wait for sampling to start. Default: until it does. */
  queueTimeoutSeconds?: number;
}

/** The result of a recording, asked of the daemon that made it. */
export interface ResultRequest extends DaemonReference {
  /** The recording's id, as a `PendingResultError` has it. */
  recordingId: string;
}

/** What a download reports, and what ends it. */
export interface DownloadHooks extends ResultSink {
  /** Hears of what arrives, and of connections that are lost. */
  onEvent?(event: DownloadEvent): void;
  /** Ends the download. The daemon keeps the result. */
  signal?: AbortSignal;
}

/** A daemon that goes down with each shall not be asked for ever. */
const MOST = { recordings: 3, requests: 10 };

/**
 * Has a daemon profile a container, and writes the result as it arrives. Resolves when all of it is
 * written and is what the daemon made, by size and SHA-256.
 *
 * A daemon that does not know `StartRecording` is asked by `Profile`, where that can do what is
 * asked.
 *
 * A connection that is lost is made again. The download goes on where it stopped; what the daemon
 * has lost is recorded again.
 *
 * Rejects with a `CliError`: the token may not be sent over that connection, or there is none to be
 * had (exit status 4), the daemon cannot be reached, is not who it should be or stays lost (5),
 * refuses (2, 3, 4), fails or catches no sample (6), has no place in time (1), or `signal` aborts
 * (130). It is a `PendingResultError` when the daemon keeps a result. What was written by then is
 * not a result.
 */
export async function recordContainer(
  request: RecordingRequest,
  hooks: RecordingHooks,
): Promise<RecordingSummary> {
  const { signal, stopSignal } = hooks;
  const { queueTimeoutSeconds } = request;
  using links = new DisposableStack();
  let link = links.use(openReconnectingClient(request, hooks.onEvent));
  let create = (): RecordingRun => new Recording(link, request, hooks);
  const tooLong = queueTimeoutSeconds && AbortSignal.timeout(queueTimeoutSeconds * 1000);
  // Until sampling starts there is nothing to keep: to stop is to give up.
  const waiting = AbortSignal.any(
    [signal, stopSignal, tooLong || undefined].filter((one) => !!one),
  );
  const lost = { recordings: 0, requests: 0 };
  for (;;) {
    const recording = create();
    try {
      return await recording.run(waiting);
    } catch (error) {
      const waited = recording.phase === "waiting";
      if (signal?.aborted || waited && stopSignal?.aborted) throw interrupted();
      if (waited && waiting.aborted) throw queuedTooLong(link.name, queueTimeoutSeconds!);
      if (recording instanceof Recording && waited && isUnknownCall(error)) {
        checkForProfile(link.name, request);
        const keepaliveSeconds = PROFILE_KEEPALIVE_SECONDS;
        link = links.use(openReconnectingClient({ ...request, keepaliveSeconds }, hooks.onEvent));
        create = () => createProfileRecording(link, request, hooks);
        continue;
      }
      if (!(error instanceof RecordingLostError)) throw link.describe(error);
      if (!waited) {
        if (stopSignal?.aborted) throw lostWhenStopped();
        if (++lost.recordings < MOST.recordings) hooks.onEvent?.({ kind: "recording again" });
      }
      if (lost.recordings === MOST.recordings || ++lost.requests === MOST.requests) {
        throw lostTooOften(link.name);
      }
    }
  }
}

/**
 * Fetches the result of a recording that a daemon has made, and writes it as it arrives. Resolves
 * as `recordContainer` does.
 *
 * Rejects with a `CliError` as `recordContainer` does; exit status 3 when the daemon has no such
 * result for this caller.
 */
export async function fetchRecording(
  request: ResultRequest,
  hooks: DownloadHooks,
): Promise<RecordingSummary> {
  const { recordingId } = request;
  const { signal = new AbortController().signal } = hooks;
  using link = openReconnectingClient(request, hooks.onEvent);
  let finished: Arrived["finished"];
  try {
    const arrived = await downloadResult(link, recordingId, hooks, {
      signal,
      onReceived: (receivedBytes) => hooks.onEvent?.({ kind: "downloading", receivedBytes }),
    });
    finished = arrived.finished;
    if (!finished) {
      throw new CliError(
        ExitStatus.OTHER,
        `${link.name} did not say what the whole result is; its release is older than this client's`,
      );
    }
    checkArrived(arrived, finished);
    const summary = toSummary(finished);
    await hooks.commit?.(summary);
    await deleteResult(link, recordingId);
    return summary;
  } catch (error) {
    const left = {
      recordingId,
      sure: finished !== undefined,
      keptUntil: finished && keptUntil(finished),
    };
    if (signal.aborted) throw keepPendingResult(downloadEnded(), left);
    const failure = link.describe(error);
    if (isRpcFailure(error) && isStatus(error, "NOT_FOUND")) {
      throw noSuchResult(failure as CliError);
    }
    throw keepPendingResult(failure, left);
  }
}

/** Says whether a daemon, and not something else in its place, does not know a call. */
function isUnknownCall(error: unknown): boolean {
  return isRpcFailure(error) && isStatus(error, "UNIMPLEMENTED") && !foreignAnswer(error);
}

function queuedTooLong(daemon: string, seconds: number): CliError {
  return new CliError(
    ExitStatus.OTHER,
    `${daemon}: the recording did not start within ${formatDuration(seconds)} (--queue-timeout)`,
  );
}

function lostWhenStopped(): CliError {
  return new CliError(
    ExitStatus.INTERRUPTED,
    "interrupted; the recording was lost with the connection, so there is nothing to keep",
  );
}

function lostTooOften(daemon: string): CliError {
  return new CliError(
    ExitStatus.UNREACHABLE,
    `${daemon}: the connection was lost repeatedly, and the recording with it`,
  );
}

function downloadEnded(): CliError {
  return new CliError(ExitStatus.INTERRUPTED, "interrupted");
}

function noSuchResult(failure: CliError): CliError {
  return new CliError(
    failure.exitStatus,
    `${failure.message}; the daemon keeps a result for a limited time, and only for the user who ` +
      "asked for it: record again",
    { cause: failure },
  );
}
