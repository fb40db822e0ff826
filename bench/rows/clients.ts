import { recordContainer } from "../../cli/client/recording/daemon_client.ts";
import { run } from "../../tests/testing/process.ts";
import { buildTargets } from "../../tests/testing/targets.ts";
import { interleave, summarize } from "../measure.ts";
import type { Row } from "../row.ts";
import { startWithStandInPerf } from "../stand_in_perf.ts";

const CLIENTS = 64;
const TEXT_BYTES = 5e6;

/** Row 9: many clients at once. */
export const clients: Row = {
  name: "clients",
  title: `${CLIENTS} clients at once, each with a container of its own and a result of 5 MB`,
  goal: "the processors busy, no client waits twice the mean",
  async run({ quick, report }) {
    const { idle } = await buildTargets();
    await using targets = new AsyncDisposableStack();
    const pids = Array.from({ length: CLIENTS }, () => targets.use(run(idle)).pid);
    await using daemon = await startWithStandInPerf(TEXT_BYTES, [
      ...["--max-concurrent", `${CLIENTS}`, "--max-queue", `${CLIENTS}`],
    ]);
    const { atOnce, oneByOne } = await interleave({
      atOnce: () => measure(pids, (all) => Promise.all(all.map((one) => one()))),
      oneByOne: () =>
        measure(pids, async (all) => {
          for (const one of all) await one();
        }),
    }, quick ? 1 : 5);
    report({
      what: "results per second",
      unit: "1/s",
      ours: atOnce.rate,
      other: { name: "one at a time", measured: oneByOne.rate },
      goal: { atLeast: 1 },
    });
    report({
      what: "the slowest client",
      unit: "s",
      ours: atOnce.slowest,
      other: { name: "the mean", measured: atOnce.mean },
      goal: { atMost: 2 },
    });
    report({
      what: "the slowest client",
      unit: "s",
      ours: atOnce.slowest,
      other: { name: "one at a time", measured: oneByOne.slowest },
    });
    report({ what: "processors busy, at once", unit: "%", ours: atOnce.busy });
    report({ what: "processors busy, one at a time", unit: "%", ours: oneByOne.busy });

    async function measure(
      pids: number[],
      runAll: (all: (() => Promise<void>)[]) => Promise<unknown>,
    ) {
      const seconds: number[] = [];
      const one = async (pid: number) => {
        const startedAt = performance.now();
        await recordContainer({
          ...{ endpoint: { address: daemon.address }, containerId: `${pid}`, durationSeconds: 1 },
          options: {},
        }, { write: () => Promise.resolve() });
        seconds.push((performance.now() - startedAt) / 1000);
      };
      const [before, startedAt] = [processorTimes(), performance.now()];
      await runAll(pids.map((pid) => () => one(pid)));
      const [after, elapsed] = [processorTimes(), (performance.now() - startedAt) / 1000];
      return {
        rate: pids.length / elapsed,
        slowest: summarize(seconds).max,
        mean: seconds.reduce((total, each) => total + each, 0) / seconds.length,
        busy: 100 * (1 - (after.idle - before.idle) / (after.total - before.total)),
      };
    }
  },
};

/** Of all processors since the start of the machine, in ticks (proc(5), /proc/stat). */
function processorTimes(): { idle: number; total: number } {
  const [line] = Deno.readTextFileSync("/proc/stat").split("\n");
  const ticks = line.trim().split(/\s+/).slice(1).map(Number);
  // idle and iowait.
  return { idle: ticks[3] + ticks[4], total: ticks.reduce((total, each) => total + each, 0) };
}
