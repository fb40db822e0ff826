import type { ProfileOptions, TargetOptions } from "../arguments/profile.ts";
import type { Followed } from "../terminal/display.ts";
import { type CliError, ExitStatus, mostCommonStatus } from "../errors.ts";
import { fetchCommand } from "./fetch_command.ts";
import { findTargets } from "../client/targets/find_targets.ts";
import type { Interrupts } from "../terminal/interrupts.ts";
import { nameResult } from "../client/recording/profile.ts";
import { shortContainerId } from "../../proto/container_id.ts";
import { alikeKey, groupAlike, likewise, listSome, type Said } from "../client/targets/alike.ts";
import type { Target } from "../client/targets/target.ts";
import { profileAll } from "../client/recording/profile_all.ts";
import {
  describeAccount,
  describeEvent,
  describeHottest,
  describeLeftOut,
  describePartial,
  describeSummary,
  describeTogether,
} from "../terminal/messages.ts";
import type { RecordingEvent } from "../client/recording/recording_event.ts";
import { pageNotes } from "../analysis/page_notes.ts";
import { HOTTEST, makeReport, type Report } from "../analysis/report.ts";
import { describeThinned, describeThreadTime } from "../analysis/thread_time_text.ts";
import { PendingResultError } from "../client/recording/pending_result.ts";
import { createFunctionTally } from "../analysis/hottest.ts";
import { addThreadTimes } from "../analysis/thread_time.ts";
import type { Reporter } from "./reporter.ts";
import { failureOf, withHowToFetch } from "./result.ts";
import { requestLog } from "../terminal/console.ts";

/** The details of one of several results. */
interface NamedReport {
  name: string;
  report: Report;
}

