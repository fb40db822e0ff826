import type { RecordOptions__Output } from "../../proto/gen/necoperf/RecordOptions.ts";
import type { Credentials } from "../caller.ts";
import type { PerfDataCounts, RecordingOptions } from "../recording.ts";
import type { DurationField } from "./recording_options.ts";
import type { QueuePlace } from "./recording_queue.ts";

/** A call of a method of the service. */
export interface Call {
  method: string;
  /** Address and port. */
  peer: string;
  credentials: Credentials;
  /**
   * Aborts when the caller gives up or is gone; with a `ConnectionLostError` when nobody gave up,
   * but the connection has ended.
   */
  signal: AbortSignal;
  /** To be called when it is known who calls. */
  identified(): void;
}

/** A call has ended because its connection has. */
export class ConnectionLostError extends Error {}

/** What a caller asks for, not checked yet. */
export interface RecordingRequest {
  containerId: string;
  duration: DurationField;
  options: RecordOptions__Output | null;
  /**
   * Whether the result is kept for those who fetch it. It is then made to its end when the caller
   * is lost after sampling has ended, or while it samples and is back in time.
   */
  kept: boolean;
}

/** Receives what the caller is told while a recording goes on. */
export interface RecordingListener {
  accepted(recordingId: string): void;
  queued(place: QueuePlace): void;
  started(processes: number, used: Pick<RecordingOptions, "side" | "frequencyHz">): void;
  progress(elapsedSeconds: number, counts: PerfDataCounts): void;
  converting(): void;
}
