import { CliError, ExitStatus } from "../../errors.ts";

/**
 * Reads a file of text that somebody named, such as a token or a certificate. `what` says which it
 * is, for messages: `the token file`.
 *
 * Throws a `CliError` (exit status 2) when the file does not exist, cannot be read, is not a
 * regular file or holds more than `maxBytes`. The error names the file, and never its content.
 */
export async function readSmallFile(what: string, path: string, maxBytes: number): Promise<string> {
  try {
    // Asked first: to open a named pipe would wait for a writer, for ever.
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw fileError(what, path, "it is not a regular file");
    if (size > maxBytes) throw fileError(what, path, `it is larger than ${maxBytes} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw fileError(what, path, reasonOf(error), error);
  }
}

/** Makes the error of a file that a user named and that is of no use: exit status 2. */
export function fileError(what: string, path: string, reason: string, cause?: unknown): CliError {
  return new CliError(ExitStatus.USAGE, `${what} ${path}: ${reason}`, { cause });
}

/** Says whether something has this name, readable or not. */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) {
    return "it may not be read";
  }
  return (error as Error).message.replace(/ \(os error \d+\).*$/, "");
}
