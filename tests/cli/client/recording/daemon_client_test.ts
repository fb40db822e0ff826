import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { once } from "node:events";
import { recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import type { RecordingEvent } from "../../../../cli/client/recording/recording_event.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import { grpc } from "../../../../proto/grpc.ts";
import { rejectsWith } from "../../rejects_with.ts";
import {
  type FetchCall,
  type StandInHandlers,
  type StartCall,
  startStandInDaemon,
  writeFinished,
  writeResult,
  writeStart,
} from "../../stand_in_daemon.ts";

const RESULT = new TextEncoder().encode("spin 42 cpu-clock: necoperf_busy_loop\n".repeat(5000));

/** A recording of RESULT that goes well but for what a test changes. */
function recordingOf(changes: Partial<StandInHandlers> = {}): StandInHandlers {
  return {
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    fetch: (call) => writeResult(call, RESULT),
    ...changes,
  };
}

/** What a recording gave, other than how it ended. */
interface Received {
  bytes: Uint8Array[];
  events: RecordingEvent[];
}

function record(
  address: string,
  received: Received = { bytes: [], events: [] },
  hooks: Partial<Parameters<typeof recordContainer>[1]> = {},
  request: Partial<Parameters<typeof recordContainer>[0]> = {},
) {
  return recordContainer({
    retryTimeoutSeconds: 1,
    ...request,
    endpoint: { address },
    nodeName: "node1",
    containerId: "c0ffee",
    durationSeconds: 2.5,
    options: { frequencyHz: 199, callGraph: { method: "dwarf", stackSizeBytes: 4096 } },
  }, {
    write: (bytes) => {
      received.bytes.push(bytes.slice());
      return Promise.resolve();
    },
    onEvent: (event) => received.events.push(event),
    ...hooks,
  });
}

/** Passes one TCP connection on, until it is cut. */
function startRelay(address: string): { address: string; cut(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [hostname, daemonPort] = address.split(":");
  const connections: Deno.Conn[] = [];
  (async () => {
    const client = await listener.accept();
    listener.close();
    const daemon = await Deno.connect({ hostname, port: Number(daemonPort) });
    connections.push(client, daemon);
    client.readable.pipeTo(daemon.writable).catch(() => {});
    daemon.readable.pipeTo(client.writable).catch(() => {});
  })();
  return { address: `127.0.0.1:${port}`, cut: () => connections.forEach((one) => one.close()) };
}

Deno.test("recordContainer: delivers a whole result, reports what happens, and has the daemon forget it", async () => {
  let asked: StartCall["request"] | undefined;
  const packedBytes = gzipSync(RESULT).length;
  await using daemon = await startStandInDaemon(recordingOf({
    start: (call) => {
      asked = call.request;
      call.write({ accepted: { recordingId: "abc" } });
      call.write({ queued: { ahead: 2 } });
      call.write({ started: { processes: 3, frequency: 49 } });
      call.write({ progress: { elapsed: { seconds: 1, nanos: 5e8 }, samples: 4, lostSamples: 1 } });
      writeFinished(call, RESULT, {
        compressedSize: packedBytes,
        throttled: 2,
        missedProcesses: 3,
      });
    },
  }));
  const received: Received = { bytes: [], events: [] };
  const summary = await record(daemon.address, received);

  assert.deepEqual(
    new Uint8Array(await new Blob(received.bytes as BlobPart[]).arrayBuffer()),
    RESULT,
  );
  assert.deepEqual(summary, {
    completeness: "full",
    samples: 7,
    lostSamples: 1,
    throttled: 2,
    missedProcesses: 3,
    sampledSeconds: 2,
    sizeBytes: RESULT.length,
    frequencyHz: 49,
  });
  const downloading = received.events.filter(({ kind }) => kind === "downloading");
  assert.deepEqual(downloading.at(-1), {
    kind: "downloading",
    receivedBytes: packedBytes,
    totalBytes: packedBytes,
  });
  assert.deepEqual(received.events.filter((event) => !downloading.includes(event)), [
    { kind: "queued", ahead: 2, sameContainer: false },
    {
      ...{ kind: "started", recordingId: "abc", processes: 3, side: undefined },
      frequencyHz: 49,
    },
    { kind: "progress", elapsedSeconds: 1.5, samples: 4, lostSamples: 1 },
    { kind: "converting" },
  ]);
  assert.deepEqual(daemon.deleted, ["abc"]);
  assert.equal(asked?.containerId, "c0ffee");
  assert.deepEqual(asked?.duration, { seconds: 2, nanos: 500_000_000 });
  assert.deepEqual(
    [asked?.options?.frequency, asked?.options?.callGraph, asked?.options?.stackSize],
    [199, "CALL_GRAPH_DWARF", 4096],
  );
});

Deno.test("recordContainer: fetches the result while it is still being made", async () => {
  let startCall: StartCall;
  await using daemon = await startStandInDaemon({
    // Finishes only once all of the result was asked for.
    start: (call) => {
      startCall = call;
      writeStart(call);
    },
    fetch: (call) => {
      writeResult(call, RESULT);
      writeFinished(startCall, RESULT);
    },
  });
  assert.equal((await record(daemon.address)).sizeBytes, RESULT.length);
});

for (
  const [sent, expected] of [
    ["COMPLETENESS_STOPPED", "stopped"],
    ["COMPLETENESS_TARGET_ENDED", "target-ended"],
    ["COMPLETENESS_SHUTDOWN", "shutdown"],
    ["COMPLETENESS_PERF_FAILED", "perf-failed"],
  ] as const
) {
  Deno.test(`recordContainer: delivers a partial result: ${expected}`, async () => {
    await using daemon = await startStandInDaemon(recordingOf({
      start: (call) => {
        writeStart(call);
        writeFinished(call, RESULT, { completeness: sent });
      },
    }));
    assert.equal((await record(daemon.address)).completeness, expected);
  });
}

Deno.test("recordContainer: refuses a result with another digest or size than the daemon's", async () => {
  for (const finished of [{ sha256: new Uint8Array(32) }, { size: RESULT.length + 1 }]) {
    await using daemon = await startStandInDaemon(recordingOf({
      start: (call) => {
        writeStart(call);
        writeFinished(call, RESULT, finished);
      },
    }));
    await rejectsWith(
      record(daemon.address),
      ExitStatus.OTHER,
      /damaged on its way.*SHA-256|damaged on its way.*bytes arrived of/,
    );
    assert.deepEqual(daemon.deleted, []);
  }
});

Deno.test("recordContainer: refuses a result that is cut off or is not gzip", async () => {
  const fetches: ((call: FetchCall) => void)[] = [
    (call) => {
      // All but the end: the client asks from 0, the stand-in sends only one message.
      const write = call.write.bind(call);
      let sent = 0;
      call.write = ((message: never) => sent++ === 0 && write(message)) as typeof call.write;
      writeResult(call, crypto.getRandomValues(new Uint8Array(5000)));
    },
    (call) => {
      call.write({ data: new TextEncoder().encode("not gzip at all") });
      call.end();
    },
  ];
  for (const fetch of fetches) {
    await using daemon = await startStandInDaemon(recordingOf({ fetch }));
    await rejectsWith(record(daemon.address), ExitStatus.OTHER, /damaged on its way/);
  }
});

for (
  const [status, exitStatus] of [
    ["INVALID_ARGUMENT", ExitStatus.USAGE],
    ["NOT_FOUND", ExitStatus.NOT_FOUND],
    ["PERMISSION_DENIED", ExitStatus.NOT_ALLOWED],
    ["FAILED_PRECONDITION", ExitStatus.RECORDING_FAILED],
    ["INTERNAL", ExitStatus.RECORDING_FAILED],
    ["RESOURCE_EXHAUSTED", ExitStatus.OTHER],
  ] as const
) {
  Deno.test(`recordContainer: keeps the daemon's words when it refuses with ${status}`, async () => {
    await using daemon = await startStandInDaemon(recordingOf({
      start: (call) => {
        call.emit("error", { code: grpc.status[status], details: "frequency 5000: at most 999" });
      },
    }));
    await rejectsWith(
      record(daemon.address),
      exitStatus,
      /necoperf-daemon on node1 \(127\.0\.0\.1:\d+\): frequency 5000: at most 999$/,
    );
  });
}

Deno.test("recordContainer: reports the recording's failure, not that of the fetch it took along", async () => {
  let fetchCall: FetchCall;
  await using daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      fetching.then(() => {
        fetchCall.emit("error", { code: grpc.status.NOT_FOUND, details: "no such result" });
        call.emit("error", { code: grpc.status.FAILED_PRECONDITION, details: "caught no sample" });
      });
    },
    fetch: (call) => {
      fetchCall = call;
      fetchStarted();
    },
  });
  const { promise: fetching, resolve: fetchStarted } = Promise.withResolvers<void>();
  await rejectsWith(record(daemon.address), ExitStatus.RECORDING_FAILED, /caught no sample/);
});

