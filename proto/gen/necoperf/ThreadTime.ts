// Original file: proto/necoperf.proto

/**
 * What of threads' time is recorded. perf script's text has PERF_RECORD_SWITCH
 * then, and a sample of `context-switches` at each switch away from a thread.
 * Lines of the daemon's own begin with `# necoperf: `: `thread-time all` or
 * `thread-time off-cpu`, the first one; `began TIME`; `paused SECONDS TIME` where
 * the recording paused until then, after `still PID/TID ...` of threads that had
 * no turn meanwhile, and `watched PID/TID ...` of those that are recorded alone
 * until the next pause; and at the end `duration SECONDS` and, of each thread that
 * is left, `thread PID/TID NS NS TURNS COMM`: what the kernel counted of it,
 * running and waiting for a processor. A TIME is perf's, of CLOCK_BOOTTIME.
 */
export const ThreadTime = {
  /**
   * None: samples of what runs.
   */
  THREAD_TIME_UNSPECIFIED: 'THREAD_TIME_UNSPECIFIED',
  /**
   * All of it, with samples of `cpu-clock` while a thread runs.
   */
  THREAD_TIME_ALL: 'THREAD_TIME_ALL',
  /**
   * The time in which a thread does not run: no samples of `cpu-clock`.
   */
  THREAD_TIME_OFF_CPU: 'THREAD_TIME_OFF_CPU',
} as const;

/**
 * What of threads' time is recorded. perf script's text has PERF_RECORD_SWITCH
 * then, and a sample of `context-switches` at each switch away from a thread.
 * Lines of the daemon's own begin with `# necoperf: `: `thread-time all` or
 * `thread-time off-cpu`, the first one; `began TIME`; `paused SECONDS TIME` where
 * the recording paused until then, after `still PID/TID ...` of threads that had
 * no turn meanwhile, and `watched PID/TID ...` of those that are recorded alone
 * until the next pause; and at the end `duration SECONDS` and, of each thread that
 * is left, `thread PID/TID NS NS TURNS COMM`: what the kernel counted of it,
 * running and waiting for a processor. A TIME is perf's, of CLOCK_BOOTTIME.
 */
export type ThreadTime =
  /**
   * None: samples of what runs.
   */
  | 'THREAD_TIME_UNSPECIFIED'
  | 0
  /**
   * All of it, with samples of `cpu-clock` while a thread runs.
   */
  | 'THREAD_TIME_ALL'
  | 1
  /**
   * The time in which a thread does not run: no samples of `cpu-clock`.
   */
  | 'THREAD_TIME_OFF_CPU'
  | 2

/**
 * What of threads' time is recorded. perf script's text has PERF_RECORD_SWITCH
 * then, and a sample of `context-switches` at each switch away from a thread.
 * Lines of the daemon's own begin with `# necoperf: `: `thread-time all` or
 * `thread-time off-cpu`, the first one; `began TIME`; `paused SECONDS TIME` where
 * the recording paused until then, after `still PID/TID ...` of threads that had
 * no turn meanwhile, and `watched PID/TID ...` of those that are recorded alone
 * until the next pause; and at the end `duration SECONDS` and, of each thread that
 * is left, `thread PID/TID NS NS TURNS COMM`: what the kernel counted of it,
 * running and waiting for a processor. A TIME is perf's, of CLOCK_BOOTTIME.
 */
export type ThreadTime__Output = typeof ThreadTime[keyof typeof ThreadTime]
