import {
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../../tests/cli/stand_in_daemon.ts";
import { makePaperCluster, openApiServer, startCountingApi } from "../cluster.ts";
import { interleave, type Measured } from "../measure.ts";
import { clientCommand } from "../programs.ts";
import type { Row } from "../row.ts";

/** Row 6: what a profile asks of the API server, however many daemons there are. */
export const api: Row = {
  name: "api",
  title:
    "Requests and bytes asked of the API server for a profile, by the daemon pods in the namespace",
  goal: "constant",
  async run({ quick, report, log }) {
    // Nothing is profiled: what runs on no node cannot be.
    await using daemon = await startStandInDaemon({
      start: (call) => {
        writeStart(call);
        writeFinished(call, RESULT);
      },
      fetch: (call) => writeResult(call, RESULT),
    });
    using server = await openApiServer();
    await using counting = await startCountingApi(server);
    await using cluster = await makePaperCluster(
      server,
      Number(new URL(`tcp://${daemon.address}`).port),
    );
    const { namespace, pod } = cluster;
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    const count = async (ask: () => Promise<unknown>) => {
      const { requests, bytes } = counting;
      await ask();
      return { requests: counting.requests - requests, kilobytes: (counting.bytes - bytes) / 1000 };
    };
    const profile = async () => {
      const words = ["-n", namespace, "--necoperf-namespace", namespace, pod, "-o", directory];
      const { success, stderr } = await clientCommand([...words, "--duration", "1s"], {
        env: { KUBECONFIG: counting.kubeconfig },
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
    };
    const listAll = async () => {
      const path = `/api/v1/namespaces/${namespace}/pods`;
      const all = "?labelSelector=app.kubernetes.io/name=necoperf-daemon";
      counting.requests++;
      counting.bytes += (await (await server.fetch(path + all)).arrayBuffer()).byteLength;
    };
    const timeOfList = async (how: string) => {
      const startedAt = performance.now();
      const label = "labelSelector=app.kubernetes.io/name=necoperf-daemon";
      const query = `${label}&fieldSelector=spec.nodeName=${namespace}-target${how}`;
      await (await server.fetch(`/api/v1/namespaces/${namespace}/pods?${query}`)).arrayBuffer();
      return { milliseconds: performance.now() - startedAt };
    };
    try {
      let fewest: Measured | undefined;
      for (const daemons of quick ? [10, 100] : [10, 1000, 10_000]) {
        log(`making pods until there are ${daemons}`);
        await cluster.growTo(daemons);
        const { ours, other } = await interleave({
          ours: () => count(profile),
          other: () => count(listAll),
        }, 3);
        report({
          what: `${daemons} daemons: requests`,
          unit: "requests",
          ours: ours.requests,
          other: { name: "listing all daemons", measured: other.requests },
        });
        report({
          what: `${daemons} daemons: bytes`,
          unit: "kB",
          ours: ours.kilobytes,
          other: { name: "listing all daemons", measured: other.kilobytes },
        });
        const { cached, stored } = await interleave({
          cached: () => timeOfList("&resourceVersion=0"),
          stored: () => timeOfList(""),
        }, 15);
        report({
          what: `${daemons} daemons: the LIST for one`,
          unit: "ms",
          ours: cached.milliseconds,
          other: {
            name: "from etcd, not from the API server's cache",
            measured: stored.milliseconds,
          },
        });
        fewest ??= ours.kilobytes;
        report({
          what: `${daemons} daemons: bytes`,
          unit: "kB",
          ours: ours.kilobytes,
          other: { name: "with the fewest daemons", measured: fewest },
          goal: { atMost: 1.01 },
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
};

const RESULT = new TextEncoder().encode("web 1 1.0: cpu-clock:\n\t1 main (/web)\n\n");
