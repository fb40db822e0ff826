import { CliError, ExitStatus } from "../exit_status.ts";
import type { ProfileResult, Target } from "../profile.ts";
import { describeHottest, describeLeft, describePartial, describeSummary } from "../progress.ts";
import type { RecordOptions } from "../record_options.ts";
import { makeReport } from "../report.ts";
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

/** What was asked for, as far as it is known. */
export interface Asked {
  target?: Target;
  durationSeconds?: number;
  recordOptions?: RecordOptions;
  /** Prints one JSON object in the place of the path. */
  json: boolean;
}

/**
 * Prints the path of a result, or what there is to know of it for a machine, says what there is to
 * say of it, and returns the exit status.
 */
export function tellResult(result: ProfileResult, reporter: Reporter, asked: Asked): ExitStatus {
  const report = makeReport(result, asked);
  const { path, summary, hottest, warnings } = report;
  reporter.tell(describeSummary(result, report.cpuUse));
  if (path !== undefined) describeHottest(hottest, reporter.columns).forEach(reporter.show);
  for (const { text } of warnings) reporter.tell(`warning: ${text}`);
  if (asked.json) reporter.print(JSON.stringify(report, null, 2));
  else if (path !== undefined) reporter.print(path);
  const partial = describePartial(summary, asked.durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  reporter.say(partial);
  return ExitStatus.PARTIAL;
}
