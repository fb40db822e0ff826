import type { Frame } from "../script/stack_profile.ts";

/**
 * The name of a function for people: `[FILE]`, after its file, when perf found no name.
 */
export function frameName({ symbol, dso }: Frame): string {
  if (symbol !== "[unknown]" || dso === "" || dso.startsWith("[")) return symbol;
  return `[${fileName(dso)}]`;
}

/** The last part of a file's path. */
export function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
