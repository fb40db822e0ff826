import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { gzipSync } from "node:zlib";
import type { Metadata, Server, ServerWritableStream } from "@grpc/grpc-js";
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

/** Where a stand-in listens, and how. */
interface StandInOptions {
  hostname?: string;
  /** What `node:tls` takes. Not there: plain text. */
  tls?: tls.TlsOptions;
}

/** A server, on loopback unless told otherwise, that speaks the protocol and profiles nothing. */
export interface StandInDaemon extends AsyncDisposable {
  address: string;
  /** What each call had in `authorization`, in the order of their arrival. */
  authorizations: { method: string; authorization: string | undefined }[];
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
export async function startStandInDaemon(
  handlers: StandInHandlers,
  options: StandInOptions = {},
): Promise<StandInDaemon> {
  const authorizations: StandInDaemon["authorizations"] = [];
  const stopped: string[] = [];
  const deleted: string[] = [];
  const note = (method: string, { metadata }: { metadata: Metadata }) => {
    const [authorization] = metadata.get("authorization");
    authorizations.push({ method, authorization: authorization?.toString() });
  };
  const server = new grpc.Server();
  server.addService(loadNecoPerf().NecoPerf.service, {
    StartRecording: (call: StartCall) => {
      note("StartRecording", call);
      handlers.start(call);
    },
    FetchResult: (call: FetchCall) => {
      note("FetchResult", call);
      if (handlers.fetch) handlers.fetch(call);
      else call.end();
    },
    StopRecording: (
      call: { request: { recordingId: string }; metadata: Metadata },
      callback: (error: null, response: object) => void,
    ) => {
      note("StopRecording", call);
      stopped.push(call.request.recordingId);
      handlers.stop?.(call.request.recordingId);
      callback(null, {});
    },
    DeleteResult: (
      call: { request: { recordingId: string }; metadata: Metadata },
      callback: (error: null, response: object) => void,
    ) => {
      note("DeleteResult", call);
      deleted.push(call.request.recordingId);
      callback(null, {});
    },
  });
  const { hostname = "127.0.0.1" } = options;
  const listener = options.tls
    ? await listenWithTls(server, hostname, options.tls)
    : await listen(server, hostname);
  const close = () => {
    listener.close();
    server.forceShutdown();
  };
  return {
    address: `${hostname}:${listener.port}`,
    authorizations,
    stopped,
    deleted,
    vanish: close,
    [Symbol.asyncDispose]: () => {
      close();
      return Promise.resolve();
    },
  };
}

interface Listener {
  port: number;
  close(): void;
}

async function listen(server: Server, hostname: string): Promise<Listener> {
  const credentials = grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${hostname}:0`, credentials, (error, port) => {
      if (error) reject(error);
      else resolve(port);
    })
  );
  return { port, close: () => {} };
}

/** The way the daemon does it, as grpc-js's own does not work on Deno. */
async function listenWithTls(
  server: Server,
  hostname: string,
  options: tls.TlsOptions,
): Promise<Listener> {
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = tls.createServer({ ALPNProtocols: ["h2"], ...options }, (socket) => {
    injector.injectConnection(socket);
  });
  // What a client does not like about a handshake is the client's to tell.
  listener.on("tlsClientError", () => {});
  listener.listen(0, hostname);
  await once(listener, "listening");
  return { port: (listener.address() as AddressInfo).port, close: () => listener.close() };
}

/** The events that every recording begins with. */
export function writeStart(call: StartCall, recordingId = "recording-1"): void {
  call.write({ accepted: { recordingId } });
  call.write({ started: { processes: 3, frequency: 99 } });
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
