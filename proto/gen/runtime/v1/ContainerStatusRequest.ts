// Original file: proto/cri.proto


export interface ContainerStatusRequest {
  'containerId'?: (string);
  /**
   * Fills `info` with what the runtime knows beyond the interface.
   */
  'verbose'?: (boolean);
}

export interface ContainerStatusRequest__Output {
  'containerId': (string);
  /**
   * Fills `info` with what the runtime knows beyond the interface.
   */
  'verbose': (boolean);
}
