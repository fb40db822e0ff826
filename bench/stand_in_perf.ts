import { startDaemon, type TestDaemon } from "../tests/testing/daemon.ts";
import { buildTargets } from "../tests/testing/targets.ts";

/**
 * Starts the real daemon with a perf that samples nothing: its record ends with the first flush, in
 * 200 ms, and its script prints a text of `textBytes`. With the real one a result of 1 GB takes a
 * recording of many minutes, and 64 at once share the processors with their targets. The text takes
 * the usual way.
 */
export async function startWithStandInPerf(
  textBytes: number,
  args: string[] = [],
): Promise<TestDaemon> {
  const { scriptText } = await buildTargets();
  const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
  // perf.data: its header, and a sample without anything in it.
  const data = "PERFILE2\\020\\0\\0\\0\\0\\0\\0\\0\\011\\0\\0\\0\\0\\0\\010\\0";
  await Deno.writeTextFile(
    `${directory}/perf`,
    `#!/bin/sh
case $1 in
  version) echo perf version 6.1 ;;
  record) read -r ping && echo ack >&2; read -r ping; printf '${data}' ;;
  script) cat >/dev/null; exec ${scriptText} ${textBytes} ;;
esac
`,
    { mode: 0o755 },
  );
  const daemon = await startDaemon({
    args: ["--container-lookup", "pid", ...args],
    prepare: `mount --bind ${directory}/perf "$(command -v perf)"`,
  });
  return {
    ...daemon,
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
