/**
 * The gRPC service `necoperf.NecoPerf`: turns calls into recordings and errors into statuses.
 *
 * @module
 */
import { createGunzip } from "node:zlib";
import { pipeline } from "node:stream/promises";
import type { PeerCertificate } from "node:tls";
import { COMPLETENESS } from "../../proto/completeness.ts";
import { formatDuration, toDuration } from "../../proto/duration.ts";
import type { CpuBandwidth as CpuBandwidthMessage } from "../../proto/gen/necoperf/CpuBandwidth.ts";
import type { CpuCounters as CpuCountersMessage } from "../../proto/gen/necoperf/CpuCounters.ts";
import type { GetDaemonInfoResponse } from "../../proto/gen/necoperf/GetDaemonInfoResponse.ts";
import type { NecoPerfHandlers } from "../../proto/gen/necoperf/NecoPerf.ts";
import type { RecordingEvent } from "../../proto/gen/necoperf/RecordingEvent.ts";
import { grpc } from "../../proto/grpc.ts";
import { SIDES } from "../../proto/side.ts";
import type { Credentials } from "../caller.ts";
import type { CpuBandwidth, CpuCounters } from "../recording.ts";
import {
  type Call,
  ConnectionLostError,
  type RecordingListener,
} from "../recordings/recording_call.ts";
import type { FinishedRecording, Recordings } from "../recordings/recordings.ts";
import { StatusError } from "../status_error.ts";
import type { ServedConnection } from "./tls_listener.ts";

/** Metadata of the trailer that says why a result of Record or Profile ends early. */
const PARTIAL_TRAILER = "necoperf-partial";

/** Metadata of the trailer that says in how many milliseconds to try again (gRPC's A6 proposal). */
const RETRY_TRAILER = "grpc-retry-pushback-ms";

/** How many of the largest answers of Record may be under way: each takes its size in memory. */
const MAX_ANSWERS = 2;

const SILENT: RecordingListener = {
  accepted() {},
  queued() {},
  started() {},
  progress() {},
  converting() {},
};

/** The parts of the server that the service needs. */
export interface ServiceOptions {
  /** Bounds an answer of Record; all that are under way have twice as much. */
  maxRecordResponseBytes: number;
  /**
   * How long a caller may take nothing of a stream: it holds a file, or a place in a connection.
   */
  stallSeconds: number;
  /**
   * Tells a caller what the daemon is and, unless the namespace is empty, what they may profile
   * there. Rejects with a `StatusError` for a caller whom nobody knows and for what is no
   * namespace.
   */
  describe(credentials: Credentials, podNamespace: string): Promise<GetDaemonInfoResponse>;
  /** Keeps a peer's connection while a call of it is under way; returns what ends that. */
  hold(peer: string): () => void;
  /** The connection on which a peer calls. */
  connectionOf(peer: string): ServedConnection | undefined;
}

/** The handlers of the service. */
export function createService(
  recordings: Recordings,
  options: ServiceOptions,
): NecoPerfHandlers {
  const { unary, serverStream } = createHandlers(options);
  const answers = new AnswersUnderWay(options.maxRecordResponseBytes * MAX_ANSWERS);
  return {
    Record: unary("Record", async ({ request, call, trailer }) => {
      const duration = { field: "interval", seconds: request.interval } as const;
      const finished = await recordings.run({ ...request, duration, kept: false }, SILENT, call);
      try {
        if (finished.sizeBytes > options.maxRecordResponseBytes) {
          throw new StatusError(
            "RESOURCE_EXHAUSTED",
            `the result has ${finished.sizeBytes} bytes, above the limit of Record, ` +
              `${options.maxRecordResponseBytes} (--max-record-response): use Profile or StartRecording`,
          );
        }
        answers.add(finished.sizeBytes, call.signal);
        const parts: Uint8Array[] = [];
        for await (const chunk of readResult(recordings, finished, call.signal)) parts.push(chunk);
        markPartial(trailer, finished);
        return { data: Buffer.concat(parts) };
      } finally {
        await recordings.discard(finished);
      }
    }),

    Profile: serverStream("Profile", async ({ request, call, trailer, write }) => {
      const duration = { field: "timeout", message: request.timeout } as const;
      const finished = await recordings.run({ ...request, duration, kept: false }, SILENT, call);
      try {
        for await (const data of readResult(recordings, finished, call.signal)) {
          await write({ data });
        }
        markPartial(trailer, finished);
      } finally {
        await recordings.discard(finished);
      }
    }),

    StartRecording: serverStream("StartRecording", async ({ request, call, write }) => {
      const duration = { field: "duration", message: request.duration } as const;
      // A caller that takes no events counts as gone: the call may never end by itself.
      const untaken = new AbortController();
      const send = (event: RecordingEvent) =>
        void write(event).catch((error) => untaken.abort(error));
      const asked = { ...request, duration, kept: true };
      const signal = AbortSignal.any([call.signal, untaken.signal]);
      const finished = await recordings.run(asked, reportTo(send), { ...call, signal })
        .catch((error) => {
          throw untaken.signal.aborted ? untaken.signal.reason : error;
        });
      await write({ event: "finished", finished: describe(finished) });
    }),

    StopRecording: unary("StopRecording", async ({ request, call }) => {
      await recordings.stop(request.recordingId, call);
      return {};
    }),

    FetchResult: serverStream("FetchResult", async ({ request, call, write }) => {
      const { recordingId, offset } = request;
      // An empty message says that the call was taken: data may be minutes away.
      const allowed = () => write({});
      const finished = await recordings.fetch(
        recordingId,
        offset,
        call,
        (data) => write({ data }),
        allowed,
      );
      await write({ finished: describe(finished) });
    }),

    DeleteResult: unary("DeleteResult", async ({ request, call }) => {
      await recordings.delete(request.recordingId, call);
      return {};
    }),

    GetDaemonInfo: unary(
      "GetDaemonInfo",
      ({ request, call }) => options.describe(call.credentials, request.podNamespace),
    ),
  };
}

