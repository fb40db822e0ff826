/** What a user's signals ask for. */
export interface Interrupts {
  /** The first Ctrl-C: stop sampling and keep what there is. */
  stopSignal: AbortSignal;
  /** The second Ctrl-C, or being told to end: give up. */
  signal: AbortSignal;
}

/** Listens to the signals with which terminals and service managers end programs. */
export function listenToInterrupts(): Interrupts {
  const stop = new AbortController();
  const giveUp = new AbortController();
  Deno.addSignalListener("SIGINT", () => (stop.signal.aborted ? giveUp : stop).abort());
  // Windows has no SIGTERM.
  const others: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGHUP"] : ["SIGHUP", "SIGTERM"];
  for (const signal of others) Deno.addSignalListener(signal, () => giveUp.abort());
  return { stopSignal: stop.signal, signal: giveUp.signal };
}
