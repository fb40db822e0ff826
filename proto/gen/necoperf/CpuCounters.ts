// Original file: proto/necoperf.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../google/protobuf/Duration.ts';
import type { CpuBandwidth as _necoperf_CpuBandwidth, CpuBandwidth__Output as _necoperf_CpuBandwidth__Output } from '../necoperf/CpuBandwidth.ts';

/**
 * What the cgroup of a container counted between two readings: just after
 * sampling started, and when it ended. A field that is not set is not known.
 */
export interface CpuCounters {
  /**
   * Between the readings.
   */
  'elapsed'?: (_google_protobuf_Duration | null);
  /**
   * Processor time that the container used.
   */
  'used'?: (_google_protobuf_Duration | null);
  'bandwidth'?: (_necoperf_CpuBandwidth | null);
  /**
   * How long at least one thread of the container could have run and did not:
   * other threads were on the processors, or its CPU limit was used up
   * (`some` of cpu.pressure).
   */
  'pressure'?: (_google_protobuf_Duration | null);
  /**
   * The limit of the whole pod, where Kubernetes sets one.
   */
  'podBandwidth'?: (_necoperf_CpuBandwidth | null);
  /**
   * As `pressure`, where the kernel does not count that: summed over the threads
   * that were there when sampling ended.
   */
  'delay'?: (_google_protobuf_Duration | null);
}

/**
 * What the cgroup of a container counted between two readings: just after
 * sampling started, and when it ended. A field that is not set is not known.
 */
export interface CpuCounters__Output {
  /**
   * Between the readings.
   */
  'elapsed': (_google_protobuf_Duration__Output | null);
  /**
   * Processor time that the container used.
   */
  'used': (_google_protobuf_Duration__Output | null);
  'bandwidth': (_necoperf_CpuBandwidth__Output | null);
  /**
   * How long at least one thread of the container could have run and did not:
   * other threads were on the processors, or its CPU limit was used up
   * (`some` of cpu.pressure).
   */
  'pressure': (_google_protobuf_Duration__Output | null);
  /**
   * The limit of the whole pod, where Kubernetes sets one.
   */
  'podBandwidth': (_necoperf_CpuBandwidth__Output | null);
  /**
   * As `pressure`, where the kernel does not count that: summed over the threads
   * that were there when sampling ended.
   */
  'delay': (_google_protobuf_Duration__Output | null);
}
