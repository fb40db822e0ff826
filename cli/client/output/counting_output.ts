import type { Output } from "./output.ts";
import { createScriptFolder, type FoldOptions } from "../../script/fold.ts";
import type { StackProfile } from "../../script/stack_profile.ts";

/** An output that counts the stacks of perf script's text on its way to another. */
interface CountingOutput extends Output {
  /** What was counted. Call it once, when all is written. */
  stacks(): StackProfile;
}

export function countingOutput(output: Output, options?: FoldOptions): CountingOutput {
  // Not before there is something to count: it takes half a megabyte, and of many most may fail.
  let folder: ReturnType<typeof createScriptFolder> | undefined;
  return {
    ...output,
    begin(recordingId) {
      folder = createScriptFolder(options);
      return output.begin(recordingId);
    },
    async write(bytes) {
      const written = output.write(bytes);
      // While the system writes there is time to count.
      folder!.push(bytes);
      await written;
    },
    stacks: () => (folder ?? createScriptFolder()).finish(),
  };
}
