import { openResultOutput } from "../output/converting_output.ts";
import { countingOutput } from "../output/counting_output.ts";
import { timeTextOutput } from "../output/time_text_output.ts";
import { fetchRecording } from "./daemon_client.ts";
import type { DaemonReference } from "../daemon/reconnecting_client.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import type { ConvertedFormat } from "../../formats/converted_format.ts";
import type { ProfileResult } from "./profile.ts";
import type { DownloadEvent, RecordingSummary } from "./recording_event.ts";

/** Which result to fetch, and where it goes. */
export interface FetchOptions {
  /** The daemon that keeps it: from `findDaemon` or `openDaemon`. */
  daemon: DaemonReference;
  /** The recording's id, as a `PendingResultError` has it. */
  recordingId: string;
  /** A directory, which is made when it is missing; `-` for standard output. */
  outputDirectory: string;
  /** The start of the file's name. Default: the recording's id. */
  name?: string;
  /** What was asked for, for the file's name. Default: `script`. */
  format?: "script" | "data";
  /** The format to convert perf script's text to on the way. Default: none. */
  convertTo?: ConvertedFormat;
  /** Counts the stacks of perf script's text on the way. */
  countStacks?: boolean;
  /** Counts no thread as idle where threads' time is counted. Default: false. */
  idle?: boolean;
  /** Finds lines to show on the page of a flame graph, once the result has arrived. */
  notes?: (summary: RecordingSummary) => string[];
  /** How long a lost connection is tried again. Default: a minute. */
  retryTimeoutSeconds?: number;
  /** Hears of what arrives, and of connections that are lost. */
  onEvent?: (event: DownloadEvent) => void;
  /** Ends the download; what has arrived stays for the next. */
  signal?: AbortSignal;
}

/**
 * Fetches the result of a recording that a daemon keeps, and writes it into a directory as
 * `profile` does. What an earlier attempt has left there is not fetched again.
 *
 * Rejects with a `CliError` as `fetchRecording` does. What has arrived stays for another attempt
 * unless there is no such result any more, or it is damaged.
 */
export async function fetchResult(options: FetchOptions): Promise<ProfileResult> {
  const { daemon, recordingId, outputDirectory, name = recordingId, format, convertTo, idle } =
    options;
  let notes: string[] = [];
  const output = await openResultOutput(outputDirectory, {
    ...{ stem: name, format, convertTo, idle },
    notes: () => notes,
  });
  const counting = options.countStacks && format !== "data"
    ? countingOutput(output, { idle })
    : undefined;
  const sink = timeTextOutput(counting ?? output);
  let path: string | undefined;
  try {
    const summary = await fetchRecording({
      ...daemon,
      recordingId,
      retryTimeoutSeconds: options.retryTimeoutSeconds,
    }, {
      ...sink,
      commit: async (summary) => {
        notes = options.notes?.(summary) ?? [];
        path = await sink.commit();
      },
      onEvent: options.onEvent,
      signal: options.signal,
    });
    return { ...summary, path, stacks: counting?.stacks() };
  } catch (error) {
    if (isOfNoUse(error)) await output.discard();
    else await output.suspend();
    throw error;
  }
}

/** Says whether what has arrived can be no part of a result. */
function isOfNoUse(error: unknown): boolean {
  const useless: ExitStatus[] = [ExitStatus.NOT_FOUND, ExitStatus.OTHER];
  return !(error instanceof CliError) || useless.includes(error.exitStatus);
}
