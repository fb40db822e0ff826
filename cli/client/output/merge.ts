import { openResultOutput } from "./converting_output.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import type { ConvertedFormat } from "../../formats/converted_format.ts";
import { type Output, writeAll } from "./output.ts";

/** One result that is put together from the texts of several. */
export interface Merge {
  /**
   * Gives an output that does what another does, and is part of the merged result when it is whole.
   * `name` is what that part is called in the text.
   */
  part(output: Output, name: string): Promise<Output>;
  /**
   * Ends it, and returns its path if it has one. One without at least two parts is nothing of its
   * own, and leaves no file.
   */
  finish(): Promise<string | undefined>;
}

/** The name of the merged result, and the conversion of its text. */
interface MergeOptions {
  /** A directory, or `-` for standard output. */
  directory: string;
  stem: string;
  convertTo?: ConvertedFormat;
  idle?: boolean;
}

/**
 * Opens a merged result: the parts' texts of perf script, one after the other in the order in which
 * they end, each after a header of its own, which is such a text as well.
 *
 * Rejects as `openOutput` does; `finish` rejects with a `CliError` when the merged result cannot be
 * written, whatever becomes of the parts.
 */
export async function openMerge(
  { directory, stem, convertTo, idle }: MergeOptions,
): Promise<Merge> {
  const merged = await openResultOutput(directory, { stem, convertTo, idle });
  await merged.begin(crypto.randomUUID());
  let parts = 0;
  let failure: unknown;
  let appended = Promise.resolve();
  /** Failures here are not the parts' fault: `finish` reports them. */
  const attempt = async (action: () => Promise<unknown>) => {
    if (failure) return;
    await action().catch((error) => failure = error);
  };
  const append = async (file: Deno.FsFile, name: string) => {
    await file.seek(0, Deno.SeekMode.Start);
    await merged.write(new TextEncoder().encode(headerOf(name)));
    for await (const chunk of file.readable) await merged.write(chunk);
    parts++;
  };
  return {
    async part(output, name) {
      const file = await openNameless(directory === "-" ? undefined : directory);
      return {
        ...output,
        async begin(recordingId) {
          await attempt(async () => {
            await file.seek(0, Deno.SeekMode.Start);
            await file.truncate();
          });
          return await output.begin(recordingId);
        },
        async write(bytes) {
          await output.write(bytes);
          await attempt(() => writeAll(file, bytes));
        },
        async commit() {
          const path = await output.commit();
          await (appended = appended.then(() => attempt(() => append(file, name))));
          return path;
        },
        async suspend() {
          file[Symbol.dispose]();
          await output.suspend();
        },
        async discard() {
          file[Symbol.dispose]();
          await output.discard();
        },
      };
    },
    async finish() {
      try {
        await appended;
        if (failure) throw failure;
        if (parts > 1 || parts === 1 && directory === "-") return await merged.commit();
      } catch (error) {
        await merged.discard();
        if (error instanceof CliError) throw error;
        throw new CliError(ExitStatus.OTHER, `cannot merge the results: ${error}`, {
          cause: error,
        });
      }
      await merged.discard();
    },
  };
}

/**
 * A header in the form of perf's own, which tools skip. Readers see by it that what follows is of
 * another clock.
 */
function headerOf(name: string): string {
  return `# ========\n# recording of : ${name.replaceAll(/\s+/g, " ")}\n# ========\n#\n`;
}

/** Opens a file that is gone when this program is, however that ends. */
async function openNameless(directory?: string): Promise<Deno.FsFile> {
  const path = await Deno.makeTempFile({
    dir: directory,
    prefix: ".necoperf-",
    suffix: ".partial",
  });
  const file = await Deno.open(path, { read: true, write: true });
  await Deno.remove(path);
  return file;
}
