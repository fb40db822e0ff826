import { EXECUTABLE } from "../program_name.ts";
import TEXTS from "./help.json" with { type: "json" };

/**
 * The help text that a command line asks for, if it asks for nothing else: one that was made before
 * (`deno task gen`), because the library that makes it takes longer to load than the rest of the
 * program. Other command lines, and plug-ins of kubectl, which have another name in it, get theirs
 * from `parseArguments`.
 */
export function findHelp(args: string[], executable = EXECUTABLE): string | undefined {
  const texts: Record<string, string[]> = TEXTS;
  const [command, flag] = args.length === 1 ? ["profile", args[0]] : args;
  const asksForHelp = args.length <= 2 && (flag === "--help" || flag === "-h");
  const isKnown = Object.hasOwn(texts, command) && (args.length === 1 || command !== "profile");
  if (!asksForHelp || !isKnown || executable !== "necoperf-client") return undefined;
  return texts[command].join("\n");
}
