import type { Terminal } from "./live_lines.ts";

/** The assumed size of a terminal that does not report its own. */
const USUAL_SIZE = { columns: 80, rows: 24 };

/**
 * The terminal behind standard error, if it is one on which lines can move. `NO_COLOR` and
 * `TERM=dumb` say that no control codes are wanted.
 */
export function findTerminal(): Terminal | undefined {
  if (!Deno.stderr.isTerminal() || Deno.noColor || Deno.env.get("TERM") === "dumb") {
    return undefined;
  }
  const encoder = new TextEncoder();
  return {
    write(text) {
      const bytes = encoder.encode(text);
      try {
        for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
      } catch { /* The terminal is gone, and nobody is there to see it. */ }
    },
    size() {
      try {
        const { columns, rows } = Deno.consoleSize();
        return columns > 0 && rows > 0 ? { columns, rows } : USUAL_SIZE;
      } catch {
        return USUAL_SIZE;
      }
    },
  };
}
