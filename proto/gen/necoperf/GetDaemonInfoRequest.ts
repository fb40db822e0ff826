// Original file: proto/necoperf.proto


export interface GetDaemonInfoRequest {
}

export interface GetDaemonInfoRequest__Output {
}
