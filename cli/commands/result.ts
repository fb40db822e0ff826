import { CliError, ExitStatus } from "../exit_status.ts";
import type { ProfileResult } from "../profile.ts";
import { describeLeft, describePartial, describeSummary } from "../progress.ts";
import { ResultLeftError } from "../result_left.ts";
import type { Reporter } from "./reporter.ts";

/** Says, beside the failure, with which command the result that is left can be had. */
export async function sayingHowToFetch<T>(
  command: (recordingId: string) => string,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof ResultLeftError)) throw error;
    throw new CliError(error.exitStatus, withHowToFetch(error, command), { cause: error });
  }
}

/** A failure's words, and below them the command with which the result that is left can be had. */
export function withHowToFetch(
  error: CliError,
  command: (recordingId: string) => string,
): string {
  if (!(error instanceof ResultLeftError)) return error.message;
  return `${error.message}\n${describeLeft(error.left, command(error.left.recordingId))}`;
}

/** Prints the path of a result, says what there is to say of it, and returns the exit status. */
export function tellResult(
  result: ProfileResult,
  reporter: Reporter,
  durationSeconds?: number,
): ExitStatus {
  reporter.tell(describeSummary(result));
  if (result.path !== undefined) reporter.print(result.path);
  const partial = describePartial(result, durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  reporter.say(partial);
  return ExitStatus.PARTIAL;
}
