import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CliError, ExitStatus } from "./exit_status.ts";

/** Where a result goes. Exactly one of `commit` and `discard` ends it. */
export interface Output {
  /** Takes all of `bytes`, at the pace of what is behind it. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the result visible, and returns its path if it has one. */
  commit(): Promise<string | undefined>;
  /** Leaves nothing behind. Never throws. */
  discard(): Promise<void>;
}

/** A name for a result: `<stem>-<UTC time><extension>`. */
export interface ResultName {
  /** Characters that do not belong in a file name are replaced. */
  stem: string;
  /** With its dot. */
  extension: string;
}

/**
 * Opens a file for a result in a directory, which is made when it is missing. The result has a
 * hidden temporary name until it is whole, and then takes a name that no other file has.
 *
 * Throws a `CliError` (exit status 2) that names the path and the cause when the directory cannot
 * be written.
 */
export async function openFileOutput(
  directory: string,
  name: ResultName,
  now: () => Date = () => new Date(),
): Promise<Output> {
  const temporary = join(directory, `.necoperf-${crypto.randomUUID()}.partial`);
  let madeDirectory: string | undefined;
  let file: Deno.FsFile;
  try {
    madeDirectory = await mkdir(directory, { recursive: true });
    file = await Deno.open(temporary, { write: true, createNew: true });
  } catch (error) {
    await removeEmptyDirectories(directory, madeDirectory);
    throw cannotWrite(directory, error);
  }
  return {
    write: async (bytes) => {
      try {
        await writeAll(file, bytes);
      } catch (error) {
        throw new CliError(
          ExitStatus.OTHER,
          `cannot write the result into ${directory}: ${reasonOf(error)}; nothing was kept`,
          { cause: error },
        );
      }
    },
    commit: async () => {
      await file.sync();
      file.close();
      const stem = `${fileNamePart(name.stem)}-${formatTime(now())}`;
      const path = await publish(temporary, join(directory, stem), name.extension);
      return path;
    },
    discard: async () => {
      try {
        file.close();
      } catch { /* Closed by a commit that failed later. */ }
      await Deno.remove(temporary).catch(() => {});
      await removeEmptyDirectories(directory, madeDirectory);
    },
  };
}

/**
 * Opens standard output for a result. `write` throws a `CliError` with an empty message when the
 * reader is gone: it has what it wanted, and there is nobody to tell.
 */
export function openStandardOutput(): Output {
  return {
    write: async (bytes) => {
      try {
        await writeAll(Deno.stdout, bytes);
      } catch (error) {
        const message = error instanceof Deno.errors.BrokenPipe
          ? ""
          : `cannot write the result to standard output: ${reasonOf(error)}`;
        throw new CliError(ExitStatus.OTHER, message, { cause: error });
      }
    },
    commit: () => Promise.resolve(undefined),
    discard: () => Promise.resolve(),
  };
}

async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await writer.write(bytes.subarray(written));
  }
}

/** Gives a whole file its name, with `-2`, `-3`, ... behind it while that is taken. */
async function publish(temporary: string, stem: string, extension: string): Promise<string> {
  for (let count = 1;; count++) {
    const path = stem + (count === 1 ? "" : `-${count}`) + extension;
    try {
      await moveWithoutReplacing(temporary, path);
      return path;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) continue;
      throw new CliError(ExitStatus.OTHER, `cannot name the result ${path}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}

async function moveWithoutReplacing(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    // A file system without hard links: the name is taken first, then given to the whole file.
    (await Deno.open(to, { write: true, createNew: true })).close();
    await Deno.rename(from, to);
    return;
  }
  await Deno.remove(from);
}

/** Removes `directory` and what is above it, up to `topmost`, as far as they are empty. */
async function removeEmptyDirectories(directory: string, topmost?: string): Promise<void> {
  if (topmost === undefined) return;
  const last = resolve(topmost);
  for (let path = resolve(directory); path.startsWith(last); path = dirname(path)) {
    try {
      await Deno.remove(path);
    } catch {
      return;
    }
  }
}

function cannotWrite(directory: string, error: unknown): CliError {
  return new CliError(
    ExitStatus.USAGE,
    `cannot write into the output directory ${directory}: ${reasonOf(error)}; ` +
      "name another with --output-dir",
    { cause: error },
  );
}

/** The system's words for an error, without the call that Deno and Node.js write around them. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "EEXIST") {
    return "a file that is no directory has this name";
  }
  if (error instanceof Deno.errors.NotCapable) return "this program may not write there";
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/ \(os error \d+\).*$/, "").replace(/^[A-Z]+: (.*?), .*$/, "$1");
}

function fileNamePart(text: string): string {
  // Names of pods and containers together may be longer than a file system takes.
  return text.replaceAll(/[^A-Za-z0-9.-]/g, "_").replace(/^\.+/, "").slice(0, 200);
}

/** For example `20250131T235959Z`. */
function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
}
