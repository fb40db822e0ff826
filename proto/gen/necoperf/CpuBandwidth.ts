// Original file: proto/necoperf.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../google/protobuf/Duration.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * A container's CPU limit, as the kernel enforces it (CFS bandwidth control).
 */
export interface CpuBandwidth {
  /**
   * Processor time that the container may use in each period. Not there: as much
   * as there is.
   */
  'quota'?: (_google_protobuf_Duration | null);
  'period'?: (_google_protobuf_Duration | null);
  /**
   * Periods in which it ran.
   */
  'periods'?: (number | string | Long);
  /**
   * Of those, periods in which it used up its quota and was stopped.
   */
  'throttledPeriods'?: (number | string | Long);
  /**
   * How long it was stopped, summed over the processors it was stopped on.
   */
  'throttled'?: (_google_protobuf_Duration | null);
}

/**
 * A container's CPU limit, as the kernel enforces it (CFS bandwidth control).
 */
export interface CpuBandwidth__Output {
  /**
   * Processor time that the container may use in each period. Not there: as much
   * as there is.
   */
  'quota': (_google_protobuf_Duration__Output | null);
  'period': (_google_protobuf_Duration__Output | null);
  /**
   * Periods in which it ran.
   */
  'periods': (number);
  /**
   * Of those, periods in which it used up its quota and was stopped.
   */
  'throttledPeriods': (number);
  /**
   * How long it was stopped, summed over the processors it was stopped on.
   */
  'throttled': (_google_protobuf_Duration__Output | null);
}
