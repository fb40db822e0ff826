/**
 * Connections that are lost, at chosen moments, and made again. The daemons are stand-ins: to lose
 * the real one just there takes a process and seconds for each case
 * (`tests/integration/resume_test.ts` has those), and what it answers next could not be chosen.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { fetchRecording, recordContainer } from "../../../../cli/client/recording/daemon_client.ts";
import { NO_CREDENTIALS } from "../../../../cli/client/daemon/daemon_credentials.ts";
import { CliError, ExitStatus } from "../../../../cli/errors.ts";
import type { RecordingEvent } from "../../../../cli/client/recording/recording_event.ts";
import { PendingResultError } from "../../../../cli/client/recording/pending_result.ts";
import { grpc } from "../../../../proto/grpc.ts";
import { type Relay, startRelay } from "../../../testing/relay.ts";
import { rejectsWith } from "../../rejects_with.ts";
import {
  type FetchCall,
  type StandInDaemon,
  type StandInHandlers,
  type StartCall,
  startStandInDaemon,
  writeFinished,
  writeStart,
} from "../../stand_in_daemon.ts";

/** Does not get smaller when it is packed, and so has many parts. */
const RESULT = crypto.getRandomValues(new Uint8Array(50_000));
const PACKED = gzipSync(RESULT);
const HALF = 25_000;

const FINISHED = {
  completeness: "COMPLETENESS_FULL",
  samples: 7,
  size: RESULT.length,
  sha256: createHash("sha256").update(RESULT).digest(),
} as const;

function sendPacked(call: FetchCall, end = PACKED.length): void {
  for (let at = call.request.offset; at < end; at += 1000) {
    call.write({ data: PACKED.subarray(at, Math.min(at + 1000, end)) });
  }
}

function sendAll(call: FetchCall): void {
  sendPacked(call);
  call.write({ finished: FINISHED });
  call.end();
}

function refuse(call: FetchCall): void {
  call.emit("error", { code: grpc.status.NOT_FOUND, details: "none" });
}

/** A daemon behind a relay, and what the client heard and wrote. */
interface Setting extends AsyncDisposable {
  daemon: StandInDaemon;
  relay: Relay;
  events: RecordingEvent[];
  bytes: Uint8Array[];
  /** The calls that arrived. */
  starts: StartCall[];
  fetches: FetchCall[];
  record(changes?: Changes): ReturnType<typeof recordContainer>;
}

type Changes = Partial<
  Parameters<typeof recordContainer>[0] & Parameters<typeof recordContainer>[1]
>;

