// Original file: proto/necoperf.proto


export interface PerfProfileResponse {
  'data'?: (Buffer | Uint8Array | string);
}

export interface PerfProfileResponse__Output {
  'data': (Buffer);
}
