import type { FetchOptions } from "../arguments/fetch.ts";
import type { ExitStatus } from "../errors.ts";
import { pageNotes } from "../analysis/page_notes.ts";
import { fetchResult } from "../client/recording/fetch.ts";
import { fetchCommand } from "./fetch_command.ts";
import { findDaemon, openDaemon } from "../client/targets/find_daemon.ts";
import { listenToInterrupts } from "../terminal/interrupts.ts";
import { describeAccount, describeLoss } from "../terminal/messages.ts";
import { openReporter, type Reporter } from "./reporter.ts";
import { failingInJson, sayingHowToFetch, tellResult } from "./result.ts";
import { requestLog } from "../terminal/console.ts";

/** `necoperf-client fetch`. */
export async function runFetch(options: FetchOptions): Promise<ExitStatus> {
  using reporter = openReporter(options);
  return await failingInJson(options.json, reporter, () => fetchAndTell(options, reporter));
}

async function fetchAndTell(
  { daemon: named, fetchFlags, quiet, json, verbosity, ...download }: FetchOptions,
  reporter: Reporter,
): Promise<ExitStatus> {
  // There is nothing to stop early: the first Ctrl-C ends it.
  const interrupts = listenToInterrupts();
  const signal = AbortSignal.any([interrupts.signal, interrupts.stopSignal]);
  const daemon = named.kind === "address" ? await openDaemon(named) : await findDaemon(
    { ...named, ...named.cluster, ...requestLog(verbosity, reporter.error) },
    signal,
  );
  reporter.info(describeAccount(daemon.access));
  const fetch = async () => {
    using followed = reporter.follow(
      download.name ?? download.recordingId,
      (event) => event.kind === "lost" ? describeLoss(event) : undefined,
    );
    return await fetchResult({
      daemon,
      ...download,
      countStacks: json || !quiet,
      notes: pageNotes,
      onEvent: followed.onEvent,
      signal,
    });
  };
  const result = await sayingHowToFetch(
    (recordingId) => fetchCommand(recordingId, fetchFlags, { access: daemon.access }),
    fetch(),
  );
  return tellResult(result, reporter, { json, recordingId: download.recordingId });
}
