/**
 * What the Go implementation of this design does, by hand and with the same perf: it records to a
 * file, has perf script read all of it once for the names of the events, once more for the text,
 * holds that whole and sends it in messages of 1 KiB over gRPC.
 *
 *     deno run -A bench/go_way.ts serve DIRECTORY FREQUENCY
 *     deno run -A bench/go_way.ts fetch PORT PID SECONDS FILE
 *
 * `serve` prints its port, `fetch` the path of the result once it is on the disk.
 *
 * @module
 */
import { once } from "node:events";
import { fromDuration, toDuration } from "../proto/duration.ts";
import type { NecoPerfHandlers } from "../proto/gen/necoperf/NecoPerf.ts";
import type { PerfProfileResponse__Output } from "../proto/gen/necoperf/PerfProfileResponse.ts";
import { grpc, loadNecoPerf } from "../proto/grpc.ts";

const MESSAGE_BYTES = 1024;

function serve(directory: string, frequencyHz: string): void {
  const server = new grpc.Server();
  const Profile: NecoPerfHandlers["Profile"] = async (call) => {
    const { containerId: pid, timeout } = call.request;
    const data = `${directory}/${crypto.randomUUID()}.data`;
    try {
      await perf("record", "--output", data, "--call-graph=dwarf", `--freq=${frequencyHz}`, [
        ...[`--pid=${pid}`, "--", "sleep", fromDuration(timeout).toFixed(3)],
      ]);
      await perf("script", "--input", data, "-F", "event");
      const text = await perf("script", "--input", data, "--no-inline");
      for (let at = 0; at < text.length; at += MESSAGE_BYTES) {
        const message = { data: text.subarray(at, at + MESSAGE_BYTES) };
        if (!call.write(message)) await once(call, "drain");
      }
      call.end();
    } catch (error) {
      call.emit("error", { code: grpc.status.INTERNAL, details: (error as Error).message });
    } finally {
      await Deno.remove(data).catch(() => {});
    }
  };
  server.addService(loadNecoPerf().NecoPerf.service, { Profile });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
}

/** Runs perf and returns what it printed, as `exec.Command(...).Output()` does. */
async function perf(...words: (string | string[])[]): Promise<Uint8Array> {
  const args = words.flat();
  const { success, stdout, stderr } = await new Deno.Command("perf", { args, stdin: "null" })
    .output();
  if (!success) throw new Error(`perf ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

async function fetch(port: string, pid: string, seconds: string, path: string): Promise<void> {
  const { NecoPerf } = loadNecoPerf();
  const client = new NecoPerf(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const messages: AsyncIterable<PerfProfileResponse__Output> = client.Profile({
    containerId: pid,
    timeout: toDuration(Number(seconds)),
  });
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  for await (const { data } of messages) {
    for (let at = 0; at < data.length;) at += await file.write(data.subarray(at));
  }
  await file.sync();
  console.log(path);
  client.close();
}

const [side, ...args] = Deno.args;
if (side === "serve") serve(args[0], args[1]);
else await fetch(args[0], args[1], args[2], args[3]);
