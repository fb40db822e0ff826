// Original file: proto/necoperf.proto

import type { RecordOptions as _necoperf_RecordOptions, RecordOptions__Output as _necoperf_RecordOptions__Output } from '../necoperf/RecordOptions.ts';
import type { Long } from '@grpc/proto-loader';

export interface PerfRecordRequest {
  'containerId'?: (string);
  /**
   * Seconds to sample.
   */
  'interval'?: (number | string | Long);
  'options'?: (_necoperf_RecordOptions | null);
}

export interface PerfRecordRequest__Output {
  'containerId': (string);
  /**
   * Seconds to sample.
   */
  'interval': (number);
  'options': (_necoperf_RecordOptions__Output | null);
}
