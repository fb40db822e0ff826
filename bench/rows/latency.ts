import { startDaemon } from "../../tests/testing/daemon.ts";
import { startCountingProxy } from "../counting_proxy.ts";
import { interleave } from "../measure.ts";
import { firstLine, samplingEnded, startClient, startOwn, uniqueDuration } from "../programs.ts";
import type { Row } from "../row.ts";
import { startTarget } from "../target.ts";

const MEGABYTE = 1e6;

/**
 * Rows 1 and 2: how soon a result is there after the sampling, and what it takes of the network.
 */
export function latency(frequencyHz: number): Row {
  return {
    name: `latency-${frequencyHz}`,
    title:
      "From the end of sampling to the result on the client's disk, and the bytes on the wire: " +
      `a busy target of 2 threads, DWARF call graphs at ${frequencyHz} Hz`,
    goal: "under a quarter of the Go way, not growing with the duration; under a tenth of the text",
    async run({ quick, report, log }) {
      await using resources = new AsyncDisposableStack();
      const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
      resources.defer(() => Deno.remove(directory, { recursive: true }));
      const target = resources.use(await startTarget(2));
      const daemon = resources.use(await startDaemon({ args: ["--container-lookup", "pid"] }));
      const proxy = resources.use(startCountingProxy(daemon.address));
      const server = startOwn("go_way.ts", "serve", directory, `${frequencyHz}`);
      resources.defer(async () => {
        server.kill("SIGKILL");
        await server.status;
      });
      const { line: port } = await firstLine(server);

      const runOurs = async (seconds: number, daemonAddress = daemon.address) => {
        const durationSeconds = uniqueDuration(seconds);
        const client = startClient(
          { daemonAddress, pid: target.pid, durationSeconds, frequencyHz },
          directory,
        );
        return await untilOnDisk(client, durationSeconds);
      };
      // By itself: who counts the bytes takes time.
      const runWire = async (seconds: number) => {
        const { receivedBytes } = proxy;
        const { megabytes } = await runOurs(seconds, proxy.address);
        return { megabytes, wireMegabytes: (proxy.receivedBytes - receivedBytes) / MEGABYTE };
      };
      const runOther = async (seconds: number) => {
        const durationSeconds = uniqueDuration(seconds);
        const path = `${directory}/${crypto.randomUUID()}.txt`;
        const recording = [`${target.pid}`, `${durationSeconds}`];
        const client = startOwn("go_way.ts", "fetch", port, ...recording, path);
        return await untilOnDisk(client, durationSeconds);
      };

      // That it does not grow is seen against short ones of the same minutes.
      const cases = quick
        ? [
          { seconds: 3, ours: 1, other: 1, wires: 1, shortest: 0 },
          { seconds: 10, ours: 1, other: 1, wires: 1, shortest: 1 },
        ]
        : [
          { seconds: 10, ours: 5, other: 5, wires: 3, shortest: 0 },
          { seconds: 60, ours: 2, other: 1, wires: 1, shortest: 0 },
          { seconds: 300, ours: 3, other: 1, wires: 1, shortest: 5 },
        ];
      const [{ seconds: shortestSeconds }] = cases;
      for (const { seconds, wires, ...repeats } of cases) {
        const { ours, other, shortest } = await interleave({
          ours: () => runOurs(seconds),
          other: () => runOther(seconds),
          shortest: () => runOurs(shortestSeconds),
        }, repeats);
        const { wire } = await interleave({ wire: () => runWire(seconds) }, wires);
        const [text, otherText] = [ours.megabytes.median, other.megabytes.median];
        log(
          `${seconds} s: a text of ${text.toFixed(1)} MB, the other's ${otherText.toFixed(1)} MB`,
        );
        report({
          what: `${seconds} s: time`,
          unit: "s",
          ours: ours.seconds,
          other: { name: "the Go way", measured: other.seconds },
          goal: { atMost: 0.25 },
        });
        report({
          what: `${seconds} s: wire`,
          unit: "MB",
          ours: wire.wireMegabytes,
          other: { name: "the text", measured: wire.megabytes },
          goal: { atMost: 0.1 },
        });
        if (repeats.shortest === 0) continue;
        report({
          what: `time, ${seconds} s against ${shortestSeconds} s`,
          unit: "s",
          ours: ours.seconds,
          other: { name: `of ${shortestSeconds} s, in between`, measured: shortest.seconds },
          goal: { atMost: 1.25 },
        });
      }
    },
  };
}

/** Waits until a client prints the path of its result, and removes the result. */
async function untilOnDisk(client: Deno.ChildProcess, durationSeconds: number) {
  const printed = firstLine(client);
  const [end, { line: path, at }] = await Promise.all([samplingEnded(durationSeconds), printed]);
  await client.status;
  const { size } = await Deno.stat(path);
  await Deno.remove(path);
  return { seconds: (at - end) / 1000, megabytes: size / MEGABYTE };
}
