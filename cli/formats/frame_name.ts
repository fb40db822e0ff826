import type { Frame } from "../script/stack_profile.ts";

/**
 * What a function is called to people: one that perf found no name for is `[FILE]` after its file.
 */
export function frameName({ symbol, dso }: Frame): string {
  if (symbol !== "[unknown]" || dso === "" || dso.startsWith("[")) return symbol;
  return `[${fileName(dso)}]`;
}

/** The last part of a file's path. */
export function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
