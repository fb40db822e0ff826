// Original file: proto/necoperf.proto


export interface DeleteResultRequest {
  'recordingId'?: (string);
}

export interface DeleteResultRequest__Output {
  'recordingId': (string);
}