/** Answers of Record, which rest in memory until their callers have taken them. */
class AnswersUnderWay {
  #sizeBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /**
   * Counts an answer until its call is over. Throws `RESOURCE_EXHAUSTED` when the limit is reached.
   */
  add(bytes: number, call: AbortSignal): void {
    if (call.aborted) return;
    if (this.#sizeBytes + bytes > this.maxBytes) {
      throw new StatusError(
        "RESOURCE_EXHAUSTED",
        "responses of Record that callers have not read yet fill the daemon's memory: try again " +
          "later, or use Profile or StartRecording",
      );
    }
    this.#sizeBytes += bytes;
    call.addEventListener("abort", () => this.#sizeBytes -= bytes, { once: true });
  }
}

function reportTo(send: (event: RecordingEvent) => void): RecordingListener {
  return {
    accepted: (recordingId) => send({ event: "accepted", accepted: { recordingId } }),
    queued: (place) => send({ event: "queued", queued: place }),
    started: (processes, { side, frequencyHz }) =>
      send({
        event: "started",
        started: { processes, side: SIDES[side], frequency: frequencyHz },
      }),
    progress: (elapsedSeconds, { samples, lostSamples }) =>
      send({
        event: "progress",
        progress: { elapsed: toDuration(elapsedSeconds), samples, lostSamples },
      }),
    converting: () => send({ event: "converting", converting: {} }),
  };
}

function describe(finished: FinishedRecording): RecordingEvent["finished"] {
  return {
    completeness: COMPLETENESS[finished.completeness],
    samples: finished.samples,
    lostSamples: finished.lostSamples,
    throttled: finished.throttled,
    missedProcesses: finished.missedProcesses,
    sampled: toDuration(finished.sampledSeconds),
    size: finished.sizeBytes,
    sha256: finished.sha256,
    compressedSize: finished.compressedSizeBytes,
    kept: toDuration(finished.keptSeconds),
    cpu: finished.cpu && describeCpu(finished.cpu),
    cpuUnknown: finished.cpuUnknown,
  };
}

function describeCpu(counters: CpuCounters): CpuCountersMessage {
  const { usedSeconds, bandwidth, podBandwidth, pressureSeconds, delaySeconds } = counters;
  return {
    elapsed: toDuration(counters.elapsedSeconds),
    used: usedSeconds === undefined ? undefined : toDuration(usedSeconds),
    bandwidth: bandwidth && describeBandwidth(bandwidth),
    podBandwidth: podBandwidth && describeBandwidth(podBandwidth),
    pressure: pressureSeconds === undefined ? undefined : toDuration(pressureSeconds),
    delay: delaySeconds === undefined ? undefined : toDuration(delaySeconds),
  };
}

function describeBandwidth({ quotaSeconds, ...bandwidth }: CpuBandwidth): CpuBandwidthMessage {
  return {
    quota: quotaSeconds === undefined ? undefined : toDuration(quotaSeconds),
    period: toDuration(bandwidth.periodSeconds),
    periods: bandwidth.periods,
    throttledPeriods: bandwidth.throttledPeriods,
    throttled: toDuration(bandwidth.throttledSeconds),
  };
}

/** Reads a whole result as perf wrote it. */
async function* readResult(
  recordings: Recordings,
  finished: FinishedRecording,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const fed = pipeline(recordings.resultOf(finished).read(0, signal), gunzip, { signal });
  fed.catch(() => {});
  yield* gunzip;
  await fed;
}

function markPartial(trailer: grpc.Metadata, finished: FinishedRecording): void {
  if (finished.completeness !== "full") trailer.set(PARTIAL_TRAILER, finished.completeness);
}

/** The arguments of a handler of a unary call. */
interface UnaryContext<Request> {
  request: Request;
  call: Call;
  trailer: grpc.Metadata;
}

/** `write` resolves when there is room for more, so that nothing piles up for a slow reader. */
interface StreamContext<Request, Response> extends UnaryContext<Request> {
  write(message: Response): Promise<void>;
}

/** grpc-js' calls, as far as they tell who makes them. */
type ServerCall =
  | grpc.ServerUnaryCall<unknown, unknown>
  | grpc.ServerWritableStream<unknown, unknown>;

function createHandlers({ hold, connectionOf, stallSeconds }: ServiceOptions) {
  /** Runs a handler; the connection is kept from when it is known who calls to the call's end. */
  async function handleCall(
    method: string,
    serverCall: ServerCall,
    handle: (call: Call) => Promise<void>,
  ): Promise<void> {
    let release = () => {};
    const peer = serverCall.getPeer();
    const call: Call = {
      method,
      peer,
      credentials: credentialsOf(serverCall, connectionOf(peer)?.certificate),
      signal: abortSignalOf(serverCall, () => connectionOf(peer)?.hasEnded ?? true),
      identified: () => release = hold(peer),
    };
    try {
      await handle(call);
    } finally {
      release();
    }
  }

  function unary<Request, Response>(
    method: string,
    handle: (context: UnaryContext<Request>) => Promise<Response>,
  ): grpc.handleUnaryCall<Request, Response> {
    return async (serverCall, callback) => {
      const { request } = serverCall;
      const trailer = new grpc.Metadata();
      try {
        await handleCall(method, serverCall, async (call) => {
          callback(null, await handle({ request, call, trailer }), trailer);
        });
      } catch (error) {
        callback(toStatus(error));
      }
    };
  }

  function serverStream<Request, Response>(
    method: string,
    handle: (context: StreamContext<Request, Response>) => Promise<void>,
  ): grpc.handleServerStreamingCall<Request, Response> {
    return async (serverCall) => {
      const { request } = serverCall;
      const trailer = new grpc.Metadata();
      try {
        await handleCall(method, serverCall, async (call) => {
          const write = async (message: Response) => {
            if (!serverCall.write(message)) await drained(serverCall, stallSeconds, call.signal);
            // Windows may be larger than what is to wait in memory for a peer that takes nothing.
            await connectionOf(call.peer)?.drained();
          };
          await handle({ request, call, trailer, write });
          serverCall.end(trailer);
        });
      } catch (error) {
        // A call that was cancelled has no one to tell.
        if (!serverCall.cancelled) serverCall.emit("error", toStatus(error));
      }
    };
  }

  return { unary, serverStream };
}

/**
 * Resolves when there is room for another message, or when `signal` aborts, as a call that is given
 * up never drains. Rejects with `ABORTED` when the caller has taken nothing for too long.
 */
function drained(
  serverCall: grpc.ServerWritableStream<unknown, unknown>,
  stallSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: StatusError) => {
      clearTimeout(timer);
      serverCall.off("drain", settle);
      signal.removeEventListener("abort", onAbort);
      if (error) reject(error);
      else resolve();
    };
    const onAbort = () => settle();
    const timer = setTimeout(() => settle(stalled(stallSeconds)), stallSeconds * 1000);
    serverCall.once("drain", settle);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) settle();
  });
}

