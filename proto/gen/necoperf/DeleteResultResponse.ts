// Original file: proto/necoperf.proto


export interface DeleteResultResponse {
}

export interface DeleteResultResponse__Output {
}
