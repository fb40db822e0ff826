/** Thousands of targets at once, against stand-ins: no test cluster has so many pods. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionFlags } from "../../permissions.ts";
import { grpc } from "../../proto/grpc.ts";
import { daemonPod, runningPod, startStandInApi } from "../cli/stand_in_api.ts";
import { startStandInDaemon } from "../cli/stand_in_daemon.ts";

const MAIN = join(import.meta.dirname!, "../../cli/main.ts");

/**
 * What the client may keep, in MB: 50 are the program's own text and code, and some KB are each
 * target's name and reason. A connection that is kept is 17 KB more, the protocol's types are 200
 * KB.
 */
const HEAP_MB = 90;
const PODS = 3000;
const NODES = 30;

Deno.test("necoperf-client: thousands of pods that fail leave nothing but their reasons in memory", async () => {
  await using daemon = await startStandInDaemon({
    start: (call) =>
      call.emit("error", { code: grpc.status.NOT_FOUND, details: "no such container" }),
  });
  const [host, port] = daemon.address.split(":");
  await using api = await startStandInApi({
    pods: [
      ...Array.from({ length: NODES }, (_, at) => daemonPod(`node${at}`, host, Number(port))),
      ...Array.from({ length: PODS }, (_, at) => runningPod(`web-${at}`, `node${at % NODES}`)),
    ],
  });
  const directory = await Deno.makeTempDir({ prefix: "necoperf-many-" });
  try {
    const flags = permissionFlags("client", { embedded: false })
      .map((flag) => flag.replace(/^--v8-flags=/, `--v8-flags=--max-old-space-size=${HEAP_MB},`));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--frozen", ...flags, MAIN],
        ...["profile", "--all", "-d", "1s", "--via", "direct", "-o", directory],
      ],
      env: { KUBECONFIG: api.kubeconfig },
    }).output();
    const message = new TextDecoder().decode(stderr);
    assert.match(message, new RegExp(`${PODS} of ${PODS} have failed`));
    assert.equal(code, 3, message);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
