// Original file: proto/necoperf.proto


export interface FetchResultResponse {
  /**
   * The next bytes of a gzip stream of the result.
   */
  'data'?: (Buffer | Uint8Array | string);
}

export interface FetchResultResponse__Output {
  /**
   * The next bytes of a gzip stream of the result.
   */
  'data': (Buffer);
}
