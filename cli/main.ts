import { type ClientOptions, parseArguments, type TargetOptions } from "./arguments.ts";
import { CliError, ExitStatus } from "./exit_status.ts";
import { type Interrupts, listenToInterrupts } from "./interrupts.ts";
import type { Target } from "./profile.ts";
import { describeEvent, describePartial, describeSummary } from "./progress.ts";
import { VERSION } from "../version.ts";

function say(text: string): void {
  for (const line of text.split("\n")) console.error(`necoperf-client: ${line}`);
}

async function run(options: ClientOptions, interrupts: Interrupts): Promise<ExitStatus> {
  const { durationSeconds, recordOptions, outputDirectory, quiet } = options;
  const tell = (line?: string) => quiet || line === undefined || say(line);

  // Not loaded for who only asks for help.
  const { profile } = await import("./profile.ts");
  const target = await locate(options.target, interrupts);
  const result = await profile({
    target,
    durationSeconds,
    recordOptions,
    outputDirectory,
    onEvent: (event) =>
      tell(describeEvent(event, { target, durationSeconds, side: recordOptions.side })),
    ...interrupts,
  });
  tell(describeSummary(result));
  if (result.path !== undefined) console.log(result.path);
  const partial = describePartial(result, durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  say(partial);
  return ExitStatus.PARTIAL;
}

async function locate(options: TargetOptions, interrupts: Interrupts): Promise<Target> {
  const { findTarget, openTarget } = await import("./profile.ts");
  if (options.kind === "container") return openTarget(options);
  return findTarget(options, AbortSignal.any([interrupts.signal, interrupts.stopSignal]));
}

async function main(args: string[]): Promise<ExitStatus> {
  try {
    const invocation = parseArguments(args, VERSION);
    if (invocation.kind === "profile") return await run(invocation.options, listenToInterrupts());
    console.log(invocation.text.trimEnd());
    return ExitStatus.DONE;
  } catch (error) {
    if (!(error instanceof CliError)) {
      say(`unexpected: ${error instanceof Error ? error.stack : error}`);
      return ExitStatus.OTHER;
    }
    if (error.message) say(error.message);
    return error.exitStatus;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
