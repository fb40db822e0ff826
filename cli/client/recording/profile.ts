import { shortContainerId } from "../../../proto/container_id.ts";
import { openResultOutput } from "../output/converting_output.ts";
import { countingOutput } from "../output/counting_output.ts";
import { timeTextOutput } from "../output/time_text_output.ts";
import { recordContainer } from "./daemon_client.ts";
import { interrupted } from "../../errors.ts";
import type { Target } from "../targets/target.ts";
import type { ConvertedFormat } from "../../formats/converted_format.ts";
import type { Output } from "../output/output.ts";
import type { RecordingEvent, RecordingSummary } from "./recording_event.ts";
import type { RecordOptions } from "./record_options.ts";
import { PendingResultError } from "./pending_result.ts";
import type { StackProfile } from "../../script/stack_profile.ts";

/** What to record, and where the result goes. */
export interface ProfileOptions {
  /** What to profile: from `findTarget` or `openTarget`. */
  target: Target;
  /** How long to sample; the daemon has an upper limit. */
  durationSeconds: number;
  /** How to sample. Default: as the daemon chooses. */
  recordOptions?: RecordOptions;
  /** The format to convert perf script's text to on the way. Default: none. */
  convertTo?: ConvertedFormat;
  /** A directory, which is made when it is missing; `-` for standard output. */
  outputDirectory: string;
  /** Counts the stacks of perf script's text on the way. */
  countStacks?: boolean;
  /** Counts no thread as idle where threads' time is counted. Default: false. */
  idle?: boolean;
  /** Finds lines to show on the page of a flame graph, once the result has arrived. */
  notes?: (summary: RecordingSummary, target: Target) => string[];
  /** How long to wait for sampling to start. Default: until it does. */
  queueTimeoutSeconds?: number;
  /** How long a lost connection is tried again. Default: a minute. */
  retryTimeoutSeconds?: number;
  /** Hears what happens, in order. */
  onEvent?: (event: RecordingEvent) => void;
  /** Gives up: nothing is kept. */
  signal?: AbortSignal;
  /** Ends sampling early and keeps what there is by then. */
  stopSignal?: AbortSignal;
}

/** A result that has arrived whole. */
export interface ProfileResult extends RecordingSummary {
  /** Not there when it went to standard output. */
  path?: string;
  /** There when they were to be counted, and perf script's text was what arrived. */
  stacks?: StackProfile;
}

/**
 * Profiles a container and writes the result into a directory, under a name of its own and only
 * when it is whole.
 *
 * Rejects with a `CliError`: the directory cannot be written, which is seen before anything is
 * recorded (exit status 2), or any of what `recordContainer` rejects with. It leaves no file, but
 * when the connection stays lost what `fetchResult` goes on from.
 */
export async function profile(options: ProfileOptions): Promise<ProfileResult> {
  return await profileInto(options, (output) => Promise.resolve(output));
}

/** Profiles as `profile` does, into what is made of its output. */
export async function profileInto(
  options: ProfileOptions,
  through: (output: Output) => Promise<Output>,
): Promise<ProfileResult> {
  const { target, signal, stopSignal, recordOptions = {} } = options;
  if (signal?.aborted || stopSignal?.aborted) throw interrupted();
  let notes: string[] = [];
  const output = await through(
    await openResultOutput(options.outputDirectory, {
      stem: nameResult(target),
      format: recordOptions.format,
      convertTo: options.convertTo,
      idle: options.idle,
      notes: () => notes,
    }),
  );
  const counting = options.countStacks && recordOptions.format !== "data"
    ? countingOutput(output, { idle: options.idle })
    : undefined;
  const sink = timeTextOutput(counting ?? output, {
    isRequired: recordOptions.threadTime !== undefined,
  });
  let path: string | undefined;
  try {
    const summary = await recordContainer({
      ...target,
      nodeName: target.pod?.nodeName,
      durationSeconds: options.durationSeconds,
      options: recordOptions,
      queueTimeoutSeconds: options.queueTimeoutSeconds,
      retryTimeoutSeconds: options.retryTimeoutSeconds,
    }, {
      ...sink,
      commit: async (summary) => {
        notes = options.notes?.(summary, target) ?? [];
        path = await sink.commit();
      },
      onEvent: options.onEvent,
      signal,
      stopSignal,
    });
    return { ...summary, path, stacks: counting?.stacks() };
  } catch (error) {
    if (error instanceof PendingResultError) await output.suspend();
    else await output.discard();
    throw error;
  }
}

/** The start of the names of files with results of a target. */
export function nameResult({ pod, containerId }: Target): string {
  return pod ? `${pod.name}-${pod.container}` : shortContainerId(containerId);
}
