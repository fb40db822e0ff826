import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { ClientReadableStream, Metadata, ServiceError } from "@grpc/grpc-js";
import { fromDuration, toDuration } from "../proto/duration.ts";
import type { Completeness__Output } from "../proto/gen/necoperf/Completeness.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../proto/gen/necoperf/RecordingEvent.ts";
import type { Side__Output } from "../proto/gen/necoperf/Side.ts";
import { connect, type Connection } from "./connection.ts";
import { type DaemonAccess, NO_ACCESS } from "./daemon_access.ts";
import { CliError, ExitStatus, interrupted } from "./exit_status.ts";
import { type RecordOptions, toMessage } from "./record_options.ts";
import { describeRpcFailure, isRpcFailure } from "./rpc_failure.ts";

/** One recording, asked of one daemon. */
export interface RecordingRequest {
  /** `host:port` of the daemon. */
  daemonAddress: string;
  /** Where the daemon is, for messages: a node's name. */
  nodeName?: string;
  containerId: string;
  durationSeconds: number;
  options: RecordOptions;
  /** Default: no token, plain text. */
  access?: DaemonAccess;
}

/** What a recording reads and tells while it runs. */
export interface RecordingHooks {
  /** Takes the next bytes of the result; the daemon is held up until it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Hears what happens, in order. */
  onEvent?(event: RecordingEvent): void;
  /** Gives the recording up: the daemon ends it and drops what it made. */
  signal?: AbortSignal;
  /** Ends sampling early; what was sampled by then is delivered. Gives up when none was yet. */
  stopSignal?: AbortSignal;
}

/** What happens while a recording runs. */
export type RecordingEvent =
  /** How many recordings go first. */
  | { kind: "queued"; ahead: number }
  /** `side` is what is sampled, if the daemon tells. */
  | { kind: "started"; processes: number; side?: "user" | "kernel" | "both" }
  | { kind: "progress"; elapsedSeconds: number; samples: number; lostSamples: number }
  /** `stopSignal` was heard. */
  | { kind: "stopping" }
  /** Sampling is over; perf script is at the rest. */
  | { kind: "converting" };

/** How a recording ended that has a result. */
export interface RecordingSummary {
  /** Whether all of the duration was sampled; if not, who ended it. */
  completeness: "full" | "stopped" | "target ended" | "daemon shut down";
  samples: number;
  lostSamples: number;
  sampledSeconds: number;
  sizeBytes: number;
}

/** How long answers that the result does not depend on are waited for, in milliseconds. */
const PATIENCE_MS = { stop: 5_000, delete: 2_000 };

/**
 * Has a daemon profile a container, and writes the result as it arrives. Resolves when all of it is
 * written and is what the daemon made, by size and SHA-256.
 *
 * Rejects with a `CliError`: the token may not be sent over that connection, or there is none to be
 * had (exit status 4), the daemon cannot be reached, is not who it should be or is lost on the way
 * (5), refuses (2, 3, 4), fails or catches no sample (6), or `signal` aborts (130). What was written
 * by then is not a result.
 */
export async function recordContainer(
  request: RecordingRequest,
  hooks: RecordingHooks,
): Promise<RecordingSummary> {
  const { daemonAddress, access = NO_ACCESS } = request;
  const name = nameDaemon(request);
  using connection = await connect({
    address: daemonAddress,
    name,
    access,
    signal: beforeSampling(hooks),
  });
  try {
    return await record(connection, request, hooks);
  } catch (error) {
    if (hooks.signal?.aborted) throw interrupted();
    if (!isRpcFailure(error)) throw error;
    const details = connection.withoutToken(error.details);
    throw describeRpcFailure({ code: error.code, details }, name, {
      withToken: access.token !== undefined,
    });
  }
}

/** Until sampling starts there is nothing to keep: to stop is to give up. */
function beforeSampling({ signal, stopSignal }: RecordingHooks): AbortSignal {
  return AbortSignal.any([signal, stopSignal].filter((signal) => signal !== undefined));
}

async function record(
  connection: Connection,
  request: RecordingRequest,
  hooks: RecordingHooks,
): Promise<RecordingSummary> {
  const { onEvent = () => {}, signal, stopSignal } = hooks;
  const metadata = await connection.authorize(beforeSampling(hooks));
  if (signal?.aborted || stopSignal?.aborted) throw interrupted();
  const fetching = new AbortController();
  let recordingId = "";
  let phase: "waiting" | "sampling" | "over" = "waiting";
  let finished: Finished | null | undefined;
  let result: Promise<Digest> | undefined;
  let writeError: unknown;

  const events = connection.client.startRecording({
    containerId: request.containerId,
    duration: toDuration(request.durationSeconds),
    options: toMessage(request.options),
  }, metadata);
  const cancel = () => {
    events.cancel();
    fetching.abort();
  };
  const write = (bytes: Uint8Array) =>
    hooks.write(bytes).catch((error) => {
      // When the bytes can go nowhere there is no use in going on.
      writeError = error;
      cancel();
      throw error;
    });
  const fetchOnce = () => {
    if (result) return;
    result = receiveResult(connection, recordingId, write, fetching.signal);
    // Awaited last: when the recording fails, too, its own call has the better words.
    result.catch(() => {});
  };
  const stop = () => {
    if (phase === "over") return;
    if (phase === "waiting") return cancel();
    onEvent({ kind: "stopping" });
    // When this fails the recording takes its time, and the user can still give up.
    stopRecording(connection, recordingId, signal).catch(() => {});
  };
  signal?.addEventListener("abort", cancel);
  stopSignal?.addEventListener("abort", stop);
  try {
    for await (const message of messages(events)) {
      switch (message.event) {
        case "accepted":
          recordingId = message.accepted!.recordingId;
          break;
        case "queued":
          onEvent({ kind: "queued", ahead: message.queued!.ahead });
          break;
        case "started":
          phase = "sampling";
          onEvent({
            kind: "started",
            processes: message.started!.processes,
            side: SIDES[message.started!.side],
          });
          fetchOnce();
          break;
        case "progress":
          onEvent({
            kind: "progress",
            elapsedSeconds: fromDuration(message.progress!.elapsed),
            samples: message.progress!.samples,
            lostSamples: message.progress!.lostSamples,
          });
          break;
        case "converting":
          phase = "over";
          onEvent({ kind: "converting" });
          break;
        case "finished":
          phase = "over";
          finished = message.finished;
          break;
      }
    }
    if (!finished) {
      throw new CliError(
        ExitStatus.RECORDING_FAILED,
        `${nameDaemon(request)} ended the recording without a result`,
      );
    }
    fetchOnce();
    compare(await result!, finished);
    await deleteResult(connection, recordingId);
    return toSummary(finished);
  } catch (error) {
    cancel();
    await result?.catch(() => {});
    if (writeError) throw writeError;
    if (stopSignal?.aborted && phase === "waiting") throw interrupted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
    stopSignal?.removeEventListener("abort", stop);
  }
}

