// Original file: proto/necoperf.proto

import type { Long } from '@grpc/proto-loader';

export interface FetchResultRequest {
  'recordingId'?: (string);
  /**
   * Where in the gzip stream to start, in bytes.
   */
  'offset'?: (number | string | Long);
}

export interface FetchResultRequest__Output {
  'recordingId': (string);
  /**
   * Where in the gzip stream to start, in bytes.
   */
  'offset': (number);
}
