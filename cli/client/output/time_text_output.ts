import { createTimeTextMaker, SWITCH_TEXT_START } from "../../script/time_text.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import type { Output } from "./output.ts";

const START = new TextEncoder().encode(SWITCH_TEXT_START);

interface TimeTextOptions {
  /** Whether any other result is wrong. */
  isRequired?: boolean;
}

/**
 * An output that makes time text of a recording of threads' time on the way to another, as the
 * text's first line says that it is one. Any other result goes through as it is, or has `write` or
 * `commit` reject with a `CliError` (exit status 6).
 */
export function timeTextOutput(
  output: Output,
  { isRequired = false }: TimeTextOptions = {},
): Output {
  let start = new Uint8Array();
  let maker: ReturnType<typeof createTimeTextMaker> | undefined;
  /** Whether it is known what the result is. */
  let isKnown = false;

  async function write(bytes: Uint8Array): Promise<void> {
    if (!maker) return await output.write(bytes);
    for (const chunk of maker.push(bytes)) await output.write(chunk);
  }

  async function writeStart(): Promise<void> {
    isKnown = true;
    if (isEqual(start, START)) maker = createTimeTextMaker();
    else if (isRequired) {
      throw new CliError(
        ExitStatus.RECORDING_FAILED,
        "the daemon has not recorded threads' time, but what runs; leave out --wall and --off-cpu " +
          "for that",
      );
    }
    if (start.length > 0) await write(start);
  }

  return {
    ...output,
    begin(recordingId) {
      start = new Uint8Array();
      maker = undefined;
      isKnown = false;
      return output.begin(recordingId);
    },
    async write(bytes) {
      if (isKnown) return await write(bytes);
      const taken = bytes.subarray(0, START.length - start.length);
      start = new Uint8Array([...start, ...taken]);
      if (start.length < START.length) return;
      await writeStart();
      if (taken.length < bytes.length) await write(bytes.subarray(taken.length));
    },
    async commit() {
      if (!isKnown) await writeStart();
      for (const chunk of maker?.finish() ?? []) await output.write(chunk);
      return await output.commit();
    },
  };
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
