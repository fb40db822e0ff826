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
    sinks: { stderr: (record) => Deno.stderr.writeSync(encoder.encode(formatter(record))) },
    loggers: [
      { category: "necoperf", sinks: ["stderr"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return getLogger("necoperf");
}