/** What arrived, for comparison with what was sent. */
interface Digest {
  sizeBytes: number;
  sha256: Uint8Array;
}

/** Fetches a result, unpacks it and writes it, each step at the pace of the next. */
async function receiveResult(
  connection: Connection,
  recordingId: string,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<Digest> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    await pipeline(
      Readable.from(fetchResult(connection, recordingId, signal)),
      createGunzip(),
      async (unpacked: AsyncIterable<Uint8Array>) => {
        for await (const bytes of unpacked) {
          hash.update(bytes);
          sizeBytes += bytes.length;
          await write(bytes);
        }
      },
    );
  } catch (error) {
    if (isZlibError(error)) throw damaged(error.message);
    throw error;
  }
  return { sizeBytes, sha256: hash.digest() };
}

/** Yields the packed result from its start to its end. */
async function* fetchResult(
  connection: Connection,
  recordingId: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let ended = false; !ended;) {
    // One call, so far. After an interruption that is worth another try, the next goes on from
    // `offset`.
    const metadata = await connection.authorize(signal);
    const call = connection.client.fetchResult({ recordingId, offset }, metadata);
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
    try {
      for await (const { data } of messages(call)) {
        offset += data.length;
        yield data;
      }
      ended = true;
    } finally {
      signal.removeEventListener("abort", cancel);
      cancel();
    }
  }
}

/** Reading on only when the last message is dealt with is what holds the daemon up. */
function messages<T>(call: ClientReadableStream<T>): AsyncIterable<T> {
  // The iterator may be gone when a cancelled call reports its end; nobody needs to hear that.
  call.on("error", () => {});
  return call as AsyncIterable<T>;
}

function compare(arrived: Digest, sent: Finished): void {
  if (arrived.sizeBytes !== sent.size) {
    throw damaged(`${arrived.sizeBytes} bytes arrived of ${sent.size}`);
  }
  if (!sent.sha256.equals(arrived.sha256)) {
    throw damaged("its SHA-256 is another than the daemon's");
  }
}

function damaged(how: string): CliError {
  return new CliError(
    ExitStatus.OTHER,
    `the result was damaged on its way: ${how}; nothing was kept, try again`,
  );
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}

async function stopRecording(
  { authorize, client }: Connection,
  recordingId: string,
  signal?: AbortSignal,
): Promise<void> {
  const metadata = await authorize(signal);
  const deadline = Date.now() + PATIENCE_MS.stop;
  client.stopRecording({ recordingId }, metadata, { deadline }, () => {});
}

/** Spares the daemon to keep what has arrived. It forgets results by itself, if later. */
async function deleteResult({ authorize, client }: Connection, recordingId: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS.delete;
  let metadata: Metadata;
  try {
    metadata = await authorize(AbortSignal.timeout(PATIENCE_MS.delete));
  } catch {
    return;
  }
  await new Promise<void>((resolve) => {
    const done = (_error: ServiceError | null) => resolve();
    client.deleteResult({ recordingId }, metadata, { deadline }, done);
  });
}

const SIDES: Record<Side__Output, "user" | "kernel" | "both" | undefined> = {
  // A daemon of an older release does not tell.
  SIDE_UNSPECIFIED: undefined,
  SIDE_USER: "user",
  SIDE_KERNEL: "kernel",
  SIDE_BOTH: "both",
};

const COMPLETENESS: Record<Completeness__Output, RecordingSummary["completeness"]> = {
  COMPLETENESS_UNSPECIFIED: "full",
  COMPLETENESS_FULL: "full",
  COMPLETENESS_STOPPED: "stopped",
  COMPLETENESS_TARGET_ENDED: "target ended",
  COMPLETENESS_SHUTDOWN: "daemon shut down",
};

function toSummary(finished: Finished): RecordingSummary {
  return {
    completeness: COMPLETENESS[finished.completeness],
    samples: finished.samples,
    lostSamples: finished.lostSamples,
    sampledSeconds: fromDuration(finished.sampled),
    sizeBytes: finished.size,
  };
}

function nameDaemon({ nodeName, daemonAddress }: RecordingRequest): string {
  return nodeName
    ? `the necoperf-daemon on ${nodeName} (${daemonAddress})`
    : `the necoperf-daemon at ${daemonAddress}`;
}
