import assert from "node:assert/strict";
import { once } from "node:events";
import { addReflection } from "../../../daemon/service/reflection.ts";
import { grpc, loadNecoPerfDefinition } from "../../../proto/grpc.ts";
import { eventually } from "../../testing/process.ts";

const METHOD = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/** A `ServerReflectionRequest` with an empty `list_services`. */
const LIST_SERVICES = Buffer.from([0x3a, 0]);

Deno.test("addReflection: answers sixteen calls at a time, and others when those have ended", async () => {
  const server = new grpc.Server();
  addReflection(server, loadNecoPerfDefinition(), () => Promise.resolve());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      "127.0.0.1:0",
      grpc.ServerCredentials.createInsecure(),
      (error, port) => error ? reject(error) : resolve(port),
    )
  );
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const call = () => {
    const same = (bytes: Buffer) => bytes;
    const stream = client.makeBidiStreamRequest(METHOD, same, same, new grpc.Metadata());
    stream.on("error", () => {});
    stream.write(LIST_SERVICES);
    return stream;
  };
  const answered = async (stream: ReturnType<typeof call>) => {
    const [answer] = await once(stream, "data") as [Buffer];
    assert.match(answer.toString("latin1"), /necoperf\.NecoPerf/);
  };
  const refused = (stream: ReturnType<typeof call>) =>
    new Promise((resolve) => stream.on("status", ({ code }: grpc.StatusObject) => resolve(code)));
  try {
    const streams = Array.from({ length: 16 }, call);
    await Promise.all(streams.map(answered));
    assert.equal(await refused(call()), grpc.status.RESOURCE_EXHAUSTED);

    // However they end, of which the server hears a moment later.
    streams[0].cancel();
    streams[1].end();
    for (let count = 0; count < 2; count++) await eventually(() => answered(call()));
    assert.equal(await refused(call()), grpc.status.RESOURCE_EXHAUSTED);
  } finally {
    client.close();
    server.forceShutdown();
  }
});
