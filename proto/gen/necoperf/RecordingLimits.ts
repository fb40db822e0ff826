// Original file: proto/necoperf.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../google/protobuf/Duration.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * What the daemon's administrator lets callers ask for.
 */
export interface RecordingLimits {
  'maxDuration'?: (_google_protobuf_Duration | null);
  'maxFrequency'?: (number);
  'maxStackSize'?: (number);
  'allowedEvents'?: (string)[];
  'maxConcurrent'?: (number);
  'maxQueue'?: (number);
  'resultRetention'?: (_google_protobuf_Duration | null);
  'maxRecordResponse'?: (number | string | Long);
  /**
   * perf.data a second that a recording with thread_time may have on average, 8
   * times as much with CALL_GRAPH_DWARF; it pauses where there would be more.
   * 0 when this daemon makes no such recording.
   */
  'threadTimeBytesPerSecond'?: (number | string | Long);
}

/**
 * What the daemon's administrator lets callers ask for.
 */
export interface RecordingLimits__Output {
  'maxDuration': (_google_protobuf_Duration__Output | null);
  'maxFrequency': (number);
  'maxStackSize': (number);
  'allowedEvents': (string)[];
  'maxConcurrent': (number);
  'maxQueue': (number);
  'resultRetention': (_google_protobuf_Duration__Output | null);
  'maxRecordResponse': (number);
  /**
   * perf.data a second that a recording with thread_time may have on average, 8
   * times as much with CALL_GRAPH_DWARF; it pauses where there would be more.
   * 0 when this daemon makes no such recording.
   */
  'threadTimeBytesPerSecond': (number);
}
