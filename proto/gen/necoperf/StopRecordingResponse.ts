// Original file: proto/necoperf.proto


export interface StopRecordingResponse {
}

export interface StopRecordingResponse__Output {
}
