import { startDaemon } from "../../tests/testing/daemon.ts";
import { interleave } from "../measure.ts";
import { cpuSeconds, firstLine, startClient, uniqueDuration } from "../programs.ts";
import type { Row } from "../row.ts";
import { startTarget } from "../target.ts";

const THREADS = 2;

/** Row 4: what a recording takes of the node, and of its target. */
export const cost: Row = {
  name: "cost",
  title:
    "Processor time of the daemon and perf for each second that the target of 2 threads runs, and " +
    "what the target gets done in a second of its own processor time, with DWARF call graphs",
  goal: "within 10 % of perf alone; the target within 1 %",
  async run({ quick, report }) {
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    await using target = await startTarget(THREADS);
    await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
    const seconds = quick ? 5 : 20;
    try {
      for (const frequencyHz of [99, 999]) {
        const { ours, pipe, file } = await interleave({
          ours: () => runOurs(frequencyHz),
          pipe: () => runPerf(frequencyHz, "pipe"),
          file: () => runPerf(frequencyHz, "file"),
        }, quick ? 2 : 3);
        const what = `${frequencyHz} Hz`;
        report({
          what: `${what}: processor time`,
          unit: "CPU ms/s",
          ours: ours.cpu,
          other: { name: "perf record | perf script", measured: pipe.cpu },
          goal: { atMost: 1.1 },
        });
        report({
          what: `${what}: processor time`,
          unit: "CPU ms/s",
          ours: ours.cpu,
          other: { name: "perf record to a file, then perf script", measured: file.cpu },
        });
        for (
          const [name, measured] of [
            ["perf record | perf script", pipe.rounds],
            ["perf record to a file", file.rounds],
          ] as const
        ) {
          report({
            what: `${what}: the target's work`,
            unit: "1/s",
            ours: ours.rounds,
            other: { name, measured },
            goal: { atLeast: 0.99 },
          });
        }
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }

    /**
     * Runs something and returns how many seconds both threads of the target ran meanwhile, and its
     * rounds per second of processor time: what others take of the machine is not in either.
     */
    async function whileTargetWorks<T>(run: () => Promise<T>) {
      const [rounds, cpu] = [target.rounds(), cpuSeconds(target.pid)];
      const result = await run();
      const targetSeconds = cpuSeconds(target.pid) - cpu;
      return {
        result,
        ranSeconds: targetSeconds / THREADS,
        rounds: (target.rounds() - rounds) / targetSeconds,
      };
    }

    async function runOurs(frequencyHz: number) {
      const durationSeconds = uniqueDuration(seconds);
      const before = cpuSeconds(daemon.pid);
      const { result: { line: path }, ranSeconds, rounds } = await whileTargetWorks(() =>
        firstLine(startClient(
          { daemonAddress: daemon.address, pid: target.pid, durationSeconds, frequencyHz },
          directory,
        ))
      );
      await Deno.remove(path);
      const cpu = (cpuSeconds(daemon.pid) - before) / ranSeconds * 1000;
      return { cpu, rounds };
    }

    /** As the daemon asks perf, without the daemon. */
    async function runPerf(frequencyHz: number, way: "pipe" | "file") {
      const record = `perf record --no-buildid --no-bpf-event --call-graph=dwarf ` +
        `--freq=${frequencyHz} --mmap-pages=128 --pid=${target.pid}`;
      const script = "perf script --fields=+pid --no-inline";
      const data = `${directory}/perf.data`;
      const command = way === "pipe"
        ? `${record} --output=- -- sleep ${seconds} | ${script} --input=- > /dev/null`
        : `${record} --output=${data} -- sleep ${seconds} && ` +
          `${script} --input=${data} > /dev/null`;
      const { result, ranSeconds, rounds } = await whileTargetWorks(() =>
        new Deno.Command("bash", {
          // What perf itself says goes nowhere; what it takes, to standard error.
          args: ["-c", `TIMEFORMAT='%U %S'; time { ${command}; } 2>/dev/null`],
          stdin: "null",
        }).output()
      );
      const words = new TextDecoder().decode(result.stderr);
      const cpuTotal = words.trim().split(" ").reduce((total, text) => total + Number(text), 0);
      if (!result.success || !(cpuTotal > 0)) throw new Error(`${command}: ${words}`);
      return { cpu: cpuTotal / ranSeconds * 1000, rounds };
    }
  },
};
