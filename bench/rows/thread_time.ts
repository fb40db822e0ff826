import { collect, deleteResult } from "../../tests/testing/calls.ts";
import { startDaemon } from "../../tests/testing/daemon.ts";
import { run } from "../../tests/testing/process.ts";
import { buildTargets } from "../../tests/testing/targets.ts";
import { interleave } from "../measure.ts";
import { cpuSeconds, wait } from "../programs.ts";
import type { Row } from "../row.ts";

/** What two threads that wake each other up do, on one processor. */
const CASES = [
  { what: "ping-pong", workMicroseconds: 0, atLeast: 0.9 },
  { what: "ping-pong of 100,000 switches/s", workMicroseconds: 15, atLeast: 0.9 },
  { what: "as a web server, 10,000 switches/s", workMicroseconds: 190, atLeast: 0.97 },
];

/** Row 10: what a recording of threads' time takes of a target whose threads switch often. */
export const threadTime: Row = {
  name: "thread-time",
  title:
    "What a target of two threads that wake each other up gets done in a second of its own processor " +
    "time while its threads' time is recorded",
  goal: "100,000 switches/s: within 10 %; 10,000 switches/s: within 3 %",
  async run({ quick, report }) {
    const targets = await buildTargets();
    await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
    const seconds = quick ? 6 : 12;
    for (const { what, workMicroseconds, atLeast } of CASES) {
      const counter = await Deno.makeTempFile({ prefix: "necoperf-bench-" });
      await using target = run(
        "taskset",
        ...["--cpu-list", "0", targets.pingPong, `${workMicroseconds}`, counter],
      );
      // Until it has begun to count.
      while (rounds(counter) === 0) await wait(10);

      const measure = (work: () => Promise<void>) => whileWorks(target.pid, counter, work);
      const { without, ours, perf } = await interleave({
        without: () => measure(() => wait(seconds * 1000)),
        ours: () => measure(() => recordOurs(target.pid)),
        perf: () => measure(() => recordPerf(target.pid)),
      }, quick ? 2 : 3);
      report({
        what,
        unit: "1/s",
        ours: ours.rounds,
        other: { name: "without a recording", measured: without.rounds },
        goal: { atLeast },
      });
      report({
        what,
        unit: "1/s",
        ours: ours.rounds,
        other: { name: "perf record of the same events", measured: perf.rounds },
      });
      await Deno.remove(counter);
    }

    async function recordOurs(pid: number): Promise<void> {
      const events = await collect(daemon, {
        containerId: `${pid}`,
        duration: { seconds, nanos: 0 },
        options: { threadTime: "THREAD_TIME_ALL" },
      });
      await deleteResult(daemon, events[0].accepted!.recordingId);
    }

    async function recordPerf(pid: number): Promise<void> {
      const record =
        "perf record --output=- --no-buildid --no-bpf-event --mmap-pages=128 -F 99 -g " +
        "-e cpu-clock -e context-switches/period=1/ --switch-events";
      const command = `${record} --pid=${pid} -- sleep ${seconds} | cat > /dev/null`;
      const { success } = await new Deno.Command("bash", {
        args: ["-c", command],
        stdin: "null",
        stderr: "null",
      }).output();
      if (!success) throw new Error(`${command} failed`);
    }
  },
};

/** What a target gets done meanwhile: what others take of the machine is not in its own time. */
async function whileWorks(pid: number, counter: string, work: () => Promise<void>) {
  const before = { rounds: rounds(counter), cpu: cpuSeconds(pid) };
  await work();
  return { rounds: (rounds(counter) - before.rounds) / (cpuSeconds(pid) - before.cpu) };
}

/** What a target has counted so far. */
function rounds(counter: string): number {
  const bytes = Deno.readFileSync(counter);
  return bytes.length < 8 ? 0 : Number(new DataView(bytes.buffer).getBigUint64(0, true));
}
