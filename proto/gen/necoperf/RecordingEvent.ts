// Original file: proto/necoperf.proto

import type { Side as _necoperf_Side, Side__Output as _necoperf_Side__Output } from '../necoperf/Side.ts';
import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../google/protobuf/Duration.ts';
import type { Completeness as _necoperf_Completeness, Completeness__Output as _necoperf_Completeness__Output } from '../necoperf/Completeness.ts';
import type { CpuCounters as _necoperf_CpuCounters, CpuCounters__Output as _necoperf_CpuCounters__Output } from '../necoperf/CpuCounters.ts';
import type { Long } from '@grpc/proto-loader';

export interface _necoperf_RecordingEvent_Accepted {
  /**
   * Names the recording in the other calls. Not guessable.
   */
  'recordingId'?: (string);
}

export interface _necoperf_RecordingEvent_Accepted__Output {
  /**
   * Names the recording in the other calls. Not guessable.
   */
  'recordingId': (string);
}

/**
 * Sampling has ended; perf script is at the rest.
 */
export interface _necoperf_RecordingEvent_Converting {
}

/**
 * Sampling has ended; perf script is at the rest.
 */
export interface _necoperf_RecordingEvent_Converting__Output {
}

export interface _necoperf_RecordingEvent_Finished {
  'completeness'?: (_necoperf_Completeness);
  'samples'?: (number | string | Long);
  'lostSamples'?: (number | string | Long);
  /**
   * How long sampling took in fact.
   */
  'sampled'?: (_google_protobuf_Duration | null);
  /**
   * Bytes of the result, as perf wrote it.
   */
  'size'?: (number | string | Long);
  /**
   * SHA-256 of the result, as perf wrote it.
   */
  'sha256'?: (Buffer | Uint8Array | string);
  /**
   * Bytes of the gzip stream that FetchResult sends.
   */
  'compressedSize'?: (number | string | Long);
  /**
   * How long the result is kept for FetchResult, unless it is deleted before.
   */
  'kept'?: (_google_protobuf_Duration | null);
  /**
   * Times the kernel took no samples for a while, because they took too long.
   */
  'throttled'?: (number | string | Long);
  /**
   * Processes that entered the container while it was sampled, as by kubectl
   * exec, and are not in the result.
   */
  'missedProcesses'?: (number);
  /**
   * What the kernel counted of the container's processor time meanwhile. Not
   * there when nothing of it could be read.
   */
  'cpu'?: (_necoperf_CpuCounters | null);
  /**
   * Why `cpu`, or its `bandwidth`, is not there; empty when both are.
   */
  'cpuUnknown'?: (string);
}

export interface _necoperf_RecordingEvent_Finished__Output {
  'completeness': (_necoperf_Completeness__Output);
  'samples': (number);
  'lostSamples': (number);
  /**
   * How long sampling took in fact.
   */
  'sampled': (_google_protobuf_Duration__Output | null);
  /**
   * Bytes of the result, as perf wrote it.
   */
  'size': (number);
  /**
   * SHA-256 of the result, as perf wrote it.
   */
  'sha256': (Buffer);
  /**
   * Bytes of the gzip stream that FetchResult sends.
   */
  'compressedSize': (number);
  /**
   * How long the result is kept for FetchResult, unless it is deleted before.
   */
  'kept': (_google_protobuf_Duration__Output | null);
  /**
   * Times the kernel took no samples for a while, because they took too long.
   */
  'throttled': (number);
  /**
   * Processes that entered the container while it was sampled, as by kubectl
   * exec, and are not in the result.
   */
  'missedProcesses': (number);
  /**
   * What the kernel counted of the container's processor time meanwhile. Not
   * there when nothing of it could be read.
   */
  'cpu': (_necoperf_CpuCounters__Output | null);
  /**
   * Why `cpu`, or its `bandwidth`, is not there; empty when both are.
   */
  'cpuUnknown': (string);
}

export interface _necoperf_RecordingEvent_Progress {
  /**
   * Since sampling started.
   */
  'elapsed'?: (_google_protobuf_Duration | null);
  /**
   * Samples taken so far.
   */
  'samples'?: (number | string | Long);
  /**
   * Samples lost so far, because perf could not keep up.
   */
  'lostSamples'?: (number | string | Long);
}

export interface _necoperf_RecordingEvent_Progress__Output {
  /**
   * Since sampling started.
   */
  'elapsed': (_google_protobuf_Duration__Output | null);
  /**
   * Samples taken so far.
   */
  'samples': (number);
  /**
   * Samples lost so far, because perf could not keep up.
   */
  'lostSamples': (number);
}

export interface _necoperf_RecordingEvent_Queued {
  /**
   * How many recordings go first; 0: the next free place is this one's.
   */
  'ahead'?: (number);
  /**
   * It waits because the same container is being recorded already: two perfs
   * on one container would measure each other.
   */
  'sameContainer'?: (boolean);
}

export interface _necoperf_RecordingEvent_Queued__Output {
  /**
   * How many recordings go first; 0: the next free place is this one's.
   */
  'ahead': (number);
  /**
   * It waits because the same container is being recorded already: two perfs
   * on one container would measure each other.
   */
  'sameContainer': (boolean);
}

export interface _necoperf_RecordingEvent_Started {
  /**
   * Processes of the container when sampling started.
   */
  'processes'?: (number);
  /**
   * What is sampled, where the request left it open.
   */
  'side'?: (_necoperf_Side);
  /**
   * Samples per second and processor, where the request left it open.
   */
  'frequency'?: (number);
}

export interface _necoperf_RecordingEvent_Started__Output {
  /**
   * Processes of the container when sampling started.
   */
  'processes': (number);
  /**
   * What is sampled, where the request left it open.
   */
  'side': (_necoperf_Side__Output);
  /**
   * Samples per second and processor, where the request left it open.
   */
  'frequency': (number);
}

export interface RecordingEvent {
  'accepted'?: (_necoperf_RecordingEvent_Accepted | null);
  'queued'?: (_necoperf_RecordingEvent_Queued | null);
  'started'?: (_necoperf_RecordingEvent_Started | null);
  'progress'?: (_necoperf_RecordingEvent_Progress | null);
  'converting'?: (_necoperf_RecordingEvent_Converting | null);
  'finished'?: (_necoperf_RecordingEvent_Finished | null);
  'event'?: "accepted"|"queued"|"started"|"progress"|"converting"|"finished";
}

export interface RecordingEvent__Output {
  'accepted'?: (_necoperf_RecordingEvent_Accepted__Output | null);
  'queued'?: (_necoperf_RecordingEvent_Queued__Output | null);
  'started'?: (_necoperf_RecordingEvent_Started__Output | null);
  'progress'?: (_necoperf_RecordingEvent_Progress__Output | null);
  'converting'?: (_necoperf_RecordingEvent_Converting__Output | null);
  'finished'?: (_necoperf_RecordingEvent_Finished__Output | null);
  'event'?: "accepted"|"queued"|"started"|"progress"|"converting"|"finished";
}