/** `start` and `fetch` are told the how many-th call theirs is, from 1. */
async function set(handlers: {
  start(call: StartCall, count: number, setting: Setting): void;
  fetch(call: FetchCall, count: number, setting: Setting): void;
  stop?: StandInHandlers["stop"];
  /** When so many bytes of the gzip stream have arrived the connection is lost. */
  loseAt?: number[];
  lose?(setting: Setting): void;
}): Promise<Setting> {
  let arrived = 0;
  const { loseAt = [], lose = ({ relay }) => relay.cut() } = handlers;
  const daemon = await startStandInDaemon({
    start: (call) => handlers.start(call, setting.starts.push(call), setting),
    fetch: (call) => handlers.fetch(call, setting.fetches.push(call), setting),
    stop: handlers.stop,
  });
  const relay = startRelay(daemon.address);
  const setting: Setting = {
    ...{ daemon, relay, events: [], bytes: [], starts: [], fetches: [] },
    record: (changes = {}) =>
      recordContainer({
        endpoint: { address: relay.address },
        nodeName: "node1",
        containerId: "c0ffee",
        durationSeconds: 2,
        options: {},
        retryTimeoutSeconds: 20,
        ...changes,
      }, {
        begin: () => Promise.resolve(void setting.bytes.splice(0)),
        keep: (packed) => {
          arrived += packed.length;
          if (loseAt.includes(arrived)) lose(setting);
          return Promise.resolve();
        },
        write: (bytes) => Promise.resolve(void setting.bytes.push(bytes.slice())),
        onEvent: (event) => setting.events.push(event),
        ...changes,
      }),
    [Symbol.asyncDispose]: async () => {
      relay[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
  return setting;
}

/** What happened, but for how much has arrived. */
function kinds({ events }: Setting): string[] {
  return events.map(({ kind }) => kind).filter((kind) => kind !== "downloading");
}

function assertWritten({ bytes }: Setting): void {
  assert(Buffer.concat(bytes).equals(RESULT), "what was written is the result");
}

Deno.test("fetchRecording: a download goes on where it stopped, without another recording", async () => {
  await using setting = await set({
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    fetch: (call, count) => {
      if (count === 3) sendAll(call);
      else sendPacked(call, count * 10_000);
    },
    loseAt: [10_000, 20_000],
  });
  await setting.record();
  assertWritten(setting);
  assert.equal(setting.starts.length, 1);
  assert.deepEqual(setting.fetches.map(({ request }) => request.offset), [0, 10_000, 20_000]);
  assert.deepEqual(kinds(setting), ["started", "converting", "lost", "lost"]);
  assert.deepEqual(setting.daemon.deleted, ["recording-1"]);
});

Deno.test("fetchRecording: what the result is comes with its last message when the events were lost", async () => {
  await using setting = await set({
    start: (call) => {
      writeStart(call);
      call.write({ converting: {} });
    },
    fetch: (call, count) => count === 1 ? sendPacked(call, HALF) : sendAll(call),
    loseAt: [HALF],
  });
  const summary = await setting.record();
  assertWritten(setting);
  assert.equal(summary.samples, 7);
  assert.equal(setting.starts.length, 1);
});

Deno.test("fetchRecording: a place in the queue that was lost is asked for again", async () => {
  await using setting = await set({
    start: (call, count, { relay }) => {
      if (count > 1) {
        writeStart(call);
        return writeFinished(call, RESULT);
      }
      call.write({ accepted: { recordingId: "recording-0" } });
      call.write({ queued: { ahead: 1, sameContainer: true } }, () => relay.cut());
    },
    fetch: sendAll,
  });
  await setting.record();
  assertWritten(setting);
  assert.equal(setting.starts.length, 2);
  assert(!kinds(setting).includes("recording again"));
});

Deno.test("fetchRecording: a recording that was lost in sampling is made again, and what came of it is void", async () => {
  await using setting = await set({
    start: (call, count) => {
      writeStart(call, `recording-${count}`);
      if (count === 2) writeFinished(call, RESULT);
    },
    fetch: (call) => {
      if (call.request.recordingId === "recording-2") sendAll(call);
      else if (call.request.offset > 0) refuse(call);
      else sendPacked(call, HALF);
    },
    loseAt: [HALF],
  });
  await setting.record();
  assertWritten(setting);
  assert.equal(setting.starts.length, 2);
  assert.equal(kinds(setting).filter((kind) => kind === "recording again").length, 1);
});

Deno.test("fetchRecording: a daemon that loses every recording is not asked for ever", async () => {
  await using setting = await set({
    start: (call) => writeStart(call),
    // Every other one is over the connection that is cut.
    fetch: (call, count, { relay }) => count % 2 === 1 ? relay.cut() : refuse(call),
  });
  await rejectsWith(setting.record(), ExitStatus.UNREACHABLE, /lost repeatedly/);
  assert.equal(setting.starts.length, 3);
});

Deno.test("fetchRecording: a result whose daemon stays away is left with it, and how long it is kept is told", async () => {
  await using setting = await set({
    start: (call) => {
      writeStart(call, "left-here");
      writeFinished(call, RESULT, { kept: { seconds: 600, nanos: 0 } });
    },
    fetch: (call) => sendPacked(call, HALF),
    loseAt: [HALF],
    lose: ({ relay }) => relay[Symbol.dispose](),
  });
  const before = Date.now();
  let lostAt = 0;
  const onEvent = (event: RecordingEvent) => {
    setting.events.push(event);
    if (event.kind === "lost") lostAt = Date.now();
  };
  await assert.rejects(setting.record({ retryTimeoutSeconds: 1, onEvent }), (error) => {
    assert(error instanceof PendingResultError, String(error));
    assert.equal(error.exitStatus, ExitStatus.UNREACHABLE);
    assert.match(error.message, /the necoperf-daemon on node1/);
    assert.equal(error.left.recordingId, "left-here");
    assert.equal(error.left.sure, true);
    const keptUntil = error.left.keptUntil!.getTime();
    // By the daemon's word, which came before the loss, not after the wait for another connection.
    assert(keptUntil >= before + 600_000 && keptUntil <= lostAt + 600_000);
    return true;
  });
  assert.deepEqual(kinds(setting), ["started", "converting", "lost"], "it is told once");
  assert.deepEqual(setting.daemon.deleted, []);
});

Deno.test("fetchRecording: a connection that stays lost in sampling may have left a result", async () => {
  await using setting = await set({
    start: (call) => writeStart(call, "maybe-here"),
    fetch: (_call, _count, { relay }) => relay[Symbol.dispose](),
  });
  await assert.rejects(setting.record({ retryTimeoutSeconds: 1 }), (error) => {
    assert(error instanceof PendingResultError, String(error));
    assert.equal(error.exitStatus, ExitStatus.UNREACHABLE);
    assert.deepEqual(error.left, {
      recordingId: "maybe-here",
      sure: false,
      keptUntil: undefined,
    });
    return true;
  });
});

Deno.test("fetchRecording: a connection that stays lost before sampling has left none", async () => {
  await using setting = await set({
    start: (call, _count, { relay }) => {
      call.write({ accepted: { recordingId: "recording-0" } });
      call.write({ queued: { ahead: 1 } }, () => relay[Symbol.dispose]());
    },
    fetch: () => {},
  });
  await assert.rejects(setting.record({ retryTimeoutSeconds: 1 }), (error) => {
    assert(error instanceof CliError && !(error instanceof PendingResultError), String(error));
    assert.equal(error.exitStatus, ExitStatus.UNREACHABLE);
    return true;
  });
});

Deno.test("fetchRecording: a recording that ends in sampling because it can go nowhere has left no result", async () => {
  await using setting = await set({ start: (call) => writeStart(call), fetch: () => {} });
  // As standard output says when what it has printed is of another recording.
  const begin = () => Promise.reject(new CliError(ExitStatus.UNREACHABLE, "record again"));
  await assert.rejects(setting.record({ begin }), (error) => {
    assert(error instanceof CliError && !(error instanceof PendingResultError), String(error));
    return true;
  });
});

Deno.test("fetchRecording: a reader that the daemon gave up goes on, but not for ever", async () => {
  const giveUp = (call: FetchCall) =>
    call.emit("error", { code: grpc.status.ABORTED, details: "took nothing for 1m" });
  for (const healthy of [true, false]) {
    await using setting = await set({
      start: (call) => {
        writeStart(call);
        writeFinished(call, RESULT);
      },
      fetch: (call, count) => {
        if (count === 1) {
          sendPacked(call, HALF);
          giveUp(call);
        } else if (healthy) sendAll(call);
        else giveUp(call);
      },
    });
    if (healthy) {
      await setting.record();
      assertWritten(setting);
    } else {
      await rejectsWith(setting.record(), ExitStatus.OTHER, /took nothing/);
    }
    assert.equal(setting.fetches.length, 2);
    assert.equal(setting.starts.length, 1);
  }
});

Deno.test("fetchRecording: patience counts from the last that arrived", async () => {
  await using setting = await set({
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    // Thirteen losses of at least an eighth of a second each are more than the patience for one.
    fetch: (call, count) => count > 13 ? sendAll(call) : sendPacked(call, count * 700),
    loseAt: Array.from({ length: 13 }, (_, index) => (index + 1) * 700),
  });
  await setting.record({ retryTimeoutSeconds: 1.6 });
  assertWritten(setting);
});

Deno.test("fetchRecording: the daemon is looked for again, and found at another address", async () => {
  await using elsewhere = await set({ start: () => {}, fetch: sendAll });
  await using setting = await set({
    start: (call) => {
      writeStart(call);
      writeFinished(call, RESULT);
    },
    fetch: (call) => sendPacked(call, HALF),
    loseAt: [HALF],
    lose: ({ relay }) => relay[Symbol.dispose](),
  });
  let lookups = 0;
  await setting.record({
    endpoint: {
      address: setting.relay.address,
      findAgain: () => {
        lookups++;
        // Its node has none for a moment, as when a daemon set is updated.
        if (lookups === 1) throw new CliError(ExitStatus.NOT_FOUND, "no daemon runs on node1");
        // And an API server that is away does not stand in the way.
        if (lookups === 2) throw new CliError(ExitStatus.UNREACHABLE, "no API server");
        return Promise.resolve({ address: elsewhere.relay.address });
      },
    },
  });
  assertWritten(setting);
  assert.equal(lookups, 3);
  assert.equal(elsewhere.fetches[0].request.recordingId, "recording-1");
});

Deno.test("fetchRecording: one that waits for the daemon can be given up", async () => {
  for (const phase of ["waiting", "sampling", "over"]) {
    const giveUp = new AbortController();
    await using setting = await set({
      start: (call, _count, { relay }) => {
        call.write({ accepted: { recordingId: "recording-1" } });
        if (phase !== "waiting") call.write({ started: { processes: 1 } });
        if (phase === "over") call.write({ converting: {} });
        // Known by its arrival: the daemon's events are one stream.
        call.write({ queued: { ahead: 9 } });
        loseNow = () => relay[Symbol.dispose]();
      },
      fetch: () => {},
    });
    let loseNow = () => {};
    const hooks = {
      signal: giveUp.signal,
      onEvent: ({ kind }: RecordingEvent) => {
        if (kind === "queued") loseNow();
        if (kind === "lost") giveUp.abort();
      },
    };
    await rejectsWith(setting.record(hooks), ExitStatus.INTERRUPTED, /interrupted/);
  }
});

Deno.test("fetchRecording: to stop when the recording is lost is to end with nothing", async () => {
  const stop = new AbortController();
  await using setting = await set({
    start: (call) => writeStart(call),
    fetch: (call, count, { relay }) => count === 1 ? relay.cut() : refuse(call),
  });
  await rejectsWith(
    setting.record({
      stopSignal: stop.signal,
      onEvent: ({ kind }) => kind === "lost" && stop.abort(),
    }),
    ExitStatus.INTERRUPTED,
    /lost with the connection/,
  );
  assert.equal(setting.starts.length, 1);
});

Deno.test("fetchRecording: to stop while the connection is lost ends the sampling that goes on", async () => {
  const stop = new AbortController();
  const { promise: stopped, resolve: onStopped } = Promise.withResolvers<void>();
  await using setting = await set({
    start: (call) => writeStart(call),
    fetch: (call, count, { relay }) => {
      if (count === 1) relay.cut();
      else stopped.then(() => sendAll(call));
    },
    stop: () => onStopped(),
  });
  await setting.record({
    stopSignal: stop.signal,
    onEvent: ({ kind }) => kind === "lost" && stop.abort(),
  });
  assertWritten(setting);
  assert.deepEqual(setting.daemon.stopped, ["recording-1"]);
  assert.equal(setting.starts.length, 1);
});

Deno.test("fetchRecording: to stop goes over the next connection when it was lost with this one", async () => {
  const stop = new AbortController();
  const { promise: stopped, resolve: onStopped } = Promise.withResolvers<void>();
  await using setting = await set({
    start: (call) => writeStart(call),
    fetch: (call) => stopped.then(() => sendAll(call)),
    // The answer to the first is lost.
    stop: () => setting.daemon.stopped.length === 1 ? setting.relay.cut() : onStopped(),
  });
  await setting.record({
    stopSignal: stop.signal,
    onEvent: ({ kind }) => kind === "started" && stop.abort(),
  });
  assertWritten(setting);
  assert.equal(setting.daemon.stopped.length, 2);
  assert.equal(setting.starts.length, 1);
});

Deno.test("fetchRecording: a call that is made when its connection was lost meanwhile goes over the next", async () => {
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  await using setting = await set({ start: (call) => writeStart(call), fetch: sendAll });
  let tokens = 0;
  await setting.record({
    access: {
      ...NO_CREDENTIALS,
      // That of the first FetchResult comes when StartRecording has been lost.
      token: async () => {
        if (++tokens !== 2) return "token";
        setting.relay.cut();
        await lost;
        return "token";
      },
    },
    onEvent: ({ kind }) => kind === "lost" && onLost(),
  });
  assertWritten(setting);
  assert.equal(setting.fetches.length, 1);
});

Deno.test("fetchRecording: a result that is given up is deleted, when it was converted by then", async () => {
  const giveUp = new AbortController();
  await using setting = await set({
    start: (call) => {
      writeStart(call);
      call.write({ converting: {} });
    },
    fetch: () => {},
  });
  await rejectsWith(
    setting.record({
      signal: giveUp.signal,
      onEvent: ({ kind }) => kind === "converting" && giveUp.abort(),
    }),
    ExitStatus.INTERRUPTED,
    /interrupted/,
  );
  assert.deepEqual(setting.daemon.deleted, ["recording-1"]);
});

Deno.test("fetchRecording: who waits in the queue for too long is told, and leaves it", async () => {
  const { promise: cancelled, resolve: onCancelled } = Promise.withResolvers<void>();
  await using setting = await set({
    start: (call) => {
      call.on("cancelled", onCancelled);
      call.write({ accepted: { recordingId: "recording-1" } });
      call.write({ queued: { ahead: 3 } });
    },
    fetch: () => {},
  });
  await rejectsWith(
    setting.record({ queueTimeoutSeconds: 0.5 }),
    ExitStatus.OTHER,
    /did not start within 500ms \(--queue-timeout\)/,
  );
  await cancelled;
});

Deno.test("fetchRecording: a fetch starts after what is there already", async () => {
  await using setting = await set({ start: () => {}, fetch: sendAll });
  const bytes: Uint8Array[] = [];
  await fetchRecording(
    { endpoint: { address: setting.relay.address }, recordingId: "recording-9" },
    {
      // deno-lint-ignore require-await
      begin: async function () {
        return (async function* () {
          yield PACKED.subarray(0, 100);
          yield PACKED.subarray(100, HALF);
        })();
      },
      write: (unpacked) => Promise.resolve(void bytes.push(unpacked.slice())),
    },
  );
  assert(Buffer.concat(bytes).equals(RESULT));
  assert.deepEqual(
    setting.fetches.map(({ request }) => [request.recordingId, request.offset]),
    [["recording-9", HALF]],
  );
  assert.deepEqual(setting.daemon.deleted, ["recording-9"]);
});

Deno.test("fetchRecording: a result that there is not any more", async () => {
  await using setting = await set({
    start: () => {},
    fetch: refuse,
  });
  await rejectsWith(
    fetchRecording({ endpoint: { address: setting.relay.address }, recordingId: "gone" }, {
      write: () => Promise.resolve(),
    }),
    ExitStatus.NOT_FOUND,
    /none; the daemon keeps a result for a limited time.*record again/,
  );
});
