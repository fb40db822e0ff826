// Original file: proto/necoperf.proto

/**
 * What of threads' time is recorded. perf script's text has PERF_RECORD_SWITCH
 * then, and a sample of `context-switches` at each switch away from a thread.
 * Lines of the daemon, at the end of the text, begin with `# necoperf: `.
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
 * Lines of the daemon, at the end of the text, begin with `# necoperf: `.
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
 * Lines of the daemon, at the end of the text, begin with `# necoperf: `.
 */
export type ThreadTime__Output = typeof ThreadTime[keyof typeof ThreadTime]
