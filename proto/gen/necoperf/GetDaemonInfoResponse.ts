// Original file: proto/necoperf.proto

import type { RecordingLimits as _necoperf_RecordingLimits, RecordingLimits__Output as _necoperf_RecordingLimits__Output } from '../necoperf/RecordingLimits.ts';
import type { ProfilingRights as _necoperf_ProfilingRights, ProfilingRights__Output as _necoperf_ProfilingRights__Output } from '../necoperf/ProfilingRights.ts';

export interface GetDaemonInfoResponse {
  /**
   * Of this program.
   */
  'version'?: (string);
  /**
   * As the daemon was told; empty when it was not.
   */
  'nodeName'?: (string);
  /**
   * `none` when perf cannot be run.
   */
  'perfVersion'?: (string);
  'kernelRelease'?: (string);
  /**
   * Why this perf should not be trusted with this kernel; empty when it can be.
   */
  'versionSkew'?: (string);
  'ready'?: (boolean);
  /**
   * What /readyz says: a line a check.
   */
  'readiness'?: (string);
  'runningRecordings'?: (number);
  'waitingRecordings'?: (number);
  'limits'?: (_necoperf_RecordingLimits | null);
  /**
   * Missing when nothing was asked.
   */
  'rights'?: (_necoperf_ProfilingRights | null);
}

export interface GetDaemonInfoResponse__Output {
  /**
   * Of this program.
   */
  'version': (string);
  /**
   * As the daemon was told; empty when it was not.
   */
  'nodeName': (string);
  /**
   * `none` when perf cannot be run.
   */
  'perfVersion': (string);
  'kernelRelease': (string);
  /**
   * Why this perf should not be trusted with this kernel; empty when it can be.
   */
  'versionSkew': (string);
  'ready': (boolean);
  /**
   * What /readyz says: a line a check.
   */
  'readiness': (string);
  'runningRecordings': (number);
  'waitingRecordings': (number);
  'limits': (_necoperf_RecordingLimits__Output | null);
  /**
   * Missing when nothing was asked.
   */
  'rights': (_necoperf_ProfilingRights__Output | null);
}
