/** Recordings by daemons that know `Profile` alone, as the first implementation of NecoPerf. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import { profile } from "../../../../cli/client/recording/profile.ts";
import { checkForProfile } from "../../../../cli/client/recording/profile_recording.ts";
import type { RecordingEvent } from "../../../../cli/client/recording/recording_event.ts";
import { type CliError, ExitStatus } from "../../../../cli/errors.ts";
import type { PerfProfileRequest__Output as Request } from "../../../../proto/gen/necoperf/PerfProfileRequest.ts";
import type { PerfProfileResponse } from "../../../../proto/gen/necoperf/PerfProfileResponse.ts";
import { grpc, loadNecoPerf } from "../../../../proto/grpc.ts";
import { rejectsWith } from "../../rejects_with.ts";

type ProfileCall = ServerWritableStream<Request, PerfProfileResponse>;

/** What a real perf has printed. */
const TEXT = await Deno.readFile(
  join(import.meta.dirname!, "../../script/recordings/cpp.txt"),
);
const SAMPLES =
  new TextDecoder().decode(TEXT).split("\n").filter((line) => /^\S/.test(line)).length;

/** Sends a text as the first implementation does: 1 KiB at a time. */
function send(call: ProfileCall, text = TEXT): void {
  for (let at = 0; at < text.length; at += 1024) {
    call.write({ data: text.subarray(at, at + 1024) });
  }
  call.end();
}

/** Starts a server whose service has these methods and no others. */
async function startServer(methods: Record<string, (call: ProfileCall) => void>) {
  const server = new grpc.Server();
  const { service } = loadNecoPerf().NecoPerf;
  const known = Object.fromEntries(
    Object.entries(service).filter(([name]) => name in methods),
  );
  server.addService(known as unknown as typeof service, methods as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      "127.0.0.1:0",
      grpc.ServerCredentials.createInsecure(),
      (error, port) => error ? reject(error) : resolve(port),
    )
  );
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.dispose]: () => server.forceShutdown(),
  };
}

interface Received {
  bytes: Uint8Array[];
  events: RecordingEvent[];
  begun: number;
  committed: number;
}

function record(
  address: string,
  {
    received = { bytes: [], events: [], begun: 0, committed: 0 } as Received,
    hooks = {} as Partial<Parameters<typeof recordContainer>[1]>,
    request = {} as Partial<Parameters<typeof recordContainer>[0]>,
  } = {},
) {
  return recordContainer({
    retryTimeoutSeconds: 2,
    containerId: "c0ffee",
    durationSeconds: 30,
    // As the command line has them when nothing is said.
    options: { inline: false, format: "script", mainProcess: false },
    ...request,
    endpoint: { address },
  }, {
    begin: () => Promise.resolve(void (received.bytes.length = 0, received.begun++)),
    write: (bytes) => Promise.resolve(void received.bytes.push(bytes.slice())),
    commit: () => Promise.resolve(void received.committed++),
    onEvent: (event) => received.events.push(event),
    ...hooks,
  });
}

function joined({ bytes }: Received): string {
  return bytes.map((part) => new TextDecoder().decode(part)).join("");
}

function newReceived(): Received {
  return { bytes: [], events: [], begun: 0, committed: 0 };
}

Deno.test("recordContainer: a daemon with Profile alone: the text arrives, and what is not known is not said", async () => {
  let asked: Request | undefined;
  using server = await startServer({
    Profile: (call) => {
      asked = call.request;
      send(call);
    },
  });
  const received = newReceived();
  const summary = await record(server.address, { received });
  assert.equal(joined(received), new TextDecoder().decode(TEXT));
  assert.deepEqual([received.begun, received.committed], [1, 1]);
  assert(received.bytes.length <= TEXT.length / 60_000 + 1, "it is written a kilobyte at a time");
  assert.equal(asked?.containerId, "c0ffee");
  assert.deepEqual(asked?.timeout, { seconds: 30, nanos: 0 });
  assert.equal(asked?.options, null);
  const { sampledSeconds, ...others } = summary;
  // The answer was there at once, so 30 s cannot have been sampled.
  assert(sampledSeconds < 30);
  assert.deepEqual(others, {
    completeness: "target-ended",
    samples: SAMPLES,
    sizeBytes: TEXT.length,
  });
  assert.deepEqual(
    received.events.map(({ kind }) => kind).filter((kind, at, all) => kind !== all[at - 1]),
    ["profiling", "downloading"],
  );
});

Deno.test("recordContainer: with Profile alone nobody knows whether the whole time was sampled", async () => {
  using server = await startServer({ Profile: (call) => void setTimeout(() => send(call), 1100) });
  const summary = await record(server.address, { request: { durationSeconds: 1 } });
  assert.equal(summary.completeness, "unknown");
  assert.equal(summary.sampledSeconds, 1);
});

Deno.test("recordContainer: what Profile cannot have is refused by name, and nothing is recorded", async () => {
  let calls = 0;
  using server = await startServer({ Profile: (call) => (calls++, send(call)) });
  const refused = (request: Parameters<typeof record>[1], words: RegExp) =>
    rejectsWith(record(server.address, request), ExitStatus.USAGE, words);
  await refused(
    { request: { options: { frequencyHz: 999, callGraph: { method: "fp" }, format: "data" } } },
    /127\.0\.0\.1:\d+ supports only Profile, .* leave out --frequency, --call-graph, --format data to record/,
  );
  await refused({ request: { queueTimeoutSeconds: 5 } }, /leave out --queue-timeout to record/);
  await refused({ request: { durationSeconds: 1.5 } }, /--duration with a fraction of a second/);
  assert.equal(calls, 0);
});

