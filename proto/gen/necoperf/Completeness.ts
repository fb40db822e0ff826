// Original file: proto/necoperf.proto

export const Completeness = {
  COMPLETENESS_UNSPECIFIED: 'COMPLETENESS_UNSPECIFIED',
  /**
   * Sampled for the whole duration asked for.
   */
  COMPLETENESS_FULL: 'COMPLETENESS_FULL',
  /**
   * Ended early by StopRecording.
   */
  COMPLETENESS_STOPPED: 'COMPLETENESS_STOPPED',
  /**
   * All of the container's processes ended before the duration was over.
   */
  COMPLETENESS_TARGET_ENDED: 'COMPLETENESS_TARGET_ENDED',
  /**
   * Ended early because the daemon is shutting down.
   */
  COMPLETENESS_SHUTDOWN: 'COMPLETENESS_SHUTDOWN',
  /**
   * perf was killed or failed while it sampled; what it had sampled is there.
   */
  COMPLETENESS_PERF_FAILED: 'COMPLETENESS_PERF_FAILED',
} as const;

export type Completeness =
  | 'COMPLETENESS_UNSPECIFIED'
  | 0
  /**
   * Sampled for the whole duration asked for.
   */
  | 'COMPLETENESS_FULL'
  | 1
  /**
   * Ended early by StopRecording.
   */
  | 'COMPLETENESS_STOPPED'
  | 2
  /**
   * All of the container's processes ended before the duration was over.
   */
  | 'COMPLETENESS_TARGET_ENDED'
  | 3
  /**
   * Ended early because the daemon is shutting down.
   */
  | 'COMPLETENESS_SHUTDOWN'
  | 4
  /**
   * perf was killed or failed while it sampled; what it had sampled is there.
   */
  | 'COMPLETENESS_PERF_FAILED'
  | 5

export type Completeness__Output = typeof Completeness[keyof typeof Completeness]
