import { join } from "node:path";

const DIRECTORY = join(import.meta.dirname!, "recordings");

/** What perf printed of real programs; see `recordings/README.md`. */
export const RECORDINGS = ["cpp", "cpp-inline", "node", "python", "flat", "trace"] as const;

/** Those of {@linkcode RECORDINGS} that perf's own stackcollapse.py folded, too. */
export const FOLDED_RECORDINGS = ["cpp", "node", "python"] as const;

export function recording(name: typeof RECORDINGS[number]): Promise<Uint8Array> {
  return Deno.readFile(join(DIRECTORY, `${name}.txt`));
}

export function foldedRecording(name: typeof FOLDED_RECORDINGS[number]): Promise<string> {
  return Deno.readTextFile(join(DIRECTORY, `${name}.folded`));
}

/** Bytes as a stream would bring them. */
export async function* inChunks(
  bytes: Uint8Array,
  size: number = bytes.length,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}