function stalled(seconds: number): StatusError {
  const words = `the caller took nothing for ${formatDuration(seconds)} (--stall-timeout): ` +
    "FetchResult goes on from any offset, as long as the result is kept";
  return new StatusError("ABORTED", words);
}

function credentialsOf(call: ServerCall, certificate?: PeerCertificate): Credentials {
  const authorization = call.metadata.get("authorization").map(String);
  if (!certificate) return { authorization };
  const { subject, valid_to } = certificate;
  return {
    authorization,
    certificate: {
      subject: subject as unknown as Record<string, string | string[]>,
      validUntil: new Date(valid_to),
    },
  };
}

/** Aborts when a call is over: given up, lost, or answered with all of the answer sent. */
function abortSignalOf(
  call: { on(event: "cancelled", listener: () => void): unknown },
  hasConnectionEnded: () => boolean,
): AbortSignal {
  const controller = new AbortController();
  const abort = () =>
    controller.abort(hasConnectionEnded() ? new ConnectionLostError() : undefined);
  // HTTP/2 ends the streams of a connection that it gives up before it ends the connection.
  call.on("cancelled", () => hasConnectionEnded() ? abort() : setImmediate(abort));
  return controller.signal;
}

function toStatus(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof StatusError) {
    const { status, message: details, retryAfterSeconds } = error;
    const metadata = new grpc.Metadata();
    if (retryAfterSeconds !== undefined) {
      metadata.set(RETRY_TRAILER, String(Math.ceil(retryAfterSeconds * 1000)));
    }
    return { code: grpc.status[status], details, metadata };
  }
  // Its message may name files of the node: it is in the daemon's log.
  return { code: grpc.status.INTERNAL, details: "internal error: see the daemon's log" };
}
