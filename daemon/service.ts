/**
 * The gRPC service `necoperf.NecoPerf`: turns calls into recordings and errors into statuses.
 *
 * @module
 */
import { once } from "node:events";
import { createGunzip } from "node:zlib";
import { pipeline } from "node:stream/promises";
import { toDuration } from "../proto/duration.ts";
import type { Completeness as ProtoCompleteness } from "../proto/gen/necoperf/Completeness.ts";
import type { NecoPerfHandlers } from "../proto/gen/necoperf/NecoPerf.ts";
import type { RecordingEvent } from "../proto/gen/necoperf/RecordingEvent.ts";
import { grpc } from "../proto/grpc.ts";
import type { Completeness } from "./recorder.ts";
import type { FinishedRecording, RecordingListener, Recordings } from "./recordings.ts";
import { StatusError } from "./status_error.ts";

/** Metadata of the trailer that says why a result of Record or Profile ends early. */
export const PARTIAL_TRAILER = "necoperf-partial";

const SILENT: RecordingListener = {
  accepted() {},
  queued() {},
  started() {},
  progress() {},
  converting() {},
};

const COMPLETENESS: Record<Completeness, ProtoCompleteness> = {
  full: "COMPLETENESS_FULL",
  stopped: "COMPLETENESS_STOPPED",
  "target-ended": "COMPLETENESS_TARGET_ENDED",
  shutdown: "COMPLETENESS_SHUTDOWN",
};

/** The handlers of the service. `maxRecordResponseBytes` bounds what Record holds in memory. */
export function createService(
  recordings: Recordings,
  options: { maxRecordResponseBytes: number },
): NecoPerfHandlers {
  return {
    Record: unary(async ({ request, signal, trailer }) => {
      const duration = { field: "interval", seconds: request.interval } as const;
      const finished = await recordings.run({ ...request, duration }, SILENT, signal);
      try {
        if (finished.sizeBytes > options.maxRecordResponseBytes) {
          throw new StatusError(
            "RESOURCE_EXHAUSTED",
            `the result has ${finished.sizeBytes} bytes, above the ${options.maxRecordResponseBytes} ` +
              "that Record answers with (--max-record-response): use Profile or StartRecording",
          );
        }
        const parts: Uint8Array[] = [];
        for await (const chunk of readResult(recordings, finished, signal)) parts.push(chunk);
        markPartial(trailer, finished);
        return { data: Buffer.concat(parts) };
      } finally {
        await recordings.deleteResult(finished.recordingId);
      }
    }),

    Profile: serverStream(async ({ request, signal, trailer, write }) => {
      const duration = { field: "timeout", message: request.timeout } as const;
      const finished = await recordings.run({ ...request, duration }, SILENT, signal);
      try {
        for await (const data of readResult(recordings, finished, signal)) await write({ data });
        markPartial(trailer, finished);
      } finally {
        await recordings.deleteResult(finished.recordingId);
      }
    }),

    StartRecording: serverStream(async ({ request, signal, write }) => {
      const duration = { field: "duration", message: request.duration } as const;
      const send = (event: RecordingEvent) => void write(event);
      const finished = await recordings.run({ ...request, duration }, reportTo(send), signal);
      await write({ event: "finished", finished: describe(finished) });
    }),

    StopRecording: unary(({ request }) => {
      recordings.stop(request.recordingId);
      return Promise.resolve({});
    }),

    FetchResult: serverStream(async ({ request, signal, write }) => {
      const result = recordings.result(request.recordingId);
      for await (const data of result.read(request.offset, signal)) await write({ data });
    }),

    DeleteResult: unary(async ({ request }) => {
      await recordings.deleteResult(request.recordingId);
      return {};
    }),
  };
}

function reportTo(send: (event: RecordingEvent) => void): RecordingListener {
  return {
    accepted: (recordingId) => send({ event: "accepted", accepted: { recordingId } }),
    queued: (ahead) => send({ event: "queued", queued: { ahead } }),
    started: (processes) => send({ event: "started", started: { processes } }),
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
    sampled: toDuration(finished.sampledSeconds),
    size: finished.sizeBytes,
    sha256: finished.sha256,
    compressedSize: finished.compressedSizeBytes,
  };
}

/** Reads a whole result as perf wrote it. */
async function* readResult(
  recordings: Recordings,
  finished: FinishedRecording,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const fed = pipeline(recordings.result(finished.recordingId).read(0, signal), gunzip, { signal });
  fed.catch(() => {});
  yield* gunzip;
  await fed;
}

function markPartial(trailer: grpc.Metadata, finished: FinishedRecording): void {
  if (finished.completeness !== "full") trailer.set(PARTIAL_TRAILER, finished.completeness);
}

/** What a handler of a unary call is given. `signal` aborts when the caller gives up or is gone. */
interface UnaryContext<Request> {
  request: Request;
  signal: AbortSignal;
  trailer: grpc.Metadata;
}

/** `write` resolves when there is room for more, so that nothing piles up for a slow reader. */
interface StreamContext<Request, Response> extends UnaryContext<Request> {
  write(message: Response): Promise<void>;
}

function unary<Request, Response>(
  handle: (context: UnaryContext<Request>) => Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return async (call, callback) => {
    const trailer = new grpc.Metadata();
    try {
      const signal = abortSignalOf(call);
      callback(null, await handle({ request: call.request, signal, trailer }), trailer);
    } catch (error) {
      callback(toStatus(error));
    }
  };
}

function serverStream<Request, Response>(
  handle: (context: StreamContext<Request, Response>) => Promise<void>,
): grpc.handleServerStreamingCall<Request, Response> {
  return async (call) => {
    const trailer = new grpc.Metadata();
    const signal = abortSignalOf(call);
    const write = async (message: Response) => {
      if (call.write(message)) return;
      // A call that is given up never drains.
      await once(call, "drain", { signal }).catch(() => {});
    };
    try {
      await handle({ request: call.request, signal, trailer, write });
      call.end(trailer);
    } catch (error) {
      // A call that was cancelled has no one to tell.
      if (!signal.aborted) call.emit("error", toStatus(error));
    }
  };
}

function abortSignalOf(
  call: { on(event: "cancelled", listener: () => void): unknown },
): AbortSignal {
  const controller = new AbortController();
  call.on("cancelled", () => controller.abort());
  return controller.signal;
}

function toStatus(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof StatusError) {
    return { code: grpc.status[error.status], details: error.message };
  }
  // Its message may name files of the node: it is in the daemon's log.
  return { code: grpc.status.INTERNAL, details: "internal error: see the daemon's log" };
}
