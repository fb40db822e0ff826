// Original file: proto/necoperf.proto


export interface StopRecordingRequest {
  'recordingId'?: (string);
}

export interface StopRecordingRequest__Output {
  'recordingId': (string);
}