Deno.test("checkForProfile: each option has its name", () => {
  const flagFor = (options: Parameters<typeof checkForProfile>[1]["options"]) => {
    try {
      checkForProfile("d", { containerId: "c", durationSeconds: 30, options });
    } catch (error) {
      return /leave out (.*) to record/.exec((error as CliError).message)![1];
    }
  };
  assert.equal(flagFor({}), undefined);
  assert.equal(flagFor({ events: ["cycles"] }), "--event");
  assert.equal(flagFor({ side: "user" }), "--all-user");
  assert.equal(flagFor({ side: "kernel" }), "--all-kernel");
  assert.equal(flagFor({ inline: true }), "--inline");
  assert.equal(flagFor({ mainProcess: true }), "--main-process");
  assert.equal(flagFor({ threadTime: "all" }), "--wall");
  assert.equal(flagFor({ threadTime: "off-cpu" }), "--off-cpu");
});

Deno.test("recordContainer: asks a daemon that is older than threads' time for none", async () => {
  using server = await startServer({
    Profile: () => assert.fail("it was asked for a profile"),
    StartRecording: () => assert.fail("it was asked for a recording"),
  });
  const options = { threadTime: "all" } as const;
  await rejectsWith(
    record(server.address, { request: { options } }),
    ExitStatus.USAGE,
    /does not record threads' time/,
  );
});

Deno.test("recordContainer: with Profile alone the first Ctrl-C says that it goes on, the second gives up", async () => {
  const [stop, giveUp] = [new AbortController(), new AbortController()];
  const cancelled = Promise.withResolvers<void>();
  using server = await startServer({
    Profile: (call) => {
      call.on("cancelled", () => cancelled.resolve());
      stop.abort();
    },
  });
  const received = newReceived();
  const onEvent = (event: RecordingEvent) => {
    received.events.push(event);
    if (event.kind === "cannot stop") giveUp.abort();
  };
  await rejectsWith(
    record(server.address, {
      received,
      hooks: { onEvent, stopSignal: stop.signal, signal: giveUp.signal },
    }),
    ExitStatus.INTERRUPTED,
    /nothing was kept/,
  );
  assert.deepEqual(received.events.at(-1), { kind: "cannot stop", sampling: true });
  assert.equal(received.committed, 0);
  // The first implementation ends perf when the call does.
  await cancelled.promise;
});

Deno.test("recordContainer: with Profile alone a text that breaks off is recorded again, from its start", async () => {
  let calls = 0;
  using server = await startServer({
    Profile: (call) => {
      if (++calls > 1) return send(call);
      call.write({ data: TEXT.subarray(0, 100_000) });
      setTimeout(() => call.emit("error", { code: grpc.status.UNAVAILABLE, details: "gone" }), 50);
    },
  });
  const received = newReceived();
  await record(server.address, { received });
  assert.equal(joined(received), new TextDecoder().decode(TEXT));
  assert.deepEqual([received.begun, received.committed], [2, 1]);
  assert(received.events.some(({ kind }) => kind === "recording again"));
});

for (
  const [details, exitStatus] of [
    ["perf.data file does not contain events", ExitStatus.RECORDING_FAILED],
    ["exit status 255", ExitStatus.RECORDING_FAILED],
    ['"c0ffee" container is not running', ExitStatus.NOT_FOUND],
  ] as const
) {
  Deno.test(`recordContainer: with Profile alone, "${details}" is exit status ${exitStatus}`, async () => {
    using server = await startServer({
      // Errors without a status are UNKNOWN in Go.
      Profile: (call) => void call.emit("error", { code: grpc.status.UNKNOWN, details }),
    });
    await rejectsWith(record(server.address), exitStatus, new RegExp(`: ${details}$`));
  });
}

Deno.test("recordContainer: with Profile alone, a text without a sample is a failure", async () => {
  using server = await startServer({ Profile: (call) => call.end() });
  await rejectsWith(record(server.address), ExitStatus.RECORDING_FAILED, /caught no sample/);
});

Deno.test("recordContainer: a gRPC server of another service is not a daemon", async () => {
  using server = await startServer({ Record: (call) => call.end() });
  await rejectsWith(
    record(server.address),
    ExitStatus.UNREACHABLE,
    /not a necoperf-daemon but a gRPC server that does not know necoperf\.NecoPerf\/Profile/,
  );
});

Deno.test("profile: the text of a daemon with Profile alone is converted and counted", async () => {
  using server = await startServer({ Profile: (call) => send(call) });
  const outputDirectory = await Deno.makeTempDir();
  try {
    const { path, stacks, samples } = await profile({
      target: { containerId: "c0ffee", endpoint: { address: server.address } },
      durationSeconds: 30,
      outputDirectory,
      convertTo: "flamegraph",
      countStacks: true,
    });
    assert.match(path!, /\.html$/);
    assert.match(await Deno.readTextFile(path!), /<html/);
    assert.equal(stacks!.samples, samples);
    const files = [...Deno.readDirSync(outputDirectory)].map(({ name }) => name);
    assert.equal(files.length, 1, `something was left behind: ${files}`);
  } finally {
    await Deno.remove(outputDirectory, { recursive: true });
  }
});
