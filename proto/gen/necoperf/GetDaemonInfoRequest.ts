// Original file: proto/necoperf.proto


export interface GetDaemonInfoRequest {
  /**
   * Asks what the caller may profile in this namespace; empty: nothing is asked.
   */
  'podNamespace'?: (string);
}

export interface GetDaemonInfoRequest__Output {
  /**
   * Asks what the caller may profile in this namespace; empty: nothing is asked.
   */
  'podNamespace': (string);
}
