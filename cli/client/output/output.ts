import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CliError, ExitStatus } from "../../errors.ts";
import { escapeText } from "../../escape_controls.ts";

/**
 * How much may be written to a file before the disk has it: what is left for the end does not grow
 * with the result.
 */
const UNSYNCED_BYTES = 8 << 20;

/** Where a result goes. Exactly one of `commit`, `suspend` and `discard` ends it. */
export interface Output {
  /**
   * Hears whose result comes next. Gives the part of its gzip stream that an earlier attempt has
   * left, from its start. Throws a `CliError` when what was written of another cannot be taken
   * back.
   */
  begin(recordingId: string): Promise<AsyncIterable<Uint8Array> | void>;
  /** Takes all of `packed`, the next of the gzip stream, for another attempt. */
  keep(packed: Uint8Array): Promise<void>;
  /** Takes all of `bytes`, at the pace of its destination. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the result visible, and returns its path if it has one. */
  commit(): Promise<string | undefined>;
  /** Leaves what was given to `keep` for another attempt, and nothing else. Never throws. */
  suspend(): Promise<void>;
  /** Leaves nothing behind. Never throws. */
  discard(): Promise<void>;
}

/** A name for a result: `<stem>-<UTC time><extension>`. */
interface ResultName {
  /** Characters that do not belong in a file name are replaced. */
  stem: string;
  /** With its dot. */
  extension: string;
  /** `plain`: without the time. `exact`: without the time, and no other name when a file has it. */
  form?: "plain" | "exact";
}

/** Opens a file in a directory for a result, or standard output when that is `-`. */
export async function openOutput(
  directory: string,
  name: ResultName,
): Promise<Output> {
  return directory === "-" ? openStandardOutput() : await openFileOutput(directory, name);
}

/**
 * Opens a file for a result in a directory, which is made when it is missing. The result has a
 * hidden temporary name until it is whole, and then takes a name that no other file has. What has
 * arrived of its gzip stream is in a hidden file beside it, named by the recording.
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
  let partial: PartialFile | undefined;
  let unsyncedBytes = 0;
  const written = <T>(promise: Promise<T>) =>
    promise.catch((error) => {
      if (error instanceof CliError) throw error;
      throw new CliError(
        ExitStatus.OTHER,
        `cannot write the result into ${directory}: ${reasonOf(error)}`,
        { cause: error },
      );
    });
  const close = async () => {
    try {
      file.close();
    } catch { /* Closed by a commit that failed later. */ }
    await Deno.remove(temporary).catch(() => {});
  };
  const write = async (bytes: Uint8Array) => {
    await writeAll(file, bytes);
    unsyncedBytes += bytes.length;
    if (unsyncedBytes < UNSYNCED_BYTES) return;
    unsyncedBytes = 0;
    await file.syncData();
  };
  return {
    begin: (recordingId) =>
      written((async () => {
        await partial?.remove();
        await file.seek(0, Deno.SeekMode.Start);
        await file.truncate();
        partial = await openPartial(directory, recordingId);
        return partial.read();
      })()),
    keep: (packed) => written(writeAll(partial!.file, packed)),
    write: (bytes) => written(write(bytes)),
    commit: async () => {
      await written(file.sync());
      file.close();
      const path = await publish(temporary, join(directory, nameOf(name, now())), name);
      await partial?.remove();
      return path;
    },
    suspend: async () => {
      await close();
      await partial?.close();
      await removeEmptyDirectories(directory, madeDirectory);
    },
    discard: async () => {
      await close();
      await partial?.remove();
      await removeEmptyDirectories(directory, madeDirectory);
    },
  };
}

/** What has arrived of a gzip stream. */
interface PartialFile {
  file: Deno.FsFile;
  /** Reads all of it, and leaves the file to be appended to. */
  read(): AsyncIterable<Uint8Array>;
  /** Closes it, and removes it when nothing is in it. */
  close(): Promise<void>;
  remove(): Promise<void>;
}

const READ_CHUNK_BYTES = 64 * 1024;

