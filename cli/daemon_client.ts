import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Client, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { fromDuration, toDuration } from "../proto/duration.ts";
import type { Completeness__Output } from "../proto/gen/necoperf/Completeness.ts";
import type { NecoPerfClient } from "../proto/gen/necoperf/NecoPerf.ts";
import type { _necoperf_RecordingEvent_Finished__Output as Finished } from "../proto/gen/necoperf/RecordingEvent.ts";
import { CliError, ExitStatus, interrupted } from "./exit_status.ts";
import { type RecordOptions, toMessage } from "./record_options.ts";
import { describeRpcFailure, isRpcFailure, STATUS_NAMES } from "./rpc_failure.ts";
import { VERSION } from "../version.ts";

/** One recording, asked of one daemon. */
export interface RecordingRequest {
  /** `host:port` of the daemon. */
  daemonAddress: string;
  /** Where the daemon is, for messages: a node's name. */
  nodeName?: string;
  containerId: string;
  durationSeconds: number;
  options: RecordOptions;
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
  | { kind: "started"; processes: number }
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

/** How patient the client is, in milliseconds. */
const PATIENCE_MS = {
  connect: 10_000,
  connectionError: 500,
  /** A connection that is silent for so long is asked whether it is still there. */
  keepalive: 20_000,
  keepaliveAnswer: 10_000,
  stop: 5_000,
  delete: 2_000,
};

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * Has a daemon profile a container, and writes the result as it arrives. Resolves when all of it is
 * written and is what the daemon made, by size and SHA-256.
 *
 * Rejects with a `CliError`: the daemon cannot be reached or is lost on the way (exit status 5),
 * refuses (2, 3, 4), fails or catches no sample (6), or `signal` aborts (130). What was written by
 * then is not a result.
 */
export async function recordContainer(
  request: RecordingRequest,
  hooks: RecordingHooks,
): Promise<RecordingSummary> {
  const client = await createClient(request.daemonAddress);
  try {
    await connect(client, request, hooks);
    return await record(client, request, hooks);
  } catch (error) {
    if (hooks.signal?.aborted) throw interrupted();
    if (isRpcFailure(error)) throw describeRpcFailure(error, nameDaemon(request));
    throw error;
  } finally {
    client.close();
  }
}

async function createClient(address: string): Promise<NecoPerfClient> {
  const { grpc, loadNecoPerf } = await import("../proto/grpc.ts");
  return new (loadNecoPerf().NecoPerf)(`dns:${address}`, grpc.credentials.createInsecure(), {
    "grpc.primary_user_agent": `necoperf-client/${VERSION}`,
    // Pods often have proxy variables; a pod's address is not for a proxy.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": PATIENCE_MS.keepalive,
    "grpc.keepalive_timeout_ms": PATIENCE_MS.keepaliveAnswer,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  });
}

async function connect(
  client: Client,
  request: RecordingRequest,
  { signal, stopSignal }: RecordingHooks,
): Promise<void> {
  const gaveUp = AbortSignal.any([signal, stopSignal].filter((signal) => signal !== undefined));
  const connected = new Promise<boolean>((resolve) => {
    client.waitForReady(Date.now() + PATIENCE_MS.connect, (error) => resolve(!error));
    gaveUp.addEventListener("abort", () => resolve(false), { once: true });
  });
  if (await connected) return;
  if (gaveUp.aborted) throw interrupted();
  const cause = await connectionError(client as NecoPerfClient);
  throw new CliError(
    ExitStatus.UNREACHABLE,
    `cannot reach ${nameDaemon(request)} within ${PATIENCE_MS.connect / 1000} s${
      cause ? `: ${cause}` : ""
    }; is the daemon running, and may this machine connect to it (network policy, firewall)?`,
  );
}

/**
 * Why there is no connection, or nothing when it is not known. The channel tells it to calls only: a
 * harmless one, which fails at once when the last attempt to connect has failed.
 */
function connectionError(client: NecoPerfClient): Promise<string> {
  return new Promise((resolve) => {
    client.stopRecording({}, { deadline: Date.now() + PATIENCE_MS.connectionError }, (error) => {
      if (!error || STATUS_NAMES[error.code] !== "UNAVAILABLE") return resolve("");
      const [, last] =
        /Last error: (?:Error: )?(.*?)\.?(?: Resolution note:.*)?$/.exec(error.details) ??
          [];
      resolve(last ?? error.details);
    });
  });
}

async function record(
  client: NecoPerfClient,
  request: RecordingRequest,
  hooks: RecordingHooks,
): Promise<RecordingSummary> {
  const { onEvent = () => {}, signal, stopSignal } = hooks;
  if (signal?.aborted || stopSignal?.aborted) throw interrupted();
  const fetching = new AbortController();
  let recordingId = "";
  let phase: "waiting" | "sampling" | "over" = "waiting";
  let finished: Finished | null | undefined;
  let result: Promise<Digest> | undefined;
  let writeError: unknown;

  const events = client.startRecording({
    containerId: request.containerId,
    duration: toDuration(request.durationSeconds),
    options: toMessage(request.options),
  });
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
    result = receiveResult(client, recordingId, write, fetching.signal);
    // Awaited last: when the recording fails, too, its own call has the better words.
    result.catch(() => {});
  };
  const stop = () => {
    if (phase === "over") return;
    if (phase === "waiting") return cancel();
    onEvent({ kind: "stopping" });
    // When this fails the recording takes its time, and the user can still give up.
    client.stopRecording({ recordingId }, { deadline: Date.now() + PATIENCE_MS.stop }, () => {});
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
          onEvent({ kind: "started", processes: message.started!.processes });
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
    await deleteResult(client, recordingId);
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
  client: NecoPerfClient,
  recordingId: string,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<Digest> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    await pipeline(
      Readable.from(fetchResult(client, recordingId, signal)),
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
  client: NecoPerfClient,
  recordingId: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let ended = false; !ended;) {
    // One call, so far. After an interruption that is worth another try, the next goes on from
    // `offset`.
    const call = client.fetchResult({ recordingId, offset });
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

/** Spares the daemon to keep what has arrived. It forgets results by itself, if later. */
function deleteResult(client: NecoPerfClient, recordingId: string): Promise<void> {
  return new Promise((resolve) => {
    const deadline = Date.now() + PATIENCE_MS.delete;
    client.deleteResult({ recordingId }, { deadline }, (_error: ServiceError | null) => resolve());
  });
}

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
