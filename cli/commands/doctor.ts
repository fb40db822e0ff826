import { type DoctorOptions, examine, type Finding } from "../doctor/doctor.ts";
import { ExitStatus } from "../errors.ts";
import { listenToInterrupts } from "../terminal/interrupts.ts";
import { logError, print, requestLog } from "../terminal/console.ts";

const MARKS: Record<Finding["level"], string> = { ok: "[+]", warning: "[!]", problem: "[-]" };

/** `necoperf-client doctor`: what it finds goes to standard output, it is what was asked for. */
export async function runDoctor(
  { verbosity, ...options }: DoctorOptions & { verbosity: number },
): Promise<ExitStatus> {
  const interrupts = listenToInterrupts();
  // There is nothing to stop early: the first Ctrl-C ends it.
  const signal = AbortSignal.any([interrupts.signal, interrupts.stopSignal]);
  let exitStatus: ExitStatus = ExitStatus.DONE;
  for await (const finding of examine({ ...options, ...requestLog(verbosity, logError) }, signal)) {
    print(formatFinding(finding));
    if (finding.level === "problem" && exitStatus === ExitStatus.DONE) {
      exitStatus = finding.exitStatus ?? ExitStatus.OTHER;
    }
  }
  return exitStatus;
}

/** A line, and the fix below it. */
export function formatFinding({ level, message, fix }: Finding): string {
  const lines = [`${MARKS[level]} ${message}`];
  if (fix !== undefined) lines.push(...fix.split("\n").map((line) => `    ${line}`));
  return lines.join("\n");
}
