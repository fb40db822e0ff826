import { VERSION } from "../version.ts";
import { type Invocation, parseArguments, UsageError } from "./arguments.ts";

if (import.meta.main) await main(Deno.args);

async function main(args: string[]): Promise<void> {
  const invocation = read(args);
  if (invocation.kind === "print") {
    await Deno.stdout.write(new TextEncoder().encode(invocation.text));
    return;
  }
  const { options } = invocation;
  const { openLog } = await import("./operations/log.ts");
  const log = openLog();
  // A fault in one request must not end the recordings of others.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unhandled rejection", { error: `${event.reason?.stack ?? event.reason}` });
  });
  // Signals count from the start: one that comes early must not be lost.
  const asked = Promise.withResolvers<Deno.Signal>();
  const insisted = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    let seen = false;
    Deno.addSignalListener(signal, () => {
      asked.resolve(signal);
      if (seen) insisted.abort();
      seen = true;
    });
  }
  try {
    const { startDaemon } = await import("./daemon.ts");
    const daemon = await startDaemon(options, log);
    const { port, metricsPort } = daemon;
    const { address, containerLookup, tls } = options;
    log.info("serving", {
      ...{ version: VERSION, address, port, metricsPort, containerLookup },
      auth: options.auth.kind,
      tls: tls !== undefined,
    });
    const reason = await Promise.race([
      asked.promise.then((signal) => ({ signal })),
      daemon.outgrown.then((residentBytes) => ({
        reason: "memory is above --max-memory and nothing is under way: exiting to be restarted",
        ...{ residentBytes, maxMemoryBytes: options.maxMemoryBytes },
      })),
    ]);
    log.info("shutting down", reason);
    await daemon.shutDown(insisted.signal);
    log.info("shut down");
    Deno.exit(0);
  } catch (error) {
    log.error("the daemon cannot serve", { error: (error as Error).message });
    Deno.exit(1);
  }
}

function read(args: string[]): Invocation {
  try {
    return parseArguments(args, VERSION);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`necoperf-daemon: ${error.message}\nSee necoperf-daemon start --help.`);
    Deno.exit(2);
  }
}
