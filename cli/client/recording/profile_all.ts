import { MAX_CONCURRENT_TARGETS } from "../../../proto/defaults.ts";
import { wait } from "../../../wait.ts";
import { CliError, interrupted } from "../../errors.ts";
import { forEachConcurrent } from "../for_each_concurrent.ts";
import { type Merge, openMerge } from "../output/merge.ts";
import { openNowhere } from "../output/output.ts";
import { nameResult, profileInto, type ProfileOptions, type ProfileResult } from "./profile.ts";
import type { Target } from "../targets/target.ts";
import type { RecordingEvent } from "./recording_event.ts";
import { BusyError } from "../daemon/rpc_failure.ts";

/** What to record of several containers, and where the results go. */
export interface ProfileAllOptions extends Omit<ProfileOptions, "target" | "onEvent"> {
  /** What to record; their results are told apart by their pods and containers. */
  targets: Target[];
  /** How many are asked for at a time. Default: 8. */
  maxConcurrent?: number;
  /**
   * How the name of the merged file starts, which holds all results; without it none is written.
   * Standard output gets only that one. Only for text.
   */
  mergedName?: string;
}

/** What happens to each target. */
export interface ProfileAllHooks {
  /** Its turn has come. */
  onBegin?(target: Target): void;
  /** As `ProfileOptions` has it. */
  onEvent?(event: RecordingEvent, target: Target): void;
  /** Its node has too many recordings; it is asked again. */
  onBusy?(error: BusyError, target: Target): void;
  /** It has arrived whole. */
  onResult?(result: ProfileResult, target: Target): void;
  /** There is nothing of it, or a part for `fetchResult` to go on from. */
  onFailure?(error: CliError, target: Target): void;
}

/** What became of several targets; each is in one of the two lists. */
export interface ProfileAllResult {
  /** Those with a result, in the order in which they ended; without their stacks. */
  results: { target: Target; result: ProfileResult }[];
  /** Those without, and why. */
  failures: { target: Target; error: CliError }[];
  /** The path of the merged result: there is one for two results and more. */
  mergedPath?: string;
}

/** How much later than the daemon says it is asked again, at most: not all at the same moment. */
const SPREAD = 0.5;

/**
 * Profiles several containers at the same time, each as `profile` does. The failure of one is no
 * other's. One whose node has no place in its queue is asked for again, for as long as
 * `queueTimeoutSeconds` allows from its first time.
 *
 * Rejects with a `CliError`: the token for all of them cannot be had, or the merged result cannot
 * be written.
 */
export async function profileAll(
  options: ProfileAllOptions,
  hooks: ProfileAllHooks = {},
): Promise<ProfileAllResult> {
  const { targets, maxConcurrent = MAX_CONCURRENT_TARGETS, mergedName, signal, stopSignal } =
    options;
  const ends = AbortSignal.any([signal, stopSignal].filter((one) => !!one));
  // A problem of all of them is reported once.
  for (const token of new Set(targets.map(({ access }) => access?.token))) await token?.(ends);
  const merge = mergedName === undefined || targets.length < 2 ? undefined : await openMerge({
    directory: options.outputDirectory,
    stem: mergedName,
    convertTo: options.convertTo,
    idle: options.idle,
  });
  const results: ProfileAllResult["results"] = [];
  const failures: ProfileAllResult["failures"] = [];
  await forEachConcurrent(targets, maxConcurrent, async (target) => {
    hooks.onBegin?.(target);
    try {
      const result = await profileWhenFree(target, options, hooks, { merge, ends });
      // The stacks of hundreds would fill the memory.
      results.push({ target, result: { ...result, stacks: undefined } });
      hooks.onResult?.(result, target);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      failures.push({ target, error });
      hooks.onFailure?.(error, target);
    }
  });
  return { results, failures, mergedPath: await merge?.finish() };
}

/** Profiles one, and asks again while its node's queue is full. */
async function profileWhenFree(
  target: Target,
  { targets: _, outputDirectory, queueTimeoutSeconds, ...options }: ProfileAllOptions,
  hooks: ProfileAllHooks,
  { merge, ends }: { merge?: Merge; ends: AbortSignal },
): Promise<ProfileResult> {
  const endsAtMs = queueTimeoutSeconds && performance.now() + queueTimeoutSeconds * 1000;
  for (;;) {
    const leftMs = endsAtMs === undefined ? Infinity : endsAtMs - performance.now();
    try {
      return await profileInto(
        {
          ...options,
          target,
          outputDirectory,
          queueTimeoutSeconds: endsAtMs === undefined ? undefined : leftMs / 1000,
          onEvent: (event) => hooks.onEvent?.(event, target),
        },
        async (output) =>
          await merge?.part(
            outputDirectory === "-" ? openNowhere() : output,
            nameResult(target),
          ) ?? output,
      );
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
      const pauseMs = error.retryMilliseconds * (1 + Math.random() * SPREAD);
      if (endsAtMs !== undefined && performance.now() + pauseMs >= endsAtMs) throw error;
      hooks.onBusy?.(error, target);
      await wait(pauseMs, ends);
      if (ends.aborted) throw interrupted();
    }
  }
}
