import { fromDuration } from "../proto/duration.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../proto/gen/necoperf/RecordingEvent.ts";
import { CliError, ExitStatus } from "./exit_status.ts";

/**
 * The failure to get a result that the daemon still keeps: it can be asked for again with the
 * recording's id.
 */
export class ResultLeftError extends CliError {
  /** `keptUntil` is when the daemon drops it, if that is known. */
  constructor(
    cause: CliError,
    readonly recordingId: string,
    readonly keptUntil?: Date,
  ) {
    super(cause.exitStatus, cause.message, { cause });
  }
}

/** Statuses of failures that are not the result's: the same may go well another time. */
const PASSING: ExitStatus[] = [
  ExitStatus.UNREACHABLE,
  ExitStatus.INTERRUPTED,
  ExitStatus.OTHER,
];

/** Says with a failure that the result is left with the daemon, where it is. */
export function leaveResult(
  failure: unknown,
  recordingId: string,
  finished?: Finished | null,
): unknown {
  if (!(failure instanceof CliError) || !PASSING.includes(failure.exitStatus)) return failure;
  const keptSeconds = fromDuration(finished?.kept ?? null);
  const keptUntil = keptSeconds > 0 ? new Date(Date.now() + keptSeconds * 1000) : undefined;
  return new ResultLeftError(failure, recordingId, keptUntil);
}
