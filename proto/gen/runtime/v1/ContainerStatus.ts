// Original file: proto/cri.proto

import type { ContainerState as _runtime_v1_ContainerState, ContainerState__Output as _runtime_v1_ContainerState__Output } from '../../runtime/v1/ContainerState.ts';

export interface ContainerStatus {
  'id'?: (string);
  'state'?: (_runtime_v1_ContainerState);
  'labels'?: ({[key: string]: string});
}

export interface ContainerStatus__Output {
  'id': (string);
  'state': (_runtime_v1_ContainerState__Output);
  'labels': ({[key: string]: string});
}
