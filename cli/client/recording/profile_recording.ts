import { toDuration } from "../../../proto/duration.ts";
import { CliError, ExitStatus } from "../../errors.ts";
import { createScriptReader } from "../../script/reader.ts";
import {
  foreignAnswer,
  isRpcFailure,
  isStatus,
  notADaemon,
  type RpcFailure,
} from "../daemon/rpc_failure.ts";
import type { ReconnectingClient } from "../daemon/reconnecting_client.ts";
import type { RecordOptions } from "./record_options.ts";
import type { RecordingHooks, RecordingOrder, RecordingRun } from "./recording.ts";
import type { RecordingSummary } from "./recording_event.ts";
import { RecordingLostError } from "./recording_lost_error.ts";
import { messages } from "./result_download.ts";

/**
 * How long a connection may be silent before it is asked whether it is still there. The first
 * implementation, in Go, says nothing until its result is whole, and ends a connection that asks
 * more often than every 30 s.
 */
export const PROFILE_KEEPALIVE_SECONDS = 45;

/** The first implementation sends 1 KiB at a time: so much is written as one. */
const WRITTEN_BYTES = 64 * 1024;

const THREAD_TIME_FLAGS = { all: "--wall", "off-cpu": "--off-cpu" };

/** The flag of each option whose value `Profile` cannot take. */
const FLAGS: { [Name in keyof Required<RecordOptions>]: (options: RecordOptions) => unknown } = {
  frequencyHz: ({ frequencyHz }) => frequencyHz && "--frequency",
  events: ({ events }) => events && "--event",
  callGraph: ({ callGraph }) => callGraph && "--call-graph",
  side: ({ side }) => side && (side === "user" ? "--all-user" : "--all-kernel"),
  inline: ({ inline }) => inline && "--inline",
  format: ({ format }) => format === "data" && "--format data",
  mainProcess: ({ mainProcess }) => mainProcess && "--main-process",
  threadTime: ({ threadTime }) => threadTime && THREAD_TIME_FLAGS[threadTime],
};

/**
 * Checks that a daemon which knows `Profile` alone can do what is asked of it: a container and a
 * time. It would ignore anything else without a word. Throws a `CliError` (exit status 2) that
 * names the options it cannot have.
 */
export function checkForProfile(
  daemon: string,
  { options, durationSeconds, queueTimeoutSeconds }: RecordingOrder & {
    queueTimeoutSeconds?: number;
  },
): void {
  const flags = Object.values(FLAGS).map((flagOf) => flagOf(options));
  if (queueTimeoutSeconds !== undefined) flags.push("--queue-timeout");
  // It gives `sleep` a whole number of seconds, rounded down.
  if (!Number.isInteger(durationSeconds)) flags.push("a --duration with a fraction of a second");
  const unknown = flags.filter((flag) => typeof flag === "string");
  if (unknown.length === 0) return;
  throw new CliError(
    ExitStatus.USAGE,
    `${daemon} supports only Profile, the RPC of the first implementation of NecoPerf, which takes ` +
      `a container and a whole number of seconds: leave out ${unknown.join(", ")} to record with ` +
      "the daemon's own settings",
  );
}

/**
 * One recording by a daemon that knows `Profile` alone, from its request to its result. It says
 * nothing until the text arrives, cannot be stopped early, and keeps nothing: what is lost on the
 * way is recorded again.
 */
export function createProfileRecording(
  link: ReconnectingClient,
  { containerId, durationSeconds }: RecordingOrder,
  { begin, write, commit, onEvent, signal, stopSignal }: RecordingHooks,
): RecordingRun {
  let phase: RecordingRun["phase"] = "waiting";
  const run = async (waiting: AbortSignal): Promise<RecordingSummary> => {
    const connection = await link.connect(waiting);
    const metadata = await connection.authorize(waiting);
    await begin?.(crypto.randomUUID());
    const startMs = performance.now();
    const call = connection.client.profile(
      { containerId, timeout: toDuration(durationSeconds) },
      metadata,
    );
    const giveUp = () => call.cancel();
    const stop = () => onEvent?.({ kind: "cannot stop", sampling: phase === "sampling" });
    signal?.addEventListener("abort", giveUp);
    stopSignal?.addEventListener("abort", stop);
    if (signal?.aborted) giveUp();
    phase = "sampling";
    onEvent?.({ kind: "profiling" });
    const counter = createSampleCounter();
    let endMs: number | undefined;
    let sizeBytes = 0;
    try {
      for await (const bytes of coalesce(messages(call))) {
        endMs ??= performance.now();
        phase = "over";
        link.progressed();
        sizeBytes += bytes.length;
        counter.push(bytes);
        await write(bytes);
        onEvent?.({ kind: "downloading", receivedBytes: sizeBytes });
      }
    } catch (error) {
      if (signal?.aborted || !isRpcFailure(error)) throw error;
      if (link.isLost(connection, error)) throw new RecordingLostError();
      throw describeFailure(link, error);
    } finally {
      signal?.removeEventListener("abort", giveUp);
      stopSignal?.removeEventListener("abort", stop);
      giveUp();
    }
    const samples = counter.finish();
    if (samples === 0) {
      throw new CliError(
        ExitStatus.RECORDING_FAILED,
        `${link.name}: perf caught no sample: the container did not run in that time`,
      );
    }
    // Whether it waited for its turn before it sampled is not said, so only the reverse is sure.
    const elapsedSeconds = ((endMs ?? performance.now()) - startMs) / 1000;
    const endedEarly = elapsedSeconds < durationSeconds;
    const summary: RecordingSummary = {
      completeness: endedEarly ? "target-ended" : "unknown",
      samples,
      sampledSeconds: endedEarly ? elapsedSeconds : durationSeconds,
      sizeBytes,
    };
    await commit?.(summary);
    return summary;
  };
  return {
    run,
    get phase() {
      return phase;
    },
  };
}

/** Joins the small messages that are there at the same time. */
async function* coalesce(
  parts: AsyncIterable<{ data: Uint8Array }>,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(WRITTEN_BYTES);
  let length = 0;
  for await (const { data } of parts) {
    if (length + data.length > buffer.length && length > 0) {
      yield buffer.slice(0, length);
      length = 0;
    }
    if (data.length > buffer.length) {
      yield data;
      continue;
    }
    buffer.set(data, length);
    length += data.length;
  }
  if (length > 0) yield buffer.slice(0, length);
}

/** Counts the samples in perf script's text. */
function createSampleCounter() {
  let samples = 0;
  const reader = createScriptReader({
    frameId: () => 0,
    commandId: () => 0,
    eventId: () => 0,
    sample: () => void samples++,
  });
  return {
    push: reader.push,
    finish() {
      reader.finish();
      return samples;
    },
  };
}

/** Failures that the first implementation gives no status of its own. */
function describeFailure(link: ReconnectingClient, error: Error & RpcFailure): unknown {
  const failure = link.describe(error);
  if (foreignAnswer(error)) return failure;
  if (isStatus(error, "UNIMPLEMENTED")) {
    return notADaemon(link.name, "a gRPC server that does not know necoperf.NecoPerf/Profile");
  }
  if (!isStatus(error, "UNKNOWN") || !(failure instanceof CliError)) return failure;
  const status = /not running/.test(error.details)
    ? ExitStatus.NOT_FOUND
    : ExitStatus.RECORDING_FAILED;
  return new CliError(status, failure.message, { cause: error });
}
