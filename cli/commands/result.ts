import { CliError, ExitStatus } from "../exit_status.ts";
import type { ProfileResult } from "../profile.ts";
import { describeLeft, describePartial, describeSummary } from "../progress.ts";
import { ResultLeftError } from "../result_left.ts";
import { say } from "./say.ts";

/** Says, beside the failure, with which command the result that is left can be had. */
export async function sayingHowToFetch<T>(
  command: (recordingId: string) => string,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof ResultLeftError)) throw error;
    const words = describeLeft(error, command(error.recordingId));
    throw new CliError(error.exitStatus, `${error.message}\n${words}`, { cause: error });
  }
}

/** Prints the path of a result, says what there is to say of it, and returns the exit status. */
export function tellResult(
  result: ProfileResult,
  tell: (line: string) => unknown,
  durationSeconds?: number,
): ExitStatus {
  tell(describeSummary(result));
  if (result.path !== undefined) console.log(result.path);
  const partial = describePartial(result, durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  say(partial);
  return ExitStatus.PARTIAL;
}
