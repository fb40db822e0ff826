import type { DiffOptions } from "../arguments/diff.ts";
import { diffFiles } from "../analysis/diff.ts";
import { ExitStatus } from "../errors.ts";
import { logError, printPath } from "../terminal/console.ts";
import { listenToInterrupts } from "../terminal/interrupts.ts";

/** `necoperf-client diff`. */
export async function runDiff(options: DiffOptions): Promise<ExitStatus> {
  const { signal, stopSignal } = listenToInterrupts();
  // There is nothing to stop early: the first Ctrl-C ends it.
  const path = await diffFiles(options, AbortSignal.any([signal, stopSignal]), logError);
  if (path !== undefined) printPath(path);
  return ExitStatus.DONE;
}
