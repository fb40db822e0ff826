/**
 * perf's events that fit any container; what a daemon allows unless its administrator says else.
 */
export const COMMON_EVENTS: readonly string[] = [
  "cpu-clock",
  "task-clock",
  "cycles",
  "instructions",
  "branches",
  "branch-misses",
  "cache-references",
  "cache-misses",
  "context-switches",
  "cpu-migrations",
  "page-faults",
  "minor-faults",
  "major-faults",
];
