import assert from "node:assert/strict";
import { loadNecoPerfClient } from "../../proto/client.ts";
import { loadNecoPerf } from "../../proto/grpc.ts";

const SHA256 = new Uint8Array(32).fill(0xab);

/** Beside empty ones: each kind of field that the protocol has. */
const MESSAGES: Record<string, { requests: object[]; responses: object[] }> = {
  StartRecording: {
    requests: [{
      containerId: "ab".repeat(32),
      duration: { seconds: 30, nanos: 500_000_000 },
      options: {
        frequency: 99,
        events: ["cpu-clock", "page-faults"],
        callGraph: "CALL_GRAPH_DWARF",
      },
    }],
    responses: [
      { accepted: { recordingId: "r-1" } },
      { started: {} },
      { finished: { size: 2 ** 40, compressedSize: 1024, sha256: SHA256 } },
    ],
  },
  FetchResult: {
    requests: [{ recordingId: "r-1", offset: 2 ** 40 }],
    responses: [{ data: new Uint8Array([0, 1, 255]) }],
  },
};

const ours = loadNecoPerfClient().service;
const loaders = loadNecoPerf().NecoPerf.service;

Deno.test("the client has the methods that proto-loader makes of the same definitions", () => {
  const described = (service: object) =>
    Object.entries(service).map(([name, method]) => {
      const { path, requestStream, responseStream, originalName } = method;
      return { name, path, requestStream, responseStream, originalName };
    });
  assert.deepEqual(described(ours), described(loaders));
});

for (const name of Object.keys(loaders) as (keyof typeof loaders)[]) {
  Deno.test(`the client's messages of ${name} are those of proto-loader`, () => {
    const [own, other] = [ours[name], loaders[name]];
    const { requests, responses } = MESSAGES[name] ?? { requests: [], responses: [] };
    for (const request of [{}, ...requests]) {
      const bytes = other.requestSerialize(request);
      assert.deepEqual(own.requestSerialize(request), bytes);
      assert.deepEqual(own.requestDeserialize(bytes), other.requestDeserialize(bytes));
    }
    for (const response of [{}, ...responses]) {
      const bytes = other.responseSerialize(response);
      assert.deepEqual(own.responseSerialize(response), bytes);
      assert.deepEqual(own.responseDeserialize(bytes), other.responseDeserialize(bytes));
    }
  });
}
