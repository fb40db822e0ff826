import { CliError, ExitStatus } from "../errors.ts";
import type { ProfileResult } from "../client/recording/profile.ts";
import type { Target } from "../client/targets/target.ts";
import {
  describeHottest,
  describeLeft,
  describePartial,
  describeSummary,
} from "../terminal/messages.ts";
import type { RecordOptions } from "../client/recording/record_options.ts";
import { makeReport } from "../analysis/report.ts";
import { describeThinned, describeThreadTime } from "../analysis/thread_time_text.ts";
import { PendingResultError } from "../client/recording/pending_result.ts";
import type { Reporter } from "./reporter.ts";

/** Says, beside the failure, with which command the result that is left can be had. */
export async function sayingHowToFetch<T>(
  command: (recordingId: string) => string,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof PendingResultError)) throw error;
    throw new CliError(error.exitStatus, withHowToFetch(error, command), { cause: error });
  }
}

/** A failure's words, and below them the command with which the result that is left can be had. */
export function withHowToFetch(
  error: CliError,
  command: (recordingId: string) => string,
): string {
  if (!(error instanceof PendingResultError)) return error.message;
  return `${error.message}\n${describeLeft(error.left, command(error.left.recordingId))}`;
}

/** A failure as `--json` prints it. */
interface Failure {
  exitStatus: ExitStatus;
  message: string;
  /** What `fetch` takes, when there may be a result left. */
  recordingId?: string;
}

/** Describes a failure for machines. `message` is what people read. */
export function failureOf(error: CliError, message = error.message): Failure {
  const left = [error, error.cause].find((one) => one instanceof PendingResultError);
  return { exitStatus: error.exitStatus, message, recordingId: left?.left.recordingId };
}

/**
 * Does what a command does, and prints a failure, with `json`, as an object in the place of others.
 */
export async function failingInJson<T>(
  json: boolean,
  reporter: Reporter,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (json && error instanceof CliError) {
      reporter.printJson({ error: failureOf(error) });
    }
    throw error;
  }
}

/** What was asked for, as far as it is known. */
interface Asked {
  target?: Target;
  durationSeconds?: number;
  recordOptions?: RecordOptions;
  recordingId?: string;
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
  reporter.info(describeSummary(result, report));
  if (report.threadTime) {
    reporter.info(describeThreadTime(report.threadTime));
    describeThinned(report.threadTime.thinned).forEach(reporter.info);
  }
  if (path !== undefined) describeHottest(hottest, reporter.columns).forEach(reporter.line);
  for (const { text } of warnings) reporter.info(`warning: ${text}`);
  if (asked.json) reporter.printJson(report);
  else if (path !== undefined) reporter.printPath(path);
  const partial = describePartial(summary, asked.durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  reporter.error(partial);
  return ExitStatus.PARTIAL;
}