/** `necoperf-client [profile]` of all that names or selectors mean. */
export async function runProfileAll(
  named: Extract<TargetOptions, { kind: "pods" }>,
  { quiet, json, verbosity, fetchFlags, merge, ...recording }: Omit<ProfileOptions, "target">,
  { signal, stopSignal }: Interrupts,
  reporter: Reporter,
): Promise<ExitStatus> {
  const { durationSeconds, recordOptions: { side, format } } = recording;
  const { targets, failures, skipped } = await findTargets(
    { ...named, ...named.cluster, ...requestLog(verbosity, reporter.error) },
    AbortSignal.any([signal, stopSignal]),
  );
  // All of them share it.
  reporter.info(describeAccount(targets[0].access));
  const skippedPods = skipped.map(({ name, reason }) => ({ name, message: reason }));
  for (const [first, ...others] of groupAlike(skippedPods)) {
    reporter.info(`${first.name} is skipped: ${first.message}${likewise(others)}`);
  }
  const missing = failures.map(({ name, error, nodeName }) => (
    { name, message: error.message, details: [nodeName] }
  ));
  for (const [first, ...others] of groupAlike(missing)) {
    reporter.error(`${first.name}: ${first.message}${likewise(others)}`);
  }
  let isPartial = false;
  let interrupted = 0;
  const leftOutTold = new Set<string>();
  const reports: NamedReport[] = [];
  const tally = createFunctionTally();
  const told = new Map<string, { first: Said; others: Said[] }>();
  const followed = new Map<Target, Followed>();
  const ids = new Map<Target, string>();
  const howToFetch = (error: CliError, target: Target) =>
    withHowToFetch(error, (recordingId) => fetchCommand(recordingId, fetchFlags, { target }));
  const describe = (event: RecordingEvent, target: Target) => {
    const found = describeLeftOut(event, { side });
    const leftOut = found && !leftOutTold.has(found) ? found : undefined;
    if (leftOut) leftOutTold.add(leftOut);
    // A line that moves shows it anyway, and with dozens most lines would be off the screen.
    const isStart = event.kind === "started" || event.kind === "profiling";
    const line = isStart && reporter.columns !== undefined
      ? undefined
      : describeEvent(event, { target, durationSeconds });
    return [line && `${nameResult(target)}: ${line}`, leftOut].filter((line) => line).join("\n") ||
      undefined;
  };
  const all = await profileAll({
    targets,
    ...recording,
    countStacks: json || !quiet,
    notes: pageNotes,
    mergedName: merge && format !== "data" ? `${nameOfAll(named, targets)}-merged` : undefined,
    signal,
    stopSignal,
  }, {
    onBegin(target) {
      const name = nameResult(target);
      const line = reporter.follow(name, (event) => describe(event, target), durationSeconds);
      followed.set(target, line);
    },
    onEvent(event, target) {
      if (event.kind === "started") ids.set(target, event.recordingId);
      followed.get(target)!.onEvent(event);
    },
    onBusy: (error, target) => reporter.info(`${nameResult(target)}: waiting: ${error.message}`),
    onResult(result, target) {
      followed.get(target)![Symbol.dispose]();
      const report = makeReport(result, { target, recordingId: ids.get(target), ...recording });
      reports.push({ name: nameResult(target), report });
      if (result.stacks) tally.add(result.stacks);
      reporter.info(`${nameResult(target)}: ${describeSummary(result, report)}`);
      if (report.threadTime) {
        reporter.info(`${nameResult(target)}: ${describeThreadTime(report.threadTime)}`);
        for (const line of describeThinned(report.threadTime.thinned)) {
          reporter.info(`${nameResult(target)}: ${line}`);
        }
      }
      if (!json && result.path !== undefined) reporter.printPath(result.path);
      const partial = describePartial(result, durationSeconds);
      if (partial === undefined) return;
      isPartial = true;
      reporter.error(`${nameResult(target)}: ${partial}`);
    },
    onFailure(error, target) {
      followed.get(target)![Symbol.dispose]();
      if (error.exitStatus === ExitStatus.INTERRUPTED && !(error instanceof PendingResultError)) {
        interrupted++;
        return;
      }
      // What many fail of is told once, and who else did at the end. What is left is each one's
      // own.
      const failure = saidOf(target, error.message);
      const key = error instanceof PendingResultError ? undefined : alikeKey(failure);
      const first = key === undefined ? undefined : told.get(key);
      if (first) {
        first.others.push(failure);
        return;
      }
      if (key !== undefined) told.set(key, { first: failure, others: [] });
      reporter.error(`${failure.name}: ${howToFetch(error, target)}`);
    },
  });
  for (const { first, others } of told.values()) {
    if (others.length === 0) continue;
    const names = listSome(others.map(({ name }) => name));
    const also = others.length === 1 ? "one more" : `${others.length} more`;
    reporter.error(`${also} failed as ${first.name} did: ${names}`);
  }
  const hottest = reports.length > 1 ? tally.hottest(HOTTEST) : [];
  if (reports.length > 1) reporter.info(describeTogether(reports.map(({ report }) => report)));
  if (recording.outputDirectory !== "-") {
    describeHottest(hottest, reporter.columns).forEach(reporter.line);
  }
  for (const text of describeWarnings(reports)) reporter.info(text);
  if (json) {
    const failed = failures.map(({ name, error }) => ({ name, ...failureOf(error) }))
      .concat(all.failures.map(({ target, error }) => ({
        name: nameResult(target),
        ...failureOf(error, howToFetch(error, target)),
      })));
    const results = reports.map(({ report }) => report);
    const threadTime = results.length > 1
      ? addThreadTimes(results.map(({ threadTime }) => threadTime))
      : undefined;
    const { mergedPath: merged } = all;
    reporter.printJson({ results, failures: failed, skipped, merged, threadTime, hottest });
  } else if (all.mergedPath !== undefined) reporter.printPath(all.mergedPath);
  const errors = [...failures, ...all.failures].map(({ error }) => error);
  const wanted = targets.length + failures.length;
  if (interrupted > 0) {
    reporter.error(`interrupted; nothing was kept of ${interrupted} of ${wanted} containers`);
  }
  const failed = errors.length - interrupted;
  if (failed > 0) reporter.error(`${failed} of ${wanted} ${failed === 1 ? "has" : "have"} failed`);
  if (all.results.length === 0) return mostCommonStatus(errors);
  if (errors.length === 0) return isPartial ? ExitStatus.PARTIAL : ExitStatus.DONE;
  return ExitStatus.PARTIAL;
}

/** What is said of a target, and what it may be called in it. */
function saidOf(target: Target, message: string): Said {
  const { pod, containerId, endpoint: { address } } = target;
  const host = address.replace(/:\d+$/, "");
  return {
    name: nameResult(target),
    message,
    details: [
      ...[pod?.name, pod?.nodeName, address, host],
      ...[containerId, shortContainerId(containerId)],
    ],
  };
}

/** Each kind of warning once: the pods of a deployment have the same program. */
function describeWarnings(reports: NamedReport[]): string[] {
  const all = reports.flatMap(({ name, report }) =>
    report.warnings.map((warning) => ({ name, ...warning }))
  );
  return [...Map.groupBy(all, ({ kind }) => kind).values()].map((same) => {
    const [{ name, text }] = same;
    const others = same.length === 1 ? "" : ` (${same.length} of ${reports.length} have this)`;
    return `${name}: warning: ${text}${others}`;
  });
}

/** One workload's name, else the namespace's. */
function nameOfAll(
  { names }: Extract<TargetOptions, { kind: "pods" }>,
  [first]: Target[],
): string {
  return names.length === 1 ? names[0].name : first.pod!.namespace;
}
