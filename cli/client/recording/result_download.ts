import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../../../proto/gen/necoperf/RecordingEvent.ts";
import type { ReconnectingClient } from "../daemon/reconnecting_client.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import type { RecordingSummary } from "./recording_event.ts";
import { isRpcFailure, isStatus } from "../daemon/rpc_failure.ts";

/** What is unpacked at a time: it is hashed, counted and written as one. */
const UNPACKED_CHUNK_BYTES = 64 * 1024;

/** What takes a result. */
export interface ResultSink {
  /**
   * Hears whose result comes next; what came of another one before is void. Gives what there is of
   * the result's gzip stream already, from its start; that is not fetched again.
   */
  begin?(recordingId: string): Promise<AsyncIterable<Uint8Array> | void>;
  /** Takes the next bytes of the gzip stream, as they arrive. */
  keep?(packed: Uint8Array): Promise<void>;
  /** Takes the next bytes of the result; the daemon is held up until it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Hears that all was written and is what the daemon made. The daemon has the result until then.
   */
  commit?(summary: RecordingSummary): Promise<void>;
}

/** What a download reads and reports. */
interface DownloadOptions {
  /** Ends it. */
  signal: AbortSignal;
  /** Hears, as it grows, how much of the gzip stream is here. */
  onReceived?(bytes: number): void;
}

/** What arrived of a result, for comparison with what the daemon made. */
export interface Arrived {
  sizeBytes: number;
  sha256: Uint8Array;
  /** What the daemon said at the end of it; one of an older release says nothing. */
  finished?: Finished;
}

/**
 * Fetches a result, unpacks it and writes it, each step at the pace of the next. Over the next
 * connection it goes on where the last one was lost.
 *
 * Rejects as the sink does, with the failure of the call, or with a `CliError` when the result is
 * damaged (exit status 1) or as the link's `connect` does.
 */
export async function downloadResult(
  link: ReconnectingClient,
  recordingId: string,
  sink: ResultSink,
  { signal, onReceived }: DownloadOptions,
): Promise<Arrived> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let finished: Finished | undefined;
  const kept = await sink.begin?.(recordingId);
  async function* packed() {
    let offset = 0;
    for await (const bytes of kept ?? []) {
      offset += bytes.length;
      yield bytes;
    }
    const onFinished = (told: Finished) => finished = told;
    for await (const bytes of fetchPacked(link, recordingId, offset, onFinished, signal)) {
      await sink.keep?.(bytes);
      onReceived?.(offset += bytes.length);
      yield bytes;
    }
  }
  try {
    await pipeline(
      Readable.from(packed()),
      createGunzip({ chunkSize: UNPACKED_CHUNK_BYTES }),
      async (unpacked: AsyncIterable<Uint8Array>) => {
        for await (const bytes of unpacked) {
          hash.update(bytes);
          sizeBytes += bytes.length;
          await sink.write(bytes);
        }
      },
    );
  } catch (error) {
    if (isZlibError(error)) throw damaged(error.message);
    throw error;
  }
  return { sizeBytes, sha256: hash.digest(), finished };
}

/** Throws a `CliError` (exit status 1) when what arrived is not what the daemon made. */
export function checkArrived(arrived: Arrived, made: Finished): void {
  if (arrived.sizeBytes !== made.size) {
    throw damaged(`${arrived.sizeBytes} bytes arrived of ${made.size}`);
  }
  if (!made.sha256.equals(arrived.sha256)) {
    throw damaged("its SHA-256 is another than the daemon's");
  }
}

/** Reading on only when the last message is dealt with is what holds the daemon up. */
export function messages<T>(call: ClientReadableStream<T>): AsyncIterable<T> {
  // The iterator may be gone when a cancelled call reports its end; nobody needs to hear that.
  call.on("error", () => {});
  return call as AsyncIterable<T>;
}

/** Yields the gzip stream from `offset` to its end, over as many connections as it takes. */
async function* fetchPacked(
  link: ReconnectingClient,
  recordingId: string,
  offset: number,
  onFinished: (finished: Finished) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const connection = await link.connect(signal);
    let cancel = () => {};
    let received = false;
    try {
      const metadata = await connection.authorize(signal);
      const call = connection.client.fetchResult({ recordingId, offset }, metadata);
      cancel = () => call.cancel();
      signal.addEventListener("abort", cancel);
      if (signal.aborted) cancel();
      for await (const { data, finished } of messages(call)) {
        link.progressed();
        if (finished) onFinished(finished);
        if (data.length === 0) continue;
        offset += data.length;
        received = true;
        yield data;
      }
      return;
    } catch (error) {
      // The daemon ends the call of a reader that was held up, as one is that Ctrl-Z has stopped.
      const heldUp = received && isRpcFailure(error) && isStatus(error, "ABORTED");
      if (signal.aborted || !heldUp && !link.isLost(connection, error)) throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      cancel();
    }
  }
}

function damaged(reason: string): CliError {
  return new CliError(
    ExitStatus.OTHER,
    `the result was damaged on its way: ${reason}; nothing was kept, try again`,
  );
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
