import type { ProfileOptions, TargetOptions } from "../arguments/profile.ts";
import type { ExitStatus } from "../exit_status.ts";
import { fetchCommand } from "../fetch_command.ts";
import { listenToInterrupts } from "../interrupts.ts";
import { findTarget, nameResult, openTarget, profile, type Target } from "../profile.ts";
import { describeEvent } from "../progress.ts";
import type { RecordingEvent } from "../recording_event.ts";
import { openReporter } from "./reporter.ts";
import { sayingHowToFetch, tellResult } from "./result.ts";

/** `necoperf-client [profile]`. */
export async function runProfile(options: ProfileOptions): Promise<ExitStatus> {
  const { target: named, quiet, fetchFlags, ...recording } = options;
  const { durationSeconds, outputDirectory, recordOptions: { side } } = recording;
  using reporter = openReporter({ quiet, outputDirectory });
  const interrupts = listenToInterrupts();
  const target = await locate(named, AbortSignal.any([interrupts.signal, interrupts.stopSignal]));
  const describe = (event: RecordingEvent) =>
    describeEvent(event, { target, durationSeconds, side });
  const record = async () => {
    using followed = reporter.follow(nameResult(target), describe, durationSeconds);
    return await profile({ target, ...recording, onEvent: followed.hear, ...interrupts });
  };
  const result = await sayingHowToFetch(
    (recordingId) => fetchCommand(recordingId, fetchFlags, target),
    record(),
  );
  return tellResult(result, reporter, durationSeconds);
}

function locate(options: TargetOptions, signal: AbortSignal): Promise<Target> {
  return options.kind === "container" ? openTarget(options) : findTarget(options, signal);
}
