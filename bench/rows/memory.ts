import { startDaemon } from "../../tests/testing/daemon.ts";
import { run } from "../../tests/testing/process.ts";
import { buildTargets } from "../../tests/testing/targets.ts";
import { interleave, type Measured } from "../measure.ts";
import { firstLine, residentMegabytes, startClient, startOwn, wait } from "../programs.ts";
import type { Row } from "../row.ts";
import { startWithStandInPerf } from "../stand_in_perf.ts";
import { startTarget } from "../target.ts";

const MB = 1e6;
/** When a program that has started has come to rest. */
const REST_MS = 3000;

/** Row 3: resident memory of the daemon. */
export const memory: Row = {
  name: "memory",
  title: "Resident memory of the daemon: idle, while it records, and the most for a result's size",
  goal: "idle at most 1.3 times Deno with grpc-js; the same for results of 10 MB and 1 GB",
  async run({ quick, report }) {
    const { idle, empty, grpc } = await interleave({
      idle: measureIdle,
      empty: () => measureOwn("empty.ts"),
      grpc: () => measureOwn("loaded_grpc.ts"),
    }, quick ? 1 : 5);
    for (
      const [name, { resident }, goal] of [
        ["an empty Deno program", empty, undefined],
        ["Deno with grpc-js and proto-loader", grpc, { atMost: 1.3 }],
      ] as const
    ) {
      report({
        what: "idle",
        unit: "MB",
        ours: idle.resident,
        other: { name, measured: resident },
        goal,
      });
    }
    const { recording } = await interleave({ recording: measureRecording }, quick ? 1 : 3);
    report({
      what: "while it records 2 threads at 99 Hz",
      unit: "MB",
      ours: recording.resident,
      other: { name: "idle", measured: idle.resident },
    });
    const sizes = quick ? [10, 100] : [10, 100, 1000];
    const peaks: Record<string, Measured> = {};
    const results = await interleave(
      Object.fromEntries(sizes.map((megabytes) => [megabytes, () => measurePeak(megabytes)])),
      quick ? 1 : 3,
    );
    for (const megabytes of sizes) peaks[megabytes] = results[megabytes].peak;
    for (const megabytes of sizes) {
      report({
        what: `at most, for a result of ${megabytes} MB`,
        unit: "MB",
        ours: peaks[megabytes],
        other: { name: `for ${sizes[0]} MB`, measured: peaks[sizes[0]] },
        goal: { atMost: 1.1 },
      });
    }
  },
};

async function measureIdle() {
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  await wait(REST_MS);
  return { resident: residentMegabytes(daemon.pid) };
}

async function measureOwn(script: string) {
  const program = startOwn(script);
  await firstLine(program);
  await wait(REST_MS);
  const resident = residentMegabytes(program.pid);
  program.kill("SIGKILL");
  await program.status;
  return { resident };
}

async function measureRecording() {
  await using target = await startTarget(2);
  await using daemon = await startDaemon({ args: ["--container-lookup", "pid"] });
  const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
  const client = startClient({
    ...{ daemonAddress: daemon.address, pid: target.pid, durationSeconds: 10, frequencyHz: 99 },
  }, directory);
  await wait(8000);
  const resident = residentMegabytes(daemon.pid);
  await firstLine(client);
  await client.status;
  await Deno.remove(directory, { recursive: true });
  return { resident };
}

async function measurePeak(megabytes: number) {
  await using target = run((await buildTargets()).idle);
  await using daemon = await startWithStandInPerf(megabytes * MB);
  const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
  const client = startClient({
    ...{ daemonAddress: daemon.address, pid: target.pid, durationSeconds: 1, frequencyHz: 99 },
  }, directory);
  await firstLine(client);
  await client.status;
  await Deno.remove(directory, { recursive: true });
  return { peak: residentMegabytes(daemon.pid, "VmHWM") };
}
