import type { FetchOptions } from "../arguments/fetch.ts";
import type { ExitStatus } from "../exit_status.ts";
import { fetchResult } from "../fetch.ts";
import { fetchCommand } from "../fetch_command.ts";
import { findDaemon, openDaemon } from "../find_daemon.ts";
import { listenToInterrupts } from "../interrupts.ts";
import { describeLoss } from "../progress.ts";
import { sayingHowToFetch, tellResult } from "./result.ts";
import { say } from "./say.ts";

/** `necoperf-client fetch`. */
export async function runFetch(options: FetchOptions): Promise<ExitStatus> {
  const { daemon: named, quiet, fetchFlags, ...download } = options;
  const tell = (line: string) => quiet || say(line);
  // There is nothing to stop early: the first Ctrl-C ends it.
  const interrupts = listenToInterrupts();
  const signal = AbortSignal.any([interrupts.signal, interrupts.stopSignal]);
  const daemon = named.kind === "address"
    ? await openDaemon(named)
    : await findDaemon(named, signal);
  const result = await sayingHowToFetch(
    (recordingId) => fetchCommand(recordingId, fetchFlags),
    fetchResult({
      daemon,
      ...download,
      onEvent: (event) => tell(describeLoss(event)),
      signal,
    }),
  );
  return tellResult(result, tell);
}
