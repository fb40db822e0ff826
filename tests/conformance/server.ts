/**
 * The server under test. Run as a program: `server.ts ADDRESS [--without-measure]`.
 *
 * Prints the address it listens on, and ends in order on SIGTERM. It serves both services with
 * the traffic of a daemon and of a container runtime, but nothing of what they do.
 */
import type { EventEmitter } from "node:events";
import type { NecoPerfHandlers } from "../../proto/gen/necoperf/NecoPerf.ts";
import type { RuntimeServiceHandlers } from "../../proto/gen/runtime/v1/RuntimeService.ts";
import { fromDuration } from "../../proto/duration.ts";
import { collectGarbage } from "./collect_garbage.ts";

/** What the server's `Record` answers, as JSON. */
export interface ServerState {
  /** Streams that have not ended. */
  openCalls: number;
  /** Bytes given to `call.write()` since the start. */
  writtenBytes: number;
  /** Resident memory, after garbage was collected. */
  rssBytes: number;
}

const [address, withoutMeasure] = Deno.args;
const { grpc, loadCri, loadNecoPerf } = withoutMeasure
  ? await import("./grpc_without_measure.ts")
  : await import("../../proto/grpc.ts");

const CHUNK = new Uint8Array(64 * 1024).fill(97);
const shutdown = Promise.withResolvers<void>();
let openCalls = 0;
let writtenBytes = 0;

/** Counts a call as open until it has ended, whichever way. */
function countOpen(call: EventEmitter, ended: () => void): void {
  openCalls++;
  let counted = true;
  for (const event of ["finish", "cancelled", "error"]) {
    call.on(event, () => {
      if (counted) openCalls--;
      counted = false;
      ended();
    });
  }
}

const necoPerf: Pick<NecoPerfHandlers, "Record" | "Profile" | "FetchResult"> = {
  /** Says how the server is. */
  Record(_call, callback) {
    collectGarbage();
    const state: ServerState = { openCalls, writtenBytes, rssBytes: Deno.memoryUsage().rss };
    callback(null, { data: new TextEncoder().encode(JSON.stringify(state)) });
  },

  /** Sends a little every 10 ms until `timeout` is over. */
  Profile(call) {
    const interval = setInterval(() => call.write({ data: CHUNK.subarray(0, 1024) }), 10);
    const timeout = setTimeout(() => call.end(), fromDuration(call.request.timeout) * 1000);
    countOpen(call, () => {
      clearInterval(interval);
      clearTimeout(timeout);
    });
  },

  /** Sends as many bytes as `recording_id` says, and no faster than they are taken. */
  FetchResult(call) {
    let leftBytes = Number(call.request.recordingId);
    countOpen(call, () => leftBytes = 0);
    const pump = () => {
      while (leftBytes > 0) {
        const data = CHUNK.subarray(0, leftBytes);
        leftBytes -= data.length;
        writtenBytes += data.length;
        if (!call.write({ data })) return call.once("drain", pump);
      }
      if (!call.cancelled) call.end();
    };
    pump();
  },
};

const runtime: Pick<RuntimeServiceHandlers, "ContainerStatus"> = {
  /** Answers at once, or for `shutdown` when the server has been told to end. */
  async ContainerStatus(call, callback) {
    const id = call.request.containerId;
    if (id === "shutdown") {
      console.log("waiting");
      await shutdown.promise;
    }
    callback(null, { status: { id, state: "CONTAINER_RUNNING" } });
  },
};

const server = new grpc.Server();
server.addService(loadNecoPerf().NecoPerf.service, { ...necoPerf });
server.addService(loadCri().RuntimeService.service, { ...runtime });
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(address.startsWith("unix:") ? address : `127.0.0.1:${port}`);
});
Deno.addSignalListener("SIGTERM", () => {
  server.tryShutdown((error) => Deno.exit(error ? 1 : 0));
  shutdown.resolve();
});

// Standard input closes when the test ends, however it ends.
for await (const _ of Deno.stdin.readable);
Deno.exit(1);
