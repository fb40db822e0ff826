import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { FetchResultRequest__Output as FetchResultRequest } from "../../proto/gen/necoperf/FetchResultRequest.ts";
import type { FetchResultResponse } from "../../proto/gen/necoperf/FetchResultResponse.ts";
import type { RecordingEvent } from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { StartRecordingRequest__Output as StartRecordingRequest } from "../../proto/gen/necoperf/StartRecordingRequest.ts";
import { grpc, loadNecoPerf } from "../../proto/grpc.ts";

/** A call of StartRecording that the stand-in answers. */
export type StartCall = ServerWritableStream<StartRecordingRequest, RecordingEvent>;
/** A call of FetchResult that the stand-in answers. */
export type FetchCall = ServerWritableStream<FetchResultRequest, FetchResultResponse>;

/** How a stand-in answers. */
export interface StandInHandlers {
  start(call: StartCall): void;
  fetch?(call: FetchCall): void;
  stop?(recordingId: string): void;
}

/** A server on loopback that speaks the protocol and profiles nothing. */
export interface StandInDaemon extends AsyncDisposable {
  address: string;
  /** The recordings that the client has stopped and deleted. */
  stopped: string[];
  deleted: string[];
  /** Cuts every connection and listens no more. */
  vanish(): void;
}

/**
 * Starts a stand-in for the daemon, for what a real one cannot be made to do on demand: to send a
 * result that is damaged, to be lost at a chosen moment, to report a chosen end. Everything that
 * the real daemon can do on demand is tested with the real daemon.
 */
export async function startStandInDaemon(handlers: StandInHandlers): Promise<StandInDaemon> {
  const stopped: string[] = [];
  const deleted: string[] = [];
  const server = new grpc.Server();
  server.addService(loadNecoPerf().NecoPerf.service, {
    StartRecording: handlers.start,
    FetchResult: handlers.fetch ?? ((call: FetchCall) => call.end()),
    StopRecording: (
      { request }: { request: { recordingId: string } },
      callback: (error: null, response: object) => void,
    ) => {
      stopped.push(request.recordingId);
      handlers.stop?.(request.recordingId);
      callback(null, {});
    },
    DeleteResult: (
      { request }: { request: { recordingId: string } },
      callback: (error: null, response: object) => void,
    ) => {
      deleted.push(request.recordingId);
      callback(null, {});
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    })
  );
  return {
    address: `127.0.0.1:${port}`,
    stopped,
    deleted,
    vanish: () => server.forceShutdown(),
    [Symbol.asyncDispose]: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

/** The events that every recording begins with. */
export function writeStart(call: StartCall, recordingId = "recording-1"): void {
  call.write({ accepted: { recordingId } });
  call.write({ started: { processes: 3 } });
}

/** The event with which a recording of `result` ends, and the end of the call. */
export function writeFinished(
  call: StartCall,
  result: Uint8Array,
  finished: RecordingEvent["finished"] = {},
): void {
  call.write({ converting: {} });
  call.write({
    finished: {
      completeness: "COMPLETENESS_FULL",
      samples: 7,
      lostSamples: 1,
      sampled: { seconds: 2, nanos: 0 },
      size: result.length,
      sha256: createHash("sha256").update(result).digest(),
      ...finished,
    },
  });
  call.end();
}

/** Sends a result as the daemon does, from the offset that was asked for. */
export function writeResult(call: FetchCall, result: Uint8Array, chunkBytes = 1000): void {
  const packed = gzipSync(result);
  for (let at = call.request.offset; at < packed.length; at += chunkBytes) {
    call.write({ data: packed.subarray(at, at + chunkBytes) });
  }
  call.end();
}
