import {
  type ClientOptions,
  type FetchOptions,
  parseArguments,
  type TargetOptions,
} from "./arguments.ts";
import { CliError, ExitStatus } from "./exit_status.ts";
import { fetchCommand } from "./fetch_command.ts";
import { type Interrupts, listenToInterrupts } from "./interrupts.ts";
import type { ProfileResult, Target } from "./profile.ts";
import {
  describeEvent,
  describeLeft,
  describeLoss,
  describePartial,
  describeSummary,
} from "./progress.ts";
import { ResultLeftError } from "./result_left.ts";
import { VERSION } from "../version.ts";

function say(text: string): void {
  for (const line of text.split("\n")) console.error(`necoperf-client: ${line}`);
}

async function runProfile(options: ClientOptions, interrupts: Interrupts): Promise<ExitStatus> {
  const { target: named, quiet, fetchFlags, ...recording } = options;
  const { durationSeconds, recordOptions: { side } } = recording;
  const tell = (line?: string) => quiet || line === undefined || say(line);
  // Not loaded for who only asks for help.
  const { profile } = await import("./profile.ts");
  const target = await locate(named, interrupts);
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

async function runFetch(options: FetchOptions, interrupts: Interrupts): Promise<ExitStatus> {
  const { daemon: named, quiet, fetchFlags, ...download } = options;
  const tell = (line: string) => quiet || say(line);
  // There is nothing to stop early: the first Ctrl-C ends it.
  const signal = AbortSignal.any([interrupts.signal, interrupts.stopSignal]);
  const { findDaemon, openDaemon } = await import("./find_daemon.ts");
  const { fetchResult } = await import("./fetch.ts");
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

async function locate(options: TargetOptions, interrupts: Interrupts): Promise<Target> {
  const { findTarget, openTarget } = await import("./profile.ts");
  if (options.kind === "container") return openTarget(options);
  return findTarget(options, AbortSignal.any([interrupts.signal, interrupts.stopSignal]));
}

/** Says, beside the failure, with which command the result that is left can be had. */
async function sayingHowToFetch<T>(
  command: (recordingId: string) => string,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof ResultLeftError)) throw error;
    const words = describeLeft(error, command(error.recordingId));
    throw new CliError(error.exitStatus, `${error.message}\n${words}`, { cause: error });
  }
}

function tellResult(
  result: ProfileResult,
  tell: (line: string) => unknown,
  durationSeconds?: number,
): ExitStatus {
  tell(describeSummary(result));
  if (result.path !== undefined) console.log(result.path);
  const partial = describePartial(result, durationSeconds);
  if (partial === undefined) return ExitStatus.DONE;
  say(partial);
  return ExitStatus.PARTIAL;
}

async function main(args: string[]): Promise<ExitStatus> {
  try {
    const invocation = parseArguments(args, VERSION);
    switch (invocation.kind) {
      case "profile":
        return await runProfile(invocation.options, listenToInterrupts());
      case "fetch":
        return await runFetch(invocation.options, listenToInterrupts());
      case "print":
        console.log(invocation.text.trimEnd());
        return ExitStatus.DONE;
    }
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
