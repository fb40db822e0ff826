// Original file: proto/necoperf.proto


export interface PerfRecordResponse {
  /**
   * perf script text, or perf.data when the options ask for it.
   */
  'data'?: (Buffer | Uint8Array | string);
}

export interface PerfRecordResponse__Output {
  /**
   * perf script text, or perf.data when the options ask for it.
   */
  'data': (Buffer);
}
