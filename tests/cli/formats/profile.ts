import type { ConvertedFormat } from "../../../cli/formats/converted_format.ts";
import { convertScript } from "../../../cli/formats/format.ts";

/**
 * A profile whose shares can be told by looking: of 5 samples of 10 ms, `web` has 4 and `worker`
 * has 1. `parse` is on 3 of the stacks and itself on 1. Not in the order of time, like text that
 * several perf scripts have written.
 */
export const SCRIPT = `# perf script
worker     7/8     [001]    11.050000:   10000000 cpu-clock:ppp: 
\t    7f01 JS:~tick /app/main.js:3+0x1 (/tmp/perf-7.map)
\t    55d2 run+0x10 (/app/web)

web     7/7     [000]    11.010000:   10000000 cpu-clock:ppp: 
\tffffffff8100 vfs_read+0x2 ([kernel.kallsyms])
\t    55d1 parse+0x20 (/app/web)
\t    55d0 main+0x10 (/app/web)

web     7/7     [000]    11.020000:   10000000 cpu-clock:ppp: 
\t    55d1 parse+0x24 (/app/web)
\t    55d0 main+0x10 (/app/web)

web     7/7     [000]    11.040000:   10000000 cpu-clock:ppp: 
\t    7f00 [unknown] (/usr/lib/libz.so.1)
\t    55d0 main+0x10 (/app/web)

web     7/7     [000]    11.000000:   10000000 cpu-clock:ppp: 
\tffffffff8101 vfs_read+0x3 ([kernel.kallsyms])
\t    55d1 parse+0x20 (/app/web)
\t    55d0 main+0x14 (/app/web)

`;

/** The bytes of a text, in pieces that end anywhere. */
function inPieces(text: string | Uint8Array, size = 7): ReadableStream<Uint8Array> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += size));
    },
  });
}

/** What a text is converted to. */
export async function convert(
  format: ConvertedFormat,
  text: string | Uint8Array = SCRIPT,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks = convertScript(inPieces(text), { format, title: "web-0 app", inputName: "a.txt" });
  return new Uint8Array(await new Response(ReadableStream.from(chunks)).arrayBuffer());
}

/** What a text is converted to, as text. */
export async function convertToText(format: ConvertedFormat, text?: string): Promise<string> {
  return new TextDecoder().decode(await convert(format, text));
}
