import type { ProfileOptions, TargetOptions } from "../arguments/profile.ts";
import { pageNotes } from "../analysis/page_notes.ts";
import type { ExitStatus } from "../errors.ts";
import { fetchCommand } from "./fetch_command.ts";
import { type Interrupts, listenToInterrupts } from "../terminal/interrupts.ts";
import { nameResult, profile } from "../client/recording/profile.ts";
import { findTarget, openTarget } from "../client/targets/target.ts";
import { describeAccount, describeEvent, describeLeftOut } from "../terminal/messages.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";
import { runProfileAll } from "./profile_all.ts";
import { openReporter, type Reporter } from "./reporter.ts";
import { failingInJson, sayingHowToFetch, tellResult } from "./result.ts";
import { requestLog } from "../terminal/console.ts";

/** `necoperf-client [profile]`. */
export async function runProfile(options: ProfileOptions): Promise<ExitStatus> {
  const { target, ...others } = options;
  using reporter = openReporter(options);
  const interrupts = listenToInterrupts();
  return await failingInJson(
    options.json,
    reporter,
    () =>
      target.kind === "pods"
        ? runProfileAll(target, others, interrupts, reporter)
        : runProfileOne(target, others, interrupts, reporter),
  );
}

async function runProfileOne(
  named: Exclude<TargetOptions, { kind: "pods" }>,
  { quiet, json, verbosity, fetchFlags, ...recording }: Omit<ProfileOptions, "target">,
  interrupts: Interrupts,
  reporter: Reporter,
): Promise<ExitStatus> {
  const { durationSeconds, recordOptions: { side } } = recording;
  const signal = AbortSignal.any([interrupts.signal, interrupts.stopSignal]);
  const target = named.kind === "container" ? await openTarget(named) : await findTarget(
    { ...named, ...named.cluster, ...requestLog(verbosity, reporter.error) },
    signal,
  );
  reporter.info(describeAccount(target.access));
  let id: string | undefined;
  const describe = (event: RecordingEvent) => {
    if (event.kind === "started") id = event.recordingId;
    const lines = [describeEvent(event, { target, durationSeconds })];
    return lines.concat(describeLeftOut(event, { side })).filter((line) => line).join("\n") ||
      undefined;
  };
  const record = async () => {
    using followed = reporter.follow(nameResult(target), describe, durationSeconds);
    return await profile({
      target,
      ...recording,
      countStacks: json || !quiet,
      notes: pageNotes,
      onEvent: followed.onEvent,
      ...interrupts,
    });
  };
  const result = await sayingHowToFetch(
    (recordingId) => fetchCommand(recordingId, fetchFlags, { target }),
    record(),
  );
  return tellResult(result, reporter, { target, json, recordingId: id, ...recording });
}
