import type { ProfileOptions, TargetOptions } from "../arguments/profile.ts";
import type { Followed } from "../display.ts";
import { ExitStatus, mostCommonStatus } from "../exit_status.ts";
import { fetchCommand } from "../fetch_command.ts";
import { findTargets } from "../find_targets.ts";
import type { Interrupts } from "../interrupts.ts";
import { nameResult, type Target } from "../profile.ts";
import { profileAll } from "../profile_all.ts";
import { describeEvent, describePartial, describeSummary } from "../progress.ts";
import { makeReport, type Report } from "../report.ts";
import { ResultLeftError } from "../result_left.ts";
import type { Reporter } from "./reporter.ts";
import { withHowToFetch } from "./result.ts";
import { requestLog } from "./say.ts";

/** `necoperf-client [profile]` of all that names or selectors mean. */
export async function runProfileAll(
  named: Extract<TargetOptions, { kind: "pods" }>,
  { quiet, json, verbosity, fetchFlags, merge, ...recording }: Omit<ProfileOptions, "target">,
  { signal, stopSignal }: Interrupts,
  reporter: Reporter,
): Promise<ExitStatus> {
  const { durationSeconds, recordOptions: { side, format } } = recording;
  const { targets, failures, skipped } = await findTargets(
    { ...named, ...named.cluster, ...requestLog(verbosity, reporter) },
    AbortSignal.any([signal, stopSignal]),
  );
  for (const { name, reason } of skipped) reporter.tell(`${name} is skipped: ${reason}`);
  for (const { name, error } of failures) reporter.say(`${name}: ${error.message}`);
  let isPartial = false;
  let interrupted = 0;
  const reports: Report[] = [];
  const followed = new Map<Target, Followed>();
  const all = await profileAll({
    targets,
    ...recording,
    countStacks: json || !quiet,
    mergedName: merge && format !== "data" ? `${nameOfAll(named, targets)}-merged` : undefined,
    signal,
    stopSignal,
  }, {
    onBegin(target) {
      const name = nameResult(target);
      followed.set(
        target,
        reporter.follow(name, (event) => {
          const line = describeEvent(event, { target, durationSeconds, side });
          return line && `${name}: ${line}`;
        }, durationSeconds),
      );
    },
    onEvent: (event, target) => followed.get(target)!.hear(event),
    onBusy: (error, target) => reporter.tell(`${nameResult(target)}: waiting: ${error.message}`),
    onResult(result, target) {
      followed.get(target)![Symbol.dispose]();
      const report = makeReport(result, { target, ...recording });
      reporter.tell(`${nameResult(target)}: ${describeSummary(result, report.cpuUse)}`);
      for (const { text } of report.warnings) {
        reporter.tell(`${nameResult(target)}: warning: ${text}`);
      }
      if (json) reports.push(report);
      else if (result.path !== undefined) reporter.print(result.path);
      const partial = describePartial(result, durationSeconds);
      if (partial === undefined) return;
      isPartial = true;
      reporter.say(`${nameResult(target)}: ${partial}`);
    },
    onFailure(error, target) {
      followed.get(target)![Symbol.dispose]();
      if (error.exitStatus === ExitStatus.INTERRUPTED && !(error instanceof ResultLeftError)) {
        interrupted++;
        return;
      }
      const command = (recordingId: string) => fetchCommand(recordingId, fetchFlags, target);
      reporter.say(`${nameResult(target)}: ${withHowToFetch(error, command)}`);
    },
  });
  if (json) {
    const failed = all.failures.map(({ target, error }) => ({ name: nameResult(target), error }))
      .concat(failures).map(({ name, error }) => ({ name, message: error.message }));
    const object = { results: reports, failures: failed, merged: all.mergedPath };
    reporter.print(JSON.stringify(object, null, 2));
  } else if (all.mergedPath !== undefined) reporter.print(all.mergedPath);
  const errors = [...failures, ...all.failures].map(({ error }) => error);
  const wanted = targets.length + failures.length;
  if (interrupted > 0) {
    reporter.say(`interrupted; nothing was kept of ${interrupted} of ${wanted} containers`);
  }
  if (errors.length > interrupted) {
    reporter.say(`${errors.length - interrupted} of ${wanted} have failed`);
  }
  if (all.results.length === 0) return mostCommonStatus(errors);
  if (errors.length === 0) return isPartial ? ExitStatus.PARTIAL : ExitStatus.DONE;
  return ExitStatus.PARTIAL;
}

/** One workload's name, else the namespace's. */
function nameOfAll(
  { names }: Extract<TargetOptions, { kind: "pods" }>,
  [first]: Target[],
): string {
  return names.length === 1 ? names[0].name : first.pod!.namespace;
}