/** Opens the partial file of a recording, new or left by an earlier attempt, for itself alone. */
async function openPartial(directory: string, recordingId: string): Promise<PartialFile> {
  const path = join(directory, `.necoperf-${fileNamePart(recordingId)}.partial.gz`);
  const file = await Deno.open(path, { read: true, write: true, create: true });
  if (!await file.tryLock(true)) {
    file.close();
    throw new CliError(
      ExitStatus.USAGE,
      `another necoperf-client is writing this result: it holds the lock on ${path}`,
    );
  }
  const remove = async () => {
    await Deno.remove(path).catch(() => {});
    file.close();
  };
  return {
    file,
    async *read() {
      const chunk = new Uint8Array(READ_CHUNK_BYTES);
      for (let length; (length = await file.read(chunk)) !== null;) yield chunk.slice(0, length);
    },
    close: async () => {
      const { size } = await file.stat();
      if (size === 0) await remove();
      else file.close();
    },
    remove,
  };
}

/**
 * Opens standard output for a result. `write` throws a `CliError` with an empty message when the
 * reader is gone: it has what it wanted, and nobody is left to read an error.
 */
export function openStandardOutput(): Output {
  let anyWritten = false;
  const write = Deno.stdout.isTerminal() ? writerToTerminal() : writeToStdout;
  return {
    begin: () =>
      anyWritten
        ? Promise.reject(
          new CliError(
            ExitStatus.UNREACHABLE,
            "the recording was lost with the connection, and part of it is printed already: " +
              "record again",
          ),
        )
        : Promise.resolve(),
    keep: () => Promise.resolve(),
    write: async (bytes) => {
      anyWritten = true;
      try {
        await write(bytes);
      } catch (error) {
        const message = error instanceof Deno.errors.BrokenPipe
          ? ""
          : `cannot write the result to standard output: ${reasonOf(error)}`;
        throw new CliError(ExitStatus.OTHER, message, { cause: error });
      }
    },
    commit: () => Promise.resolve(undefined),
    suspend: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
}

function writeToStdout(bytes: Uint8Array): Promise<void> {
  return writeAll(Deno.stdout, bytes);
}

/**
 * Writes text for people: names of symbols, threads and files are made elsewhere and can hold
 * escape sequences, so a terminal gets them escaped. Files and pipes get every byte.
 */
function writerToTerminal(): (bytes: Uint8Array) => Promise<void> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  return (bytes) =>
    writeToStdout(encoder.encode(escapeText(decoder.decode(bytes, { stream: true }))));
}

/** Opens an output that keeps nothing. */
export function openNowhere(): Output {
  const nothing = () => Promise.resolve(undefined);
  return {
    begin: nothing,
    keep: nothing,
    write: nothing,
    commit: nothing,
    suspend: nothing,
    discard: nothing,
  };
}

/** Writes all of `bytes`. */
export async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await writer.write(bytes.subarray(written));
  }
}

/** Gives a whole file its name, with `-2`, `-3`, ... appended while that is taken. */
async function publish(
  temporary: string,
  stem: string,
  { extension, form }: ResultName,
): Promise<string> {
  for (let count = 1;; count++) {
    const path = stem + (count === 1 ? "" : `-${count}`) + extension;
    try {
      await moveWithoutReplacing(temporary, path);
      return path;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        if (form !== "exact") continue;
        throw new CliError(ExitStatus.USAGE, `${path} exists already; nothing is overwritten`);
      }
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
    return "it is a file, not a directory";
  }
  if (error instanceof Deno.errors.NotCapable) return "this program may not write there";
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/ \(os error \d+\).*$/, "").replace(/^[A-Z]+: (.*?), .*$/, "$1");
}

/** The name of a result's file, without the extension. */
function nameOf({ stem, form }: ResultName, time: Date): string {
  if (form === "exact") return stem;
  const part = fileNamePart(stem);
  return form === "plain" ? part : `${part}-${formatTime(time)}`;
}

/** Devices on Windows, whatever follows the first dot: a pod may be called `con.web`. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

function fileNamePart(text: string): string {
  // Names of pods and containers together may be longer than a file system takes.
  return text.replaceAll(/[^A-Za-z0-9.-]/g, "_").replace(/^\.+/, "").slice(0, 200)
    .replace(DEVICE, "_$1");
}

/** For example `20250131T235959Z`. */
function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
}