Deno.test("recordContainer: reports the recording's failure, not that its result was cut off", async () => {
  const { promise: fetched, resolve: onFetched } = Promise.withResolvers<void>();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      writeStart(call);
      fetched.then(() =>
        call.emit("error", { code: grpc.status.INTERNAL, details: "perf script crashed" })
      );
    },
    fetch: (call) => {
      call.write({ data: new Uint8Array([0x1f, 0x8b]) });
      call.on("finish", onFetched);
      call.end();
    },
  });
  await rejectsWith(record(daemon.address), ExitStatus.RECORDING_FAILED, /perf script crashed/);
});

Deno.test("recordContainer: says why a result could not be fetched", async () => {
  await using daemon = await startStandInDaemon(recordingOf({
    fetch: (call) => {
      call.emit("error", { code: grpc.status.INTERNAL, details: "the disk is gone" });
    },
  }));
  await rejectsWith(record(daemon.address), ExitStatus.RECORDING_FAILED, /the disk is gone/);
});

Deno.test("recordContainer: says so when the daemon is ended on the way", async () => {
  await using daemon = await startStandInDaemon({
    start: (call) => writeStart(call),
    fetch: (call) => {
      call.write({ data: new Uint8Array([0x1f, 0x8b]) });
      daemon.vanish();
    },
  });
  await rejectsWith(record(daemon.address), ExitStatus.UNREACHABLE, /connection was lost/);
});

