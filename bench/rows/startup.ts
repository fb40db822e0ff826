import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { bundle } from "../../scripts/bundle.ts";
import { FILES, MAIN } from "../../scripts/compile.ts";
import {
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../../tests/cli/stand_in_daemon.ts";
import { makePaperCluster, openApiServer } from "../cluster.ts";
import { interleave } from "../measure.ts";
import { clientCommand } from "../programs.ts";
import type { Row } from "../row.ts";

const RESULT = new TextEncoder().encode("web 1 1.0: cpu-clock:\n\t1 main (/web)\n\n");

/** Row 5: how soon the client does what it is asked. */
export const startup: Row = {
  name: "startup",
  title:
    "necoperf-client --help, and from its start to the request's arrival at the daemon; bundled " +
    "(as it is compiled) and from source, each run by the same Deno",
  goal: "faster than kubectl both times",
  async run({ quick, report }) {
    let onRequest = (_at: number) => {};
    await using daemon = await startStandInDaemon({
      start: (call) => {
        onRequest(performance.now());
        writeStart(call);
        writeFinished(call, RESULT);
      },
      fetch: (call) => writeResult(call, RESULT),
    });
    using server = await openApiServer();
    const port = Number(new URL(`tcp://${daemon.address}`).port);
    await using cluster = await makePaperCluster(server, port);
    const directory = await Deno.makeTempDir({ prefix: "necoperf-bench-" });
    const { main } = await bundle(MAIN.client, FILES.client, directory);
    const bundled = (args: string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--no-config", "--no-check"],
          ...permissionFlags("client", { embedded: false }).map((flag) =>
            flag.startsWith("--allow-read=") ? `${flag},${directory}` : flag
          ),
          ...[join(directory, main), ...args],
        ],
        stdin: "null",
      });
    const kubectl = (args: string[]) => new Deno.Command("kubectl", { args, stdin: "null" });

    const untilEnd = async (command: Deno.Command) => {
      const startedAt = performance.now();
      const { success, stderr } = await command.output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      return { milliseconds: performance.now() - startedAt };
    };
    const { namespace, pod } = cluster;
    const words = ["-n", namespace, "--necoperf-namespace", namespace, pod];
    const profile = [...words, "--duration", "1s", "--output-dir", `${directory}/results`];
    const untilRequest = async (command: Deno.Command) => {
      const { promise, resolve } = Promise.withResolvers<number>();
      onRequest = resolve;
      const startedAt = performance.now();
      const { success, stderr } = await command.output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      return { milliseconds: await promise - startedAt };
    };
    const get = ["get", "pod", "-n", namespace, pod];
    try {
      const repeats = quick ? 3 : 41;
      const help = await interleave({
        bundled: () => untilEnd(bundled(["--help"])),
        source: () => untilEnd(clientCommand(["--help"])),
        kubectl: () => untilEnd(kubectl(["version", "--client"])),
      }, repeats);
      const request = await interleave({
        bundled: () => untilRequest(bundled(profile)),
        source: () => untilRequest(clientCommand(profile)),
        kubectl: () => untilEnd(kubectl(get)),
      }, repeats);
      for (
        const [what, name, sides] of [
          ["--help", "kubectl version --client", help],
          ["start to request", "kubectl get pod", request],
        ] as const
      ) {
        const other = { name, measured: sides.kubectl.milliseconds };
        const goal = { atMost: 1 };
        report({
          what: `${what}, bundled`,
          unit: "ms",
          ours: sides.bundled.milliseconds,
          other,
          goal,
        });
        report({
          what: `${what}, from source`,
          unit: "ms",
          ours: sides.source.milliseconds,
          other,
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
};
