import { fromDuration } from "../../../proto/duration.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../../../proto/gen/necoperf/RecordingEvent.ts";
import { CliError, ExitStatus } from "../../errors.ts";

/** A result that is left with the daemon. */
export interface PendingResult {
  /** The id to fetch it by. */
  recordingId: string;
  /** Whether it is sure that the daemon has one. */
  sure: boolean;
  /** When the daemon drops it, if that is known. */
  keptUntil?: Date;
}

/**
 * The failure to get a result that the daemon keeps, or may keep: it can be asked for again with
 * the recording's id.
 */
export class PendingResultError extends CliError {
  /** Has the words and the exit status of `cause`. */
  constructor(cause: CliError, readonly left: PendingResult) {
    super(cause.exitStatus, cause.message, { cause });
  }
}

/** Statuses of failures that are not the result's: the same may go well another time. */
const PASSING: ExitStatus[] = [
  ExitStatus.UNREACHABLE,
  ExitStatus.INTERRUPTED,
  ExitStatus.OTHER,
];

/** When the daemon drops a result of which it has just said this; not there if it has not said. */
export function keptUntil({ kept }: Finished): Date | undefined {
  const seconds = fromDuration(kept);
  return seconds > 0 ? new Date(Date.now() + seconds * 1000) : undefined;
}

/** Says with a failure that the result is left with the daemon, where it is. */
export function keepPendingResult(failure: unknown, left: PendingResult): unknown {
  if (!(failure instanceof CliError) || !PASSING.includes(failure.exitStatus)) return failure;
  return new PendingResultError(failure, left);
}
