import { defineCommands } from "../arguments/arguments.ts";
import { complete } from "../completion/complete.ts";
import { type Completion, writeCompletion } from "../completion/completion.ts";
import { ExitStatus } from "../errors.ts";
import { VERSION } from "../../version.ts";

/** What the scripts of `necoperf-client completion` run. */
export async function runComplete(words: string[]): Promise<ExitStatus> {
  // Pressing TAB asks for no message: nobody reads what failed.
  const completion = await completeWords(words).catch(() => ({ candidates: [] }));
  console.log(writeCompletion(completion));
  return ExitStatus.DONE;
}

async function completeWords(words: string[]): Promise<Completion> {
  const { profile, ...commands } = defineCommands(VERSION);
  const [name, ...others] = words;
  if (others.length === 0) {
    const names = Object.entries({ profile, ...commands })
      .map(([value, command]) => ({ value, description: command.description() }));
    return await complete(profile, words, names);
  }
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return await complete(named ?? profile, named || name === "profile" ? others : words);
}
