import type { ProfileOptions, TargetOptions } from "../arguments/profile.ts";
import type { ExitStatus } from "../exit_status.ts";
import { fetchCommand } from "../fetch_command.ts";
import { listenToInterrupts } from "../interrupts.ts";
import { findTarget, openTarget, profile, type Target } from "../profile.ts";
import { describeEvent } from "../progress.ts";
import { sayingHowToFetch, tellResult } from "./result.ts";
import { say } from "./say.ts";

/** `necoperf-client [profile]`. */
export async function runProfile(options: ProfileOptions): Promise<ExitStatus> {
  const { target: named, quiet, fetchFlags, ...recording } = options;
  const { durationSeconds, recordOptions: { side } } = recording;
  const tell = (line?: string) => quiet || line === undefined || say(line);
  const interrupts = listenToInterrupts();
  const target = await locate(named, AbortSignal.any([interrupts.signal, interrupts.stopSignal]));
  const result = await sayingHowToFetch(
    (recordingId) => fetchCommand(recordingId, fetchFlags, target),
    profile({
      target,
      ...recording,
      onEvent: (event) => tell(describeEvent(event, { target, durationSeconds, side })),
      ...interrupts,
    }),
  );
  return tellResult(result, tell, durationSeconds);
}

function locate(options: TargetOptions, signal: AbortSignal): Promise<Target> {
  return options.kind === "container" ? openTarget(options) : findTarget(options, signal);
}
