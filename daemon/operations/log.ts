import { configureSync, getJsonLinesFormatter, getLogger } from "@logtape/logtape";

/** The daemon's log: a JSON object a line on standard error, with its properties flat beside it. */
export interface Log {
  info(message: string, properties?: Record<string, unknown>): void;
  warning(message: string, properties?: Record<string, unknown>): void;
  error(message: string, properties?: Record<string, unknown>): void;
}

/** Opens the log of this process. */
export function openLog(): Log {
  const formatter = getJsonLinesFormatter({ properties: "flatten" });
  const encoder = new TextEncoder();
  configureSync({
    reset: true,
    sinks: {
      stderr: (record) => Deno.stderr.writeSync(encoder.encode(toAscii(formatter(record)))),
    },
    loggers: [
      { category: "necoperf", sinks: ["stderr"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return getLogger("necoperf");
}

/**
 * Writes what is not printable ASCII as JSON's escapes: `kubectl logs` shows the log on a terminal,
 * which acts on C1 control characters and on marks that reorder text.
 */
function toAscii(json: string): string {
  return json.replace(
    /[^\x20-\x7e\n]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
