import type { Invocation } from "./arguments/arguments.ts";
import { findHelp } from "./arguments/help.ts";
import { logError } from "./terminal/console.ts";
import { CliError, ExitStatus } from "./errors.ts";
import { VERSION } from "../version.ts";

/** Loads only the modules that the command needs. */
async function run(invocation: Invocation): Promise<ExitStatus> {
  switch (invocation.kind) {
    case "profile":
      return await (await import("./commands/profile.ts")).runProfile(invocation.options);
    case "fetch":
      return await (await import("./commands/fetch.ts")).runFetch(invocation.options);
    case "convert":
      return await (await import("./commands/convert.ts")).runConvert(invocation.options);
    case "diff":
      return await (await import("./commands/diff.ts")).runDiff(invocation.options);
    case "doctor":
      return await (await import("./commands/doctor.ts")).runDoctor(invocation.options);
    case "completion":
      return await (await import("./commands/completion.ts")).runCompletion(invocation.shell);
    case "complete":
      return await (await import("./commands/complete.ts")).runComplete(invocation.words);
    case "print":
      console.log(invocation.text.trimEnd());
      return ExitStatus.DONE;
  }
}

async function main(args: string[]): Promise<ExitStatus> {
  try {
    const help = findHelp(args);
    if (help !== undefined) return await run({ kind: "print", text: help });
    const { parseArguments } = await import("./arguments/arguments.ts");
    return await run(parseArguments(args, VERSION));
  } catch (error) {
    if (!(error instanceof CliError)) {
      logError(`unexpected: ${error instanceof Error ? error.stack : error}`);
      return ExitStatus.OTHER;
    }
    if (error.message) logError(error.message);
    return error.exitStatus;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