Deno.test("recordContainer: says so when the connection is cut on the way", async () => {
  await using daemon = await startStandInDaemon({
    start: (call) => writeStart(call),
    fetch: (call) => {
      call.write({ data: new Uint8Array([0x1f, 0x8b]) });
      relay.cut();
    },
  });
  const relay = startRelay(daemon.address);
  await rejectsWith(record(relay.address), ExitStatus.UNREACHABLE, /connection was lost/);
});

Deno.test("recordContainer: takes an end without `finished` for a failure", async () => {
  await using daemon = await startStandInDaemon(recordingOf({
    start: (call) => {
      writeStart(call);
      call.end();
    },
  }));
  await rejectsWith(record(daemon.address), ExitStatus.RECORDING_FAILED, /without a result/);
});

Deno.test("recordContainer: asks the daemon to stop, and delivers what there is", async () => {
  let startCall: StartCall;
  const stop = new AbortController();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      startCall = call;
      writeStart(call, "stop-me");
    },
    stop: () => writeFinished(startCall, RESULT, { completeness: "COMPLETENESS_STOPPED" }),
    fetch: (call) => writeResult(call, RESULT),
  });
  const received: Received = { bytes: [], events: [] };
  const summary = await record(daemon.address, received, {
    stopSignal: stop.signal,
    onEvent: (event) => {
      received.events.push(event);
      if (event.kind === "started") queueMicrotask(() => stop.abort());
    },
  });
  assert.equal(summary.completeness, "stopped");
  assert.deepEqual(daemon.stopped, ["stop-me"]);
  assert(received.events.some(({ kind }) => kind === "stopping"));
});

Deno.test("recordContainer: gives up when told to stop before sampling has started", async () => {
  const stop = new AbortController();
  const { promise: cancelled, resolve: onCancelled } = Promise.withResolvers<void>();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      call.on("cancelled", onCancelled);
      call.write({ accepted: { recordingId: "waiting" } });
      call.write({ queued: { ahead: 1 } });
    },
  });
  await rejectsWith(
    record(daemon.address, undefined, {
      stopSignal: stop.signal,
      onEvent: () => stop.abort(),
    }),
    ExitStatus.INTERRUPTED,
    /interrupted/,
  );
  await cancelled;
  assert.deepEqual(daemon.stopped, []);
});

Deno.test("recordContainer: cancels both calls when given up", async () => {
  const giveUp = new AbortController();
  const calls: Promise<unknown>[] = [];
  await using daemon = await startStandInDaemon({
    start: (call) => {
      calls.push(once(call, "cancelled"));
      writeStart(call);
    },
    fetch: (call) => {
      calls.push(once(call, "cancelled"));
      giveUp.abort();
    },
  });
  await rejectsWith(
    record(daemon.address, undefined, { signal: giveUp.signal }),
    ExitStatus.INTERRUPTED,
    /interrupted/,
  );
  assert.equal(calls.length, 2);
  await Promise.all(calls);
});

Deno.test("recordContainer: ends the recording when the result can go nowhere", async () => {
  const { promise: cancelled, resolve: onCancelled } = Promise.withResolvers<void>();
  await using daemon = await startStandInDaemon({
    start: (call) => {
      call.on("cancelled", onCancelled);
      writeStart(call);
    },
    fetch: (call) => writeResult(call, RESULT),
  });
  const full = new CliError(ExitStatus.OTHER, "no space left on device");
  await assert.rejects(
    record(daemon.address, undefined, { write: () => Promise.reject(full) }),
    full,
  );
  await cancelled;
});

Deno.test("recordContainer: says where it could not connect, and why", async () => {
  // A port that was free a moment ago.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await rejectsWith(
    record(`127.0.0.1:${port}`),
    ExitStatus.UNREACHABLE,
    new RegExp(`cannot reach .*node1 \\(127\\.0\\.0\\.1:${port}\\).*ECONNREFUSED`),
  );
});
