import type { ConvertOptions } from "../arguments/convert.ts";
import { convertFile } from "../analysis/convert.ts";
import { ExitStatus } from "../errors.ts";
import { logError, printPath } from "../terminal/console.ts";
import { listenToInterrupts } from "../terminal/interrupts.ts";

/** `necoperf-client convert`. */
export async function runConvert(options: ConvertOptions): Promise<ExitStatus> {
  const { signal, stopSignal } = listenToInterrupts();
  // There is nothing to stop early: the first Ctrl-C ends it.
  const path = await convertFile(options, AbortSignal.any([signal, stopSignal]), logError);
  if (path !== undefined) printPath(path);
  return ExitStatus.DONE;
}
