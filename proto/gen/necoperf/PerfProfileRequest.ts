// Original file: proto/necoperf.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../google/protobuf/Duration.ts';
import type { RecordOptions as _necoperf_RecordOptions, RecordOptions__Output as _necoperf_RecordOptions__Output } from '../necoperf/RecordOptions.ts';

export interface PerfProfileRequest {
  'containerId'?: (string);
  /**
   * How long to sample.
   */
  'timeout'?: (_google_protobuf_Duration | null);
  'options'?: (_necoperf_RecordOptions | null);
}

export interface PerfProfileRequest__Output {
  'containerId': (string);
  /**
   * How long to sample.
   */
  'timeout': (_google_protobuf_Duration__Output | null);
  'options': (_necoperf_RecordOptions__Output | null);
}
