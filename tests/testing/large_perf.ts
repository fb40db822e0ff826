import { buildTargets } from "./targets.ts";
import { startDaemon, type TestDaemon, type TestDaemonOptions } from "./daemon.ts";

/** What a daemon with a large perf script is started with, and with what. */
interface LargePerfOptions {
  /** How much text its `perf script` prints. */
  bytes: number;
  /** Default: in plain text. */
  start?: (options: TestDaemonOptions) => Promise<TestDaemon>;
}

/**
 * Starts a daemon whose `perf script` prints so much, with room in its work directory for one such
 * result, compressed, and not for two. For so much text the real one needs a recording of many
 * minutes. In its place stands a script that prints such text, which takes the same way through the
 * daemon.
 */
export async function withLargePerf<T>(
  { bytes, start = startDaemon }: LargePerfOptions,
  use: (daemon: TestDaemon) => Promise<T>,
): Promise<T> {
  const targets = await buildTargets();
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${directory}/perf`,
      `#!/bin/sh
case $1 in
  script) cat >/dev/null; exec ${targets.scriptText} ${bytes} ;;
  *) exec ${directory}/real "$@" ;;
esac
`,
      { mode: 0o755 },
    );
    await using daemon = await start({
      args: ["--container-lookup", "pid", "--max-results-size", "128Mi"],
      prepare: `cp "$(command -v perf)" ${directory}/real
        mount --bind ${directory}/perf "$(command -v perf)"`,
    });
    return await use(daemon);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
