// Original file: proto/necoperf.proto

import type { _necoperf_RecordingEvent_Finished, _necoperf_RecordingEvent_Finished__Output } from '../necoperf/RecordingEvent.ts';

export interface FetchResultResponse {
  /**
   * The next bytes of a gzip stream of the result.
   */
  'data'?: (Buffer | Uint8Array | string);
  /**
   * In the last message: what the whole result is.
   */
  'finished'?: (_necoperf_RecordingEvent_Finished | null);
}

export interface FetchResultResponse__Output {
  /**
   * The next bytes of a gzip stream of the result.
   */
  'data': (Buffer);
  /**
   * In the last message: what the whole result is.
   */
  'finished': (_necoperf_RecordingEvent_Finished__Output | null);
}
